"""The pack as a whole: complete, documented, configured, and importable without serving."""

import json
from typing import Any

import pytest

from policies import catalogue
from policies.pack import POLICY_OF, RESOURCE_RULES, RULES, STACK_POLICIES, build
from settings.defaults import FLOORS
from tests.policies import test_vercel
from tests.policies.aws import test_audit as aws_audit
from tests.policies.aws import test_encryption as aws_encryption
from tests.policies.aws import test_exposure as aws_exposure
from tests.policies.aws import test_identity as aws_identity
from tests.policies.aws import test_retention as aws_retention
from tests.policies.gcp import (
    test_audit,
    test_edge,
    test_encryption,
    test_exposure,
    test_firestore,
    test_identity,
    test_retention,
)

# Rules about the mere presence of a resource have no property to change; their tests are beside the cases.
_BY_PRESENCE = {"bucket-acl", "default-provider", "iam-user", "long-lived-key", "s3-acl"}


def _config(stack: str) -> dict[str, Any]:
    return dict(json.loads(catalogue.config_file(stack).read_text(encoding="utf-8")))


def _level(config: dict[str, Any], rule: str) -> str:
    entry = config.get(POLICY_OF[rule], config["all"])
    return str(entry["enforcementLevel"] if isinstance(entry, dict) else entry)


def test_every_resource_rule_has_a_test_that_breaks_it() -> None:
    google = (
        test_audit,
        test_edge,
        test_encryption,
        test_exposure,
        test_firestore,
        test_identity,
        test_retention,
    )
    amazon = (aws_audit, aws_encryption, aws_exposure, aws_identity, aws_retention)
    modules = (*google, *amazon, test_vercel)
    tested = {case.rule for module in modules for case in module.CASES}

    assert tested | _BY_PRESENCE == {rule.name for rule in RESOURCE_RULES}


def test_names_are_unique_and_stack_policies_few() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert [policy.name for policy in STACK_POLICIES] == [
        "joined-settings",
        "audit-trail",
        "tenant-complete",
        "data-protected",
    ]


def test_rules_that_share_a_policy_share_no_setting() -> None:
    for policy in STACK_POLICIES:
        names = [setting.name for rule in policy.rules for setting in rule.settings]
        assert len(set(names)) == len(names)


def test_policies_carry_their_metadata() -> None:
    for policy in build():
        assert policy.severity is not None
        assert policy.framework is not None
        assert policy.framework.specification
        assert policy.remediation_steps
        assert policy.url == f"docs/policies.md#{policy.name}"
        # The level comes from the pack or from a policy config, and not from a rule.
        assert policy.enforcement_level is None


def test_the_page_is_what_the_rules_say() -> None:
    current = catalogue.PAGE.read_text(encoding="utf-8")

    assert catalogue.page(current) == current, "run: python -m policies.catalogue"
    for policy in build():
        assert f'<a id="{policy.name}"></a>' in current


@pytest.mark.parametrize("stack", catalogue.STACKS)
def test_a_config_names_rules_and_settings_that_exist(stack: str) -> None:
    settings: dict[str, set[str]] = {POLICY_OF[rule.name]: set() for rule in RULES}
    for rule in RULES:
        settings[POLICY_OF[rule.name]] |= {setting.name for setting in rule.settings}
    config = _config(stack)
    assert config.pop("all") == "mandatory"

    for name, entry in config.items():
        given = set(entry) if isinstance(entry, dict) else {"enforcementLevel"}
        assert given - {"enforcementLevel"} <= settings[name]


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_everything_is_mandatory_in_staging_and_prod(stack: str) -> None:
    config = _config(stack)

    assert {_level(config, rule.name) for rule in RULES} == {"mandatory"}


def test_prod_is_as_strict_as_no_config_at_all() -> None:
    config = _config("prod")

    for rule in RULES:
        entry = config.get(POLICY_OF[rule.name], {})
        for setting in rule.settings:
            default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
            assert entry.get(setting.name, default) == default


def test_dev_relaxes_these_and_no_others() -> None:
    config = _config("dev")

    assert {rule.name for rule in RULES if _level(config, rule.name) != "mandatory"} == {
        "aws-force-destroy",
        "bucket-force-destroy",
        "cloudfront-tls",
        "data-protected",
        "firestore-cmek",
        "rds-kept",
        "vercel-protection",
    }


@pytest.mark.parametrize("stack", catalogue.STACKS)
def test_the_floors_are_those_of_the_settings(stack: Any) -> None:  # noqa: ANN401 - a literal type's values
    config, floor = _config(stack), FLOORS[stack]

    assert config["sql-backup-count"]["minBackups"] == floor.retained_backups
    assert config["sql-point-in-time"]["enterprisePlusMinDays"] == floor.pitr_days
    assert config["bucket-locked-retention"]["exportsMinDays"] == floor.export_retention_days
    assert config["bucket-locked-retention"]["requireLock"] == floor.lock
    assert config["log-bucket-retention"]["requireLock"] == floor.lock
    assert config["audit-trail"]["requireLock"] == floor.lock
    assert config["rds-backups"]["minDays"] == floor.pitr_days
    assert config["backup-plan"]["minDays"] == floor.retained_backups
    joined = config["joined-settings"]
    assert joined["vaultMinDays"] == floor.retained_backups
    assert joined["vaultRequireLock"] == floor.lock
    assert joined["s3ExportsMinDays"] == floor.export_retention_days
    assert joined["s3RequireLock"] == floor.lock

"""The pack as a whole: complete, documented, configured, and importable without serving."""

import json
from typing import Any

import pytest

from policies import catalogue
from policies.pack import ALONE, POLICIES, POLICY_OF, RESOURCE_RULES, RULES, build
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
    return str(entry.get("enforcementLevel", config["all"]) if isinstance(entry, dict) else entry)


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


def test_every_rule_is_run_by_one_of_few_policies() -> None:
    shared = ["resource-rules", "stack-rules"]
    assert [policy.name for policy in POLICIES if policy.name not in ALONE] == shared
    assert [policy.name for policy in build()] == ["exemption-valid", *(policy.name for policy in POLICIES)]

    ran = [rule.name for policy in POLICIES for rule in policy.rules]
    assert sorted(ran) == sorted(rule.name for rule in RULES)
    assert len({*ran, *shared}) == len(ran) + len(shared)
    for policy in POLICIES:
        if policy.name in ALONE:
            assert [rule.name for rule in policy.rules] == [policy.name]


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
    rules = {rule.name: {setting.name for setting in rule.settings} for rule in RULES}
    config = _config(stack)
    assert config.pop("all") == "mandatory"

    for name, entry in config.items():
        assert name in POLICY_OF.values()
        if isinstance(entry, dict):
            for rule, settings in entry.items():
                assert POLICY_OF[rule] == name
                assert set(settings) <= rules[rule]
        else:
            assert name in ALONE


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_everything_is_mandatory_in_staging_and_prod(stack: str) -> None:
    config = _config(stack)

    assert {_level(config, rule.name) for rule in RULES} == {"mandatory"}


def test_prod_is_as_strict_as_no_config_at_all() -> None:
    config = _config("prod")

    for rule in RULES:
        entry = config.get(POLICY_OF[rule.name], {}).get(rule.name, {})
        for setting in rule.settings:
            default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
            assert entry.get(setting.name, default) == default


def test_dev_relaxes_these_and_no_others() -> None:
    config = _config("dev")

    relaxed = {rule.name for rule in RULES if _level(config, rule.name) != "mandatory"}
    assert relaxed == ALONE
    assert relaxed == {
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

    single, whole = config["resource-rules"], config["stack-rules"]
    assert single["sql-backup-count"]["minBackups"] == floor.retained_backups
    assert single["sql-point-in-time"]["enterprisePlusMinDays"] == floor.pitr_days
    assert single["bucket-locked-retention"]["exportsMinDays"] == floor.export_retention_days
    assert single["bucket-locked-retention"]["requireLock"] == floor.lock
    assert single["rds-backups"]["minDays"] == floor.pitr_days
    assert single["backup-plan"]["minDays"] == floor.retained_backups
    assert single["log-bucket-retention"]["requireLock"] == floor.lock
    assert whole["audit-trail"]["requireLock"] == floor.lock
    assert whole["backup-vault-lock"] == {"minDays": floor.retained_backups, "requireLock": floor.lock}
    assert whole["s3-locked-retention"]["exportsMinDays"] == floor.export_retention_days
    assert whole["s3-locked-retention"]["requireLock"] == floor.lock

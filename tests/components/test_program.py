"""What holds for everything that the program registers: providers, names, guards, components, counts, verdicts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.gcp.apis import SERVICES
from policies import catalogue
from policies.pack import RESOURCE_RULES, STACK_RULES
from sandbox.mocks import Registration
from tests.components.program import STACKS, Built, Document, StackName, build, built, document_of
from tests.components.tokens import (
    ALERT,
    BUCKET,
    BUCKET_BINDING,
    BUCKET_MEMBER,
    CLOCK,
    DATABASE,
    FOLDER,
    FOLDER_BINDING,
    INSTANCE,
    KEY,
    KEY_RING,
    LOG_BUCKET,
    OBJECT,
    PASSWORD,
    SECRET,
    SECRET_BINDING,
    SECRET_VERSION,
    USER,
)
from tests.policies.support import Props, Stack, run

RETRY = ("on_error", "tenantry-retry-propagation")
REFUSE_RECREATE = ("before_create", "tenantry-refuse-empty-recreate")
REFUSE_DELETE = ("before_delete", "tenantry-refuse-delete")
DATA_BEARING = {BUCKET, DATABASE, INSTANCE, KEY, KEY_RING, LOG_BUCKET, USER}
"""What holds data, what opens it, and the users that own or reach objects inside a database."""

each_stack = pytest.mark.parametrize("stack", STACKS)


def identity(item: Registration) -> tuple[str, str, str]:
    return item.type, item.name, item.parent


def essence(run: Built) -> dict[tuple[str, str, str], tuple[object, ...]]:
    """All that the engine compares between two operations, by identity."""
    return {
        identity(item): (
            item.inputs,
            item.secret_inputs,
            item.protect,
            sorted(item.dependencies),
            item.provider,
            item.hooks,
            item.ignore_changes,
        )
        for item in run.all
    }


def without(tenant: str) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        document["tenants"] = [entry for entry in document["tenants"] if entry["id"] != tenant]

    return edit


@each_stack
def test_nothing_is_registered_twice(stack: StackName) -> None:
    times = Counter(identity(item) for item in built(stack).all)
    assert [who for who, count in times.items() if count > 1] == []


@each_stack
def test_every_resource_names_its_provider_and_there_is_one_a_cloud(stack: StackName) -> None:
    providers = [item for item in built(stack).all if item.type.startswith("pulumi:providers:")]
    assert sorted((item.type, item.name) for item in providers) == [
        ("pulumi:providers:gcp", "gcp"),
        ("pulumi:providers:random", "random"),
    ]
    references = {item.type.partition(":")[0]: set[str]() for item in built(stack).resources}
    for item in built(stack).resources:
        references[item.type.partition(":")[0]].add(item.provider)
    assert references == {
        cloud: {f"urn:pulumi:{stack}::tenantry::pulumi:pulumi:Stack$pulumi:providers:{cloud}::{cloud}::{cloud}-id"}
        for cloud in ("gcp", "random")
    }


def test_the_provider_labels_everything_and_bills_its_own_project() -> None:
    provider = built("prod").mocks.one("pulumi:providers:gcp").inputs
    assert json.loads(provider["defaultLabels"]) == {
        "environment": "prod",
        "service": "tenantry",
        "cost-centre": "cc-4200",
        "managed-by": "tenantry",
    }
    assert {key: provider[key] for key in ("project", "region", "billingProject", "userProjectOverride")} == {
        "project": "ledgerly-prod",
        "region": "europe-west1",
        "billingProject": "ledgerly-prod",
        "userProjectOverride": "true",
    }


@each_stack
def test_every_resource_belongs_to_a_component_and_inherits_no_options(stack: StackName) -> None:
    stray = [item.name for item in built(stack).resources if "$tenantry:" not in item.parent.split("::")[2]]
    assert stray == []
    loose = [item for item in built(stack).components if item.protect or item.dependencies or item.ignore_changes]
    assert loose == []


@each_stack
def test_a_tenant_is_two_components(stack: StackName) -> None:
    ids = sorted(entry["id"] for entry in document_of(stack)["tenants"])
    tenancy = Counter(item.type for item in built(stack).components)
    assert tenancy["tenantry:tenant:Tenant"] == tenancy["tenantry:tenant_database:TenantDatabase"] == len(ids)
    assert sorted(built(stack).of("tenantry:tenant:Tenant")) == ids
    assert sorted(built(stack).of("tenantry:tenant_database:TenantDatabase")) == ids
    # the environment and its five buckets, secrets, backups, services, monitoring
    assert tenancy.total() - 2 * len(ids) == 10


class TestNames:
    def test_the_order_of_tenants_and_pools_changes_nothing(self) -> None:
        def turn(document: Document) -> None:
            document["tenants"].reverse()
            document["pools"] = dict(reversed(document["pools"].items()))

        assert document_of("staging")["tenants"][0]["id"] == "acme"
        assert essence(build("staging", turn)) == essence(built("staging"))

    def test_a_new_tenant_changes_no_resource_of_the_others(self) -> None:
        def add(document: Document) -> None:
            document["tenants"].insert(0, {"id": "aardvark"})

        before, after = essence(built("dev")), essence(build("dev", add))
        owned = {"aardvark"} | {f"aardvark-{part}" for part in _SHARED_PARTS}
        assert {name for _, name, _ in after.keys() - before.keys()} == owned
        assert before.items() <= after.items()

    @each_stack
    def test_no_name_holds_a_position(self, stack: StackName) -> None:
        """Numbers in names come from the stack file (`harbour-9`), never from a count."""
        written = set(re.findall(r"[\w-]*\d[\w-]*", json.dumps(document_of(stack))))
        regions = {"europe-west1", "europe-west3", "europe-west4"}
        numbered = {item.name for item in built(stack).all if re.search(r"(^|-)\d+(-|$)", item.name)}
        assert [
            name for name in numbered if not any(text in name for text in (written | regions) if not text.isdigit())
        ] == []


class TestGuards:
    @each_stack
    def test_data_is_guarded_and_nothing_else_is(self, stack: StackName) -> None:
        guarded = {(item.type, item.name) for item in built(stack).all if item.protect}
        data = {(item.type, item.name) for item in built(stack).resources if item.type in DATA_BEARING}
        assert guarded == data
        assert len(guarded) >= 15

    @each_stack
    def test_both_refusals_are_on_guarded_resources_and_only_there(self, stack: StackName) -> None:
        for item in built(stack).all:
            refusals = item.hooks - {RETRY}
            assert refusals == ({REFUSE_RECREATE, REFUSE_DELETE} if item.protect else frozenset()), item.name

    @each_stack
    def test_whatever_meets_a_fresh_grant_retries(self, stack: StackName) -> None:
        """Stores under a key, their grants, and what runs under an account of this program."""
        retrying = {item.type for item in built(stack).resources if RETRY in item.hooks}
        assert retrying >= DATA_BEARING | {SECRET, CLOCK, ALERT, "gcp:workflows/workflow:Workflow"}

    @each_stack
    def test_the_stack_output_names_what_a_loss_must_be_refused_for(self, stack: StackName) -> None:
        run = built(stack)
        tenants = [item["id"] for item in document_of(stack)["tenants"]]
        primaries = {name for name, item in run.of(INSTANCE).items() if "masterInstanceName" not in item.inputs}
        own_buckets = {f"{tenant}-uploads" for tenant in tenants if f"{tenant}-uploads" in run.of(BUCKET)}
        expected = primaries | {f"{tenant}-database" for tenant in tenants} | own_buckets
        assert run.outputs["guarded"] == {
            name: next(item.id for item in run.resources if item.name == name and item.type in DATA_BEARING)
            for name in expected
        }


_SHARED_PARTS = (
    "credential",
    "credential-version",
    "database",
    "database-url",
    "database-url-readers",
    "files",
    "files-users",
    "password",
    "registry",
)
_CREDENTIAL = {PASSWORD: 1, SECRET: 2, SECRET_VERSION: 1, SECRET_BINDING: 1}
SHARED = {DATABASE: 1, **_CREDENTIAL, OBJECT: 1, FOLDER: 1, FOLDER_BINDING: 1}
DEDICATED = {
    DATABASE: 1,
    **_CREDENTIAL,
    OBJECT: 2,  # the tenant's entry, and its instance's
    BUCKET: 1,
    BUCKET_BINDING: 1,
    INSTANCE: 1,
    USER: 3,
    BUCKET_MEMBER: 1,  # the instance's right to write its exports
    CLOCK: 1,
    ALERT: 1,
}


class TestBudget:
    """At most 10 cloud resources a shared tenant and 16 a dedicated one: a generated password is in no cloud."""

    @pytest.mark.parametrize(
        ("stack", "tenant", "adds"),
        [
            ("dev", "acme", SHARED),
            ("prod", "dana-p", SHARED),
            ("dev", "cobalt-bank", DEDICATED),
            ("prod", "cobalt-bank", DEDICATED),
            ("prod", "granite-funds", {**DEDICATED, INSTANCE: 2}),  # its replica is a choice of the stack file
        ],
    )
    def test_a_tenant_adds_exactly_this_and_takes_nothing_away(
        self, stack: StackName, tenant: str, adds: dict[str, int]
    ) -> None:
        whole = {(item.type, item.name) for item in built(stack).resources}
        rest = {(item.type, item.name) for item in build(stack, without(tenant)).resources}
        assert Counter(token for token, _ in whole - rest) == adds
        assert rest - whole == set()

    def test_the_limits(self) -> None:
        in_the_cloud = [Counter(adds) - Counter({PASSWORD: 1}) for adds in (SHARED, DEDICATED)]
        assert [found.total() for found in in_the_cloud] == [8, 16]
        assert all(found.total() <= limit for found, limit in zip(in_the_cloud, (10, 16), strict=True))


class TestVerdicts:
    """The pack's rules over what the program registers: quick, and exact about the resource."""

    @each_stack
    def test_no_resource_breaks_a_rule(self, stack: StackName) -> None:
        config = _config(stack)
        broken = [
            (rule.name, item.name, message)
            for item in built(stack).all
            for rule in RESOURCE_RULES
            for message in _judged(rule, item, config)
        ]
        assert broken == []

    @each_stack
    def test_the_stack_as_a_whole_breaks_none(self, stack: StackName) -> None:
        whole = _policy_stack(built(stack))
        config = _config(stack)
        assert {rule.name: whole.judge(rule.name, config.get(rule.name)) for rule in STACK_RULES} == {
            rule.name: [] for rule in STACK_RULES
        }

    def test_a_public_address_would_be_refused(self) -> None:
        item = built("prod").of(INSTANCE)["pool-personal-instance"]
        settings = item.inputs["settings"]
        exposed = {
            **item.inputs,
            "settings": {**settings, "ipConfiguration": {**settings["ipConfiguration"], "ipv4Enabled": True}},
        }
        found = [rule.name for rule in RESOURCE_RULES if run(rule, item.type, exposed, protect=True)]
        assert found == ["sql-public-ip"]

    def test_a_tenant_without_its_export_would_be_refused(self) -> None:
        whole = _policy_stack(built("prod"))
        whole.remove(f"{CLOCK} pool-personal-export-schedule")
        assert {rule.name for rule in STACK_RULES if whole.judge(rule.name, _config("prod").get(rule.name))}


def _config(stack: StackName) -> dict[str, Props]:
    """What the stack's configuration of the pack sets, by rule."""
    found = json.loads(catalogue.config_file(stack).read_text(encoding="utf-8"))
    return {
        rule: settings
        for policy in found.values()
        if isinstance(policy, dict)
        for rule, settings in policy.items()
        if rule != "enforcementLevel"
    }


def _judged(rule: Any, item: Registration, config: dict[str, Props]) -> list[str]:  # noqa: ANN401 - a rule of the pack
    return run(
        rule,
        item.type,
        dict(item.inputs),
        name=item.name,
        protect=item.protect,
        provider=item.provider.split("::")[-2] if item.provider else None,
        config=config.get(rule.name),
    )


def _policy_stack(found: Built) -> Stack:
    """The stack as its rules see it. Names repeat between types, so resources are called by both."""

    def called(urn: str) -> str:
        *_, token, name = urn.split("::")
        return f"{token.rpartition('$')[2]} {name}"

    whole, waiting = Stack(), list(found.all)
    while waiting:
        ready = [
            item
            for item in waiting
            if (item.parent.endswith(f"::tenantry-{found.stack}") or called(item.parent) in whole.resources)
            and all(called(urn) in whole.resources for urns in item.sources.values() for urn in urns)
        ]
        assert ready, [item.name for item in waiting]
        for item in ready:
            parent = None if item.parent.endswith(f"::tenantry-{found.stack}") else called(item.parent)
            whole.add(
                item.type,
                f"{item.type} {item.name}",
                dict(item.outputs),
                protect=item.protect,
                parent=parent,
                built_from={prop: [called(urn) for urn in urns] for prop, urns in item.sources.items() if urns},
            )
        waiting = [item for item in waiting if item not in ready]
    return whole


class TestRefusals:
    """The program stops before it registers anything."""

    def test_an_active_tenant_that_is_gone(self) -> None:
        before = built("dev").outputs
        with pytest.raises(pulumi.RunError, match="tenant 'acme' is active and its entry is gone"):
            build("dev", without("acme"), previous=before)

    def test_no_change_is_no_refusal_and_registers_the_same(self) -> None:
        assert essence(build("dev", previous=built("dev").outputs)) == essence(built("dev"))

    def test_a_secret_that_is_listed_and_not_set(self) -> None:
        def forget(document: Document) -> None:
            del document["external_secrets"]["SENTRY_DSN"]

        with pytest.raises(pulumi.RunError, match=r"external_secrets\.SENTRY_DSN: is missing"):
            build("staging", forget)


def test_every_api_that_is_enabled_is_asked_for_by_name() -> None:
    enabled = {item.inputs["service"] for item in built("dev").of("gcp:projects/service:Service").values()}
    assert enabled == set(SERVICES)

"""What may change between two deployments, and what is refused with instructions (R2.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from settings.defaults import NOT_ENFORCED_ON_GUESTS
from settings.errors import Problem
from settings.lifecycle import (
    Previous,
    check,
    describe,
    describe_generations,
    describe_instances,
    describe_locked,
    describe_places,
    lift_guards,
)
from settings.load import read_stack_file
from settings.plan import Plan
from settings.resolve import load
from settings.types import Cloud
from tests import ROOT
from tests.unit.settings.documents import aws, both, dev

_ON_EACH = {"pools.general.kind": "cloudsql", "pools.ledger": {"kind": "rds", "capacity": 5}}
"""A SQL instance on each of two clouds."""


def raw_config() -> dict[str, Any]:
    return read_stack_file(ROOT / "Pulumi.dev.yaml")


def plan_of(raw: dict[str, Any]) -> Plan:
    return load(raw, "dev")


def published(plan: Plan) -> Previous:
    return Previous(
        tenants={tenant.id: describe(tenant) for tenant in plan.tenants},
        instances=describe_instances(plan),
        generations=describe_generations(Previous(), plan),
        created={f"{tenant.id}-database": f"id-of-{tenant.database}" for tenant in plan.tenants}
        | {f"{instance.key}-instance": instance.name for instance in plan.instances},
    )


def proved(plan: Plan, *tenants: str) -> Plan:
    """The plan of the operation that finds the markers which the one before has asked for."""
    asked = published(lift_guards(plan, Previous(), {}))
    names = {f"final/{tenant}.json" for tenant in tenants}
    return lift_guards(plan, asked, {"gcp": names, "aws": names})


def with_tenant(tenant_id: str, **changes: object) -> dict[str, Any]:
    raw = raw_config()
    raw["tenants"] = [{**entry, **changes} if entry["id"] == tenant_id else entry for entry in raw["tenants"]]
    return raw


def without(tenant_id: str) -> dict[str, Any]:
    raw = raw_config()
    raw["tenants"] = [entry for entry in raw["tenants"] if entry["id"] != tenant_id]
    return raw


@pytest.fixture
def before() -> Previous:
    return published(plan_of(raw_config()))


def test_first_deployment_and_an_unchanged_one_are_accepted(before: Previous) -> None:
    assert check(Previous(), plan_of(raw_config())) == []
    assert check(before, plan_of(raw_config())) == []


def test_outputs_of_a_stack_without_a_registry_are_no_previous_deployment() -> None:
    assert Previous.from_outputs({}) == Previous()
    assert Previous.from_outputs({"registry": None, "guarded": None}) == Previous()


def test_removing_an_active_tenant_is_refused_with_the_way_to_do_it(before: Previous) -> None:
    [problem] = check(before, plan_of(without("acme")))
    assert problem.path == "tenantry:tenants"
    assert problem.message == "tenant 'acme' is active and its entry is gone; its data would be deleted."
    assert problem.fix.startswith("put it back as `state: offboarding`")
    assert problem.value == "acme"


def test_a_tenant_whose_database_was_never_created_can_be_removed(before: Previous) -> None:
    never = replace(before, created={key: value for key, value in before.created.items() if key != "acme-database"})
    assert check(never, plan_of(without("acme"))) == []


def test_an_unknown_id_is_no_evidence_of_existence() -> None:
    outputs = {"guarded": {"a": "id", "b": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "c": object()}}
    assert Previous.from_outputs(outputs).created == {"a": "id"}


def test_renaming_a_tenant_is_recognised(before: Previous) -> None:
    [problem] = check(before, plan_of(with_tenant("acme", id="acme-corp")))
    assert problem.message.endswith("If this is a rename to 'acme-corp': an id cannot change.")


def test_an_offboarding_tenant_without_its_export_cannot_be_removed() -> None:
    before = published(plan_of(with_tenant("acme", state="offboarding")))
    [problem] = check(before, plan_of(without("acme")))
    assert problem.message.startswith("tenant 'acme' is offboarding")
    assert problem.fix.startswith("wait until its final export is proved")


def test_an_exported_tenant_can_be_removed() -> None:
    plan = proved(plan_of(with_tenant("acme", state="offboarding")), "acme")
    assert check(published(plan), plan_of(without("acme"))) == []


def published_of(document: dict[str, Any]) -> Previous:
    plan = plan_of(document)
    before = published(plan)
    return replace(before, created={} if any(tenant.as_guest for tenant in plan.tenants) else before.created)


GUEST: dict[str, Any] = {"id": "glade", "kind": "external"}
FIRN: dict[str, Any] = {"id": "firn", "kind": "firestore"}


def test_removing_an_active_guest_is_refused_though_no_database_of_it_was_created() -> None:
    before = published_of(dev({"tenants": [GUEST]}))
    [problem] = check(before, plan_of(dev({"tenants": []})))
    assert problem.message == "tenant 'glade' is active and its entry is gone; its data would be deleted."
    assert problem.fix.startswith("put it back as `state: offboarding`")


def test_an_exported_guest_can_be_removed() -> None:
    plan = proved(plan_of(dev({"tenants": [GUEST | {"state": "offboarding"}]})), "glade")
    assert check(published(plan), plan_of(dev({"tenants": []}))) == []


@pytest.mark.parametrize("entry", [{"id": "acme", "kind": "firestore"}, {"id": "acme", "kind": "external"}])
def test_another_kind_is_one_problem(entry: dict[str, Any]) -> None:
    """The places that come with a kind are not reported one by one."""
    before = published_of(dev())
    [problem] = check(before, plan_of(dev({"tenants.0": entry})))
    assert problem.path == "tenantry:tenants[0].kind"
    assert problem.message.startswith("tenant 'acme': kind cannot change from 'cloudsql' by an edit")
    assert problem.value == entry["kind"]


def test_a_kind_of_another_cloud_is_one_problem() -> None:
    pools = {"pools.amazon": {"capacity": 5, "kind": "rds"}}
    before = published_of(both(pools))
    moved = plan_of(both(pools | {"tenants.0": {"id": "acme", "kind": "rds", "pool": "amazon"}}))
    assert [(problem.path, problem.value) for problem in check(before, moved)] == [("tenantry:tenants[0].kind", "rds")]


def test_a_guest_stays_on_the_home_cloud() -> None:
    entries = {"tenants": [GUEST]}
    pool = {"pools.general.kind": "cloudsql"}
    before = published_of(both(entries | pool))
    assert check(before, plan_of(both(entries | pool))) == []
    [problem] = check(before, plan_of(both(entries | pool | {"environment.home": "aws"})))
    assert (problem.path, problem.value) == ("tenantry:environment.home", "aws")
    assert problem.message == (
        "tenant 'glade': cloud cannot change from 'gcp' by an edit; its exports, secrets and files would stay behind"
    )


def test_a_firestore_database_stays_where_it_is() -> None:
    before = published_of(dev({"tenants": [FIRN]}))
    [problem] = check(before, plan_of(dev({"tenants": [FIRN | {"firestore": {"location": "eur3"}}]})))
    assert (problem.path, problem.value) == ("tenantry:tenants[0].firestore.location", "eur3")
    assert "region cannot change from 'europe-west1' by an edit" in problem.message


def test_the_registry_output_says_what_is_not_enforced_on_a_guest() -> None:
    [glade] = plan_of(dev({"tenants": [GUEST]})).tenants
    assert describe(glade)["not_enforced"] == list(NOT_ENFORCED_ON_GUESTS)
    assert "rotation" not in describe(glade)


@pytest.mark.parametrize(
    ("tenant", "changes", "field", "old", "new"),
    [
        ("acme", {"pool": "second"}, "pool", "general", "second"),
        ("acme", {"placement": "dedicated"}, "placement", "shared", "dedicated"),
        ("cobalt-bank", {"region": "europe-west3"}, "region", "europe-west1", "europe-west3"),
    ],
)
def test_moving_by_an_edit_is_refused(
    before: Previous, tenant: str, changes: dict[str, object], field: str, old: str, new: str
) -> None:
    raw = with_tenant(tenant, **changes)
    raw["pools"]["second"] = {"capacity": 5, "tier": "db-custom-1-3840"}
    problems = check(before, plan_of(raw))
    found = {problem.path.rpartition(".")[2]: problem for problem in problems}
    assert found[field].value == new
    assert f"{field} cannot change from {old!r} by an edit" in found[field].message
    assert found[field].fix.startswith(f"set it back to {old!r}")


def test_a_rotation_goes_up_by_one_and_never_back(before: Previous) -> None:
    def rotated(extra: int) -> Plan:
        return plan_of(with_tenant("acme", extra_rotations=extra))

    assert check(before, rotated(1)) == []
    [jump] = check(before, rotated(2))
    assert jump.message.startswith("tenant 'acme': the rotation jumps from 1")
    [back] = check(published(rotated(2)), rotated(1))
    assert back.message.startswith("tenant 'acme': the rotation went back from 3")
    assert back.value == "2"


def test_rebuilding_an_instance_by_an_edit_is_refused_unless_its_loss_is_acknowledged(before: Previous) -> None:
    raw = raw_config()
    raw["pools"]["general"]["generation"] = 2
    [problem] = check(before, plan_of(raw))
    assert problem.path == "tenantry:pools.general"
    assert (
        "'ledgerly-dev-pool-general-1' would be replaced by an empty 'ledgerly-dev-pool-general-2'" in problem.message
    )
    raw["pools"]["general"]["recreate_after_loss"] = True
    assert check(before, plan_of(raw)) == []


def test_a_pool_goes_only_after_its_tenants(before: Previous) -> None:
    raw = raw_config()
    raw["pools"] = {"other": raw["pools"]["general"]}
    raw["plans"]["standard"]["pool"] = "other"
    paths = {problem.path: problem for problem in check(before, plan_of(raw))}
    assert paths["tenantry:pools"].value == "general"
    emptied = raw_config()
    emptied["tenants"] = []
    empty = lift_guards(plan_of(emptied), before, {})
    assert [pool.guarded for pool in empty.pools] == [False]
    gone = raw_config()
    gone["tenants"], gone["pools"], gone["plans"] = [], {}, {"standard": {"placement": "dedicated"}}
    assert check(published(empty), plan_of(gone)) == []


def test_a_marker_lifts_only_the_guard_of_an_offboarding_tenant() -> None:
    plan = plan_of(with_tenant("cobalt-bank", state="offboarding"))
    lifted = proved(plan, "cobalt-bank", "acme")
    guarded = {tenant.id: tenant.guarded for tenant in lifted.tenants}
    assert guarded == {"acme": True, "birchwood": True, "cobalt-bank": False}
    [instance] = [tenant.instance for tenant in lifted.tenants if tenant.instance is not None]
    assert instance.guarded is False
    assert [pool.guarded for pool in lifted.pools] == [True]
    assert all(tenant.guarded for tenant in proved(plan).tenants)
    # the marker of a tenant on the other cloud proves nothing
    asked = published(lift_guards(plan, Previous(), {}))
    assert all(tenant.guarded for tenant in lift_guards(plan, asked, {"aws": ["final/cobalt-bank.json"]}).tenants)


def test_each_offboarding_is_proved_by_a_marker_of_its_own() -> None:
    leaving, active = plan_of(with_tenant("acme", state="offboarding")), plan_of(raw_config())
    markers: dict[Cloud, list[str]] = {"gcp": []}

    def operate(plan: Plan, before: Previous) -> tuple[Previous, tuple[str | None, bool]]:
        now = lift_guards(plan, before, markers)
        [acme] = [tenant for tenant in now.tenants if tenant.id == "acme"]
        return published(now), (acme.final_export, acme.guarded)

    before, first = operate(leaving, published(active))
    assert first == ("final/acme.json", True)
    before, waiting = operate(leaving, before)
    assert waiting == ("final/acme.json", True)
    markers["gcp"] = ["final/acme.json", "final/acme-2.json"]
    before, found = operate(leaving, before)
    assert found == ("final/acme.json", False)

    # it comes back and leaves again: what it has written since is not in the export that is proved
    before, back = operate(active, before)
    assert back == (None, True)
    before, again = operate(leaving, before)
    assert again == ("final/acme.2.json", True)
    before, waiting = operate(leaving, before)
    assert waiting == ("final/acme.2.json", True)
    markers["gcp"].append("final/acme.2.json")
    before, found = operate(leaving, before)
    assert found == ("final/acme.2.json", False)

    # so does an id that has been removed and given away again
    _, returned = operate(leaving, replace(before, tenants={}))
    assert returned == ("final/acme.3.json", True)


def test_an_id_that_returns_takes_the_next_generation(before: Previous) -> None:
    """Its instance's name is reserved for a week on Cloud SQL, and its final snapshot has it for good on RDS."""
    gone = plan_of(without("cobalt-bank"))
    after = replace(published(gone), generations=describe_generations(before, gone))
    assert after.generations == {"pool-general": 1, "tenant-cobalt-bank": 1}
    [problem] = check(after, plan_of(raw_config()))
    assert problem.path == "tenantry:tenants[2].instance.generation"
    assert problem.message == (
        "instance 'ledgerly-dev-t-cobalt-bank-1' existed before and was deleted; its name, or that of its final "
        "snapshot, may still be taken"
    )
    assert (problem.fix, problem.value) == ("set generation to 2", "1")
    assert check(after, plan_of(with_tenant("cobalt-bank", instance={"generation": 2}))) == []


def test_generations_are_remembered_over_the_engines_floats() -> None:
    assert Previous.from_outputs({"registry": {"generations": {"pool-a": 3.0}}}).generations == {"pool-a": 3}
    assert Previous.from_outputs({"registry": {"tenants": {}}}).generations == {}


def test_a_rebuilt_instance_does_not_go_back_to_its_former_name() -> None:
    raw = raw_config()
    raw["pools"]["general"] |= {"generation": 2, "recreate_after_loss": True}
    before = published(plan_of(raw))
    raw["pools"]["general"]["generation"] = 1
    [problem] = check(before, plan_of(raw))
    assert (problem.path, problem.fix) == ("tenantry:pools.general.generation", "set generation to 3")


def test_what_an_older_program_did_not_publish_counts_as_unknown_and_not_as_changed() -> None:
    raw = dev({"tenants.0.files": "bucket", "tenants.0.state": "offboarding", "backups": {"lock": True}})
    raw["tenants"].append(FIRN)
    plan = plan_of(raw | {"gcp": {**raw["gcp"], "firestore_databases": 10, "firestore_cmek_databases": 10}})
    newer = {"files", "encryption", "final_export"}
    tenants = {
        tenant.id: {key: fact for key, fact in describe(tenant).items() if key not in newer} for tenant in plan.tenants
    }
    older = {
        "registry": {"tenants": tenants, "instances": describe_instances(plan)},
        "guarded": dict(published(plan).created),
    }
    assert check(Previous.from_outputs(older), plan) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [("gcp.project", "elsewhere-dev"), ("gcp.backup_region", "europe-north1"), ("aws.account_id", "444455556666")],
)
def test_an_environments_data_stays_where_it_is(place: str, value: str) -> None:
    pool = {"pools.general.kind": "cloudsql"}
    document = both(pool)
    cloud, name = place.split(".")
    before = replace(published(plan_of(document)), places=describe_places(plan_of(document)))
    assert check(before, plan_of(document)) == []
    [problem] = check(before, plan_of(both(pool | {place: value})))
    assert (problem.path, problem.value) == (f"tenantry:{place}", value)
    assert problem.message == (
        f"cannot change from {document[cloud][name]!r} by an edit; the guarded buckets with exports, files and audit "
        "logs would be replaced"
    )
    assert problem.fix == (
        "set it back; a stack of its own with the new value can take the tenants over (docs/restore.md, section Moving "
        "a tenant). After a first `up` that failed there is nothing to keep: `pulumi destroy`, then `up`"
    )


def test_an_environment_keeps_the_name_that_its_data_has() -> None:
    plan = plan_of(dev())
    before = replace(published(plan), places=describe_places(plan))
    renamed, *instances = check(before, plan_of(dev({"environment.organization": "harbor"})))
    assert (renamed.path, renamed.value) == ("tenantry:environment.organization", "harbor")
    assert renamed.message == (
        "cannot change from 'ledgerly' by an edit; every bucket and every SQL instance is named by it, and would be "
        "replaced"
    )
    assert {problem.message.split("'")[0] for problem in instances} == {"instance "}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"gcp.network": "10.99.0.0/16"}, ["tenantry:gcp.network"]),
        ({"aws.network": "10.99.0.0/16"}, ["tenantry:aws.network"]),
        ({"aws.zones": ["eu-central-1a", "eu-central-1c"]}, ["tenantry:aws.zones"]),
        ({"aws.zones": ["eu-central-1b", "eu-central-1a"]}, ["tenantry:aws.zones"]),
        ({"aws.zones": ["eu-central-1a", "eu-central-1b", "eu-central-1c"]}, []),
    ],
)
def test_the_network_and_subnets_of_databases_stay(changes: dict[str, Any], refused: list[str]) -> None:
    plan = plan_of(both(_ON_EACH))
    before = replace(published(plan), places=describe_places(plan))
    problems = check(before, plan_of(both(_ON_EACH | changes)))
    assert [problem.path for problem in problems] == refused
    assert not any("destroy" in problem.fix for problem in problems)


def test_a_network_without_an_instance_may_change_for_a_first_up_may_have_found_it_taken() -> None:
    plan = plan_of(both(_ON_EACH))
    [rds] = plan.instances_of("rds")
    before = replace(published(plan), places=describe_places(plan), created={f"{rds.key}-instance": rds.name})
    changes = {"gcp.network": "10.99.0.0/16", "aws.network": "10.98.0.0/16"}
    assert [problem.path for problem in check(before, plan_of(both(_ON_EACH | changes)))] == ["tenantry:aws.network"]


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        ("none", "bucket", False),
        ("none", "prefix", False),
        ("prefix", "bucket", True),
        ("prefix", "none", True),
        ("bucket", "prefix", True),
        ("bucket", "bucket", False),
    ],
)
def test_uploads_are_not_left_behind(before: str, now: str, refused: bool) -> None:
    found = check(published_of(dev({"tenants.0.files": before})), plan_of(dev({"tenants.0.files": now})))
    problem = Problem(
        path="tenantry:tenants[0].files",
        message=f"tenant 'acme': files cannot change from {before!r} by an edit; its uploads would be deleted or stay "
        "where nobody reaches them",
        fix=f"set it back to {before!r}",
        value=now,
    )
    assert found == [problem] * refused


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"backups": {"export_retention_days": 99}}, ["tenantry:backups.export_retention_days"]),
        ({"environment.sox": False}, ["tenantry:environment.sox"]),
        ({"backups": {"export_retention_days": 100, "lock": False}}, ["tenantry:backups.lock"]),
        ({"backups": {"export_retention_days": 101}}, []),
    ],
)
def test_a_locked_retention_only_grows(changes: dict[str, Any], refused: list[str]) -> None:
    document = {"environment.sox": True, "backups": {"export_retention_days": 100}}
    locked = describe_locked(plan_of(dev(document)))
    assert locked == {"exports": 100, "audit": 2555}
    before = replace(published(plan_of(dev(document))), locked=locked)
    assert [problem.path for problem in check(before, plan_of(dev(document | changes)))] == refused


def test_what_is_not_locked_may_shrink() -> None:
    long = dev({"backups": {"export_retention_days": 100, "lock": False}})
    assert describe_locked(plan_of(long)) == describe_locked(plan_of(aws())) == {}


def test_a_cloud_may_be_added() -> None:
    one = dev({"pools.general.kind": "cloudsql"})
    before = replace(published(plan_of(one)), places=describe_places(plan_of(one)))
    assert check(before, plan_of(both({"pools.general.kind": "cloudsql"}))) == []


@pytest.mark.parametrize(("before", "now", "back"), [(0, 5, "0"), (5, 0, "the quota that was granted")])
def test_a_quota_of_keys_does_not_replace_the_databases_that_there_are(before: int, now: int, back: str) -> None:
    def document(quota: int) -> dict[str, Any]:
        return dev({"tenants": [FIRN], "gcp.firestore_databases": 10, "gcp.firestore_cmek_databases": quota})

    [problem] = check(published_of(document(before)), plan_of(document(now)))
    assert problem.path == "tenantry:gcp.firestore_cmek_databases"
    assert problem.message.startswith("tenant 'firn': encryption cannot change from ")
    assert problem.fix.startswith(f"set it back to {back}; ")

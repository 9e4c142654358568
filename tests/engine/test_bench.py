"""The bench in its quickest form: what it prints and writes, and the resource budgets; never a time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import budget, report
from bench.config import KINDS, kind_tenant, kinds_of, write_kinds_config
from bench.kinds import FEW, MORE, Comparison, processor
from bench.measure import Sample
from bench.recording import differences, flat_recording
from sandbox.engine import ROOT
from settings.load import read_stack_file
from settings.resolve import load

_PER_TENANT = {
    "cloudsql-shared": (8, 1, 2),
    "cloudsql-dedicated": (16, 1, 2),
    "rds-shared": (6, 1, 2),
    "rds-dedicated": (31, 1, 2),
    "firestore": (9, 0, 2),
    "external-gcp": (9, 0, 2),
    "external-aws": (7, 0, 2),
}
"""What one more tenant of a kind adds: cloud resources, resources in the state only, components."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and what it writes as JSON."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.engine
def test_a_tenant_of_every_kind_stays_within_its_budget(run: tuple[str, dict[str, Any]]) -> None:
    _, found = run
    costs = {cost["kind"]: (cost["in_cloud"], cost["in_state"], cost["components"]) for cost in found["budget"]}
    assert costs == _PER_TENANT
    assert all(item["reason"] for cost in found["budget"] for item in cost["items"])


@pytest.mark.engine
def test_every_kind_is_in_the_table_and_one_of_every_cloud_is_measured(run: tuple[str, dict[str, Any]]) -> None:
    printed, found = run
    kinds = found["kinds"]
    assert kinds["tenants"] == 2
    assert set(kinds["kinds"]) == set(FEW)
    assert {KINDS[kind].cloud for kind in FEW} == set(kinds["bases"]) == {"gcp", "aws"}
    for measured in (*kinds["bases"].values(), *(kind["samples"] for kind in kinds["kinds"].values())):
        assert len(measured) == 1
        assert measured[0]["seconds"] > 0
    table = printed[printed.index("Kinds compared") :]
    assert re.search(rf"load up to \d+\.\d on {os.cpu_count()} cores", table)
    for kind, (cloud, state, components) in _PER_TENANT.items():
        counts = rf"^  {KINDS[kind].label} +{cloud} +{budget.LIMITS[kind]} +{state} +{components}"
        times = r" +\d+\.\d\d +-?\d+ +-?\d+ +\S+ +\S+$" if kind in FEW else r"( +-){5}$"
        assert re.search(counts + times, table, re.MULTILINE), table


@pytest.mark.engine
def test_every_variant_is_measured_and_every_ratio_printed(run: tuple[str, dict[str, Any]]) -> None:
    printed, found = run
    (size,) = found["sizes"]
    assert size["tenants"] == 10
    assert {"a", "b", "c", "d"} <= set(size["samples"])
    for samples in size["samples"].values():
        assert len(samples) == 1
        assert samples[0]["seconds"] > 0
        assert samples[0]["program_mib"] > 10
    assert size["samples"]["a"][0]["pack_mib"] is None
    assert set(size["ratios"]) == {"a/b", "c/d"}
    assert re.search(r"a/b: time \d+\.\d{3}, aim at most 1\.1: (met|MISSED)", printed)
    assert re.search(r"c/d: time \d+\.\d{3}, aim at most 1\.15: (met|MISSED)", printed)
    assert re.search(r"Settings of 10,000 tenants resolve in \d+\.\d\d s, aim at most 2 s: (met|MISSED)", printed)
    assert found["growth"] == {"a": None, "b": None, "c": None, "d": None}


def _cost(kind: str, cloud: int, *, components: int = 2, reason: str = "needed") -> budget.KindCost:
    items = tuple(
        budget.Item(type="gcp:a/b:C", name=f"{{id}}-{number}", reason=reason, in_cloud=True) for number in range(cloud)
    )
    return budget.KindCost(kind=kind, items=items, components=components)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("cloudsql-shared", 10),
        ("cloudsql-dedicated", 16),
        ("rds-shared", 8),
        ("rds-dedicated", 31),
        ("firestore", 10),
        ("external-gcp", 10),
        ("external-aws", 8),
    ],
)
def test_one_resource_over_the_budget_is_refused(kind: str, limit: int) -> None:
    budget.check([_cost(kind, limit)])
    expected = rf"kind {kind}: one more tenant adds {limit + 1} cloud resources, at most {limit} are allowed"
    with pytest.raises(budget.BudgetError, match=expected):
        budget.check([_cost(kind, limit + 1)])


def test_every_kind_has_a_budget() -> None:
    assert set(budget.LIMITS) == set(KINDS)


def test_a_third_component_and_a_missing_reason_are_refused() -> None:
    with pytest.raises(budget.BudgetError, match=r"3 components a tenant, at most 2"):
        budget.check([_cost("firestore", 1, components=3)])
    with pytest.raises(budget.BudgetError, match=r"has no reason"):
        budget.check([_cost("firestore", 1, reason="")])


@pytest.mark.parametrize("many", KINDS)
def test_the_compared_stacks_have_one_cloud_and_the_tenants_of_every_kind(many: str, tmp_path: Path) -> None:
    cloud = KINDS[many].cloud
    counts = dict.fromkeys(kinds_of(cloud), 1) | {many: 1 + MORE}
    plan = load(read_stack_file(write_kinds_config(tmp_path / "stack.yaml", cloud, counts)), "prod")
    found = {tenant.id: (tenant.kind, tenant.sql.placement if tenant.on_sql else None) for tenant in plan.tenants}
    expected = {
        "cloudsql-shared": ("cloudsql", "shared"),
        "cloudsql-dedicated": ("cloudsql", "dedicated"),
        "rds-shared": ("rds", "shared"),
        "rds-dedicated": ("rds", "dedicated"),
        "firestore": ("firestore", None),
        "external-gcp": ("external", None),
        "external-aws": ("external", None),
    }
    assert found == {
        kind_tenant(kind, number): expected[kind] for kind, count in counts.items() for number in range(1, count + 1)
    }
    assert {tenant.cloud for tenant in plan.tenants} == {cloud}
    assert (plan.environment.on_gcp is not None, plan.environment.on_aws is not None) == (
        cloud == "gcp",
        cloud == "aws",
    )


def _sample(seconds: float, cpu: float) -> Sample:
    return Sample(seconds=seconds, program_cpu=cpu, engine_cpu=1.0, program_mib=1.0, engine_mib=None, pack_mib=None)


def _compared(**more: tuple[float, float]) -> Comparison:
    """Three runs on bases of 10 s, the third of them disturbed; `more` is seconds and processor seconds of a kind."""
    base = [_sample(10, 5), _sample(10, 5), _sample(14, 5)]
    measured = dict.fromkeys(KINDS, (12.0, 6.0)) | {name.replace("_", "-"): times for name, times in more.items()}
    return Comparison(
        tenants=20,
        bases={"gcp": base, "aws": base},
        more={kind: [_sample(seconds, cpu)] * 3 for kind, (seconds, cpu) in measured.items()},
        load=0.5,
    )


def test_a_tenant_of_a_kind_costs_the_difference_to_the_base_of_the_same_run() -> None:
    compared = _compared(cloudsql_shared=(12.0, 6.0), rds_dedicated=(18.0, 7.0))
    assert compared.per_tenant("cloudsql-shared") == pytest.approx(0.1)
    assert compared.per_tenant("rds-dedicated") == pytest.approx(0.4)
    assert compared.ratio("cloudsql-shared") == 1
    assert compared.ratio("rds-dedicated") == pytest.approx(4)
    assert compared.ratio("rds-dedicated", processor) == pytest.approx(2)


def test_a_cost_that_noise_hides_has_no_ratio() -> None:
    assert _compared(firestore=(9.0, 5.0)).ratio("firestore") is None
    assert _compared(firestore=(9.0, 5.0)).ratio("firestore", processor) is None
    hidden = _compared(cloudsql_shared=(9.0, 6.0))
    assert hidden.ratio("firestore") is None
    assert hidden.ratio("firestore", processor) == 1


def test_the_table_has_the_counts_and_times_of_every_kind() -> None:
    costs = [_cost(kind, cloud) for kind, (cloud, _, _) in _PER_TENANT.items()]
    head, names, *rows, end = report.kind_lines(costs, _compared(rds_dedicated=(18.0, 7.0), firestore=(9.0, 5.5)))
    assert "20 more of one" in head
    assert f"medians of 3 interleaved runs, each in fresh processes; load up to 0.5 on {os.cpu_count()} cores" in head
    assert names.split()[:3] == ["kind", "cloud", "resources"]
    assert end == ""
    cells = [re.split(r"\s{2,}", row.strip()) for row in rows]
    assert cells[0] == ["cloudsql shared", "8", "10", "0", "2", "12.00", "100", "50", "1.00", "1.00"]
    assert cells[3] == ["rds dedicated", "31", "31", "0", "2", "18.00", "400", "100", "4.00", "2.00"]
    assert cells[4] == ["firestore", "9", "10", "0", "2", "9.00", "-50", "25", "-", "0.50"]
    assert len(cells) == len(KINDS)


def _line(token: str, name: str, inputs: dict[str, object], parent: str = "") -> str:
    registration = {
        "urn": f"urn:pulumi:prod::tenantry::{parent}{token}::{name}",
        "type": token,
        "name": name,
        "custom": True,
        "parent": "",
        "provider": "",
        "inputs": inputs,
        "dependencies": [],
        "property_dependencies": {},
    }
    return json.dumps(registration) + "\n"


def test_a_flat_program_that_registers_something_else_is_no_comparison(tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    mine = _line("gcp:a/b:C", "one", {"x": 1}, "tenantry:tenant:Tenant$")
    recording.write_text(mine, encoding="utf-8")
    flat_recording(recording).write_text(_line("gcp:a/b:C", "one", {"x": 1}), encoding="utf-8")
    assert differences(recording) == []

    flat_recording(recording).write_text(_line("gcp:a/b:C", "one", {"x": 2}), encoding="utf-8")
    assert differences(recording) == ["('gcp:a/b:C', 'one'): inputs is {'x': 1}, flat {'x': 2}"]

    recording.write_text(mine + _line("gcp:a/b:C", "two", {}), encoding="utf-8")
    assert "('gcp:a/b:C', 'two'): only in the program" in differences(recording)

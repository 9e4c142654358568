"""The bench in its quickest form: what it prints and writes, and the resource budgets; never a time."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import budget
from bench.recording import differences, flat_recording
from sandbox.engine import ROOT


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and what it writes as JSON."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.mark.engine
def test_a_tenant_of_every_plan_stays_within_its_budget(run: tuple[str, dict[str, Any]]) -> None:
    _, found = run
    costs = {cost["plan"]: (cost["placement"], cost["in_cloud"], cost["components"]) for cost in found["budget"]}
    assert costs == {
        "personal": ("shared", 8, 2),
        "standard": ("shared", 8, 2),
        "enterprise": ("dedicated", 16, 2),
    }
    assert all(item["reason"] for cost in found["budget"] for item in cost["items"])


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


def _cost(placement: str, cloud: int, *, components: int = 2, reason: str = "needed") -> budget.PlanCost:
    items = tuple(
        budget.Item(type="gcp:a/b:C", name=f"{{id}}-{number}", reason=reason, in_cloud=True) for number in range(cloud)
    )
    return budget.PlanCost(plan="p", placement=placement, items=items, components=components)


@pytest.mark.parametrize(("placement", "limit"), [("shared", 10), ("dedicated", 16)])
def test_one_resource_over_the_budget_is_refused(placement: str, limit: int) -> None:
    budget.check([_cost(placement, limit)])
    with pytest.raises(budget.BudgetError, match=rf"adds {limit + 1} cloud resources, at most {limit} are allowed"):
        budget.check([_cost(placement, limit + 1)])


def test_a_third_component_and_a_missing_reason_are_refused() -> None:
    with pytest.raises(budget.BudgetError, match=r"3 components a tenant, at most 2"):
        budget.check([_cost("shared", 1, components=3)])
    with pytest.raises(budget.BudgetError, match=r"has no reason"):
        budget.check([_cost("shared", 1, reason="")])


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

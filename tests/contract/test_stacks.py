"""Everything that the three stacks register, against Google's own documents."""

from __future__ import annotations

import pytest

from sandbox.mocks import Registration
from tests.components.program import STACKS, StackName, built
from tests.contract.checker import check, check_all
from tests.contract.differences import RESOURCES
from tests.contract.gaps import Drift, drift, lines_of, listed
from tests.contract.report import Report

_WORKFLOW = "gcp:workflows/workflow:Workflow"
# Judged values; a run that registers little, or whose inputs are not looked into, must not pass for a sound one.
_FLOORS = {"dev": 1900, "staging": 2300, "prod": 3000}


def _report(resources: list[Registration]) -> Report:
    return check_all((item.type, item.name, item.inputs) for item in resources)


@pytest.mark.parametrize("stack", STACKS)
def test_google_would_take_every_input(stack: StackName) -> None:
    report = _report(built(stack).resources)
    assert report.problems == []
    assert report.checked >= _FLOORS[stack]


@pytest.mark.parametrize("stack", STACKS)
def test_every_value_is_known_except_what_workflows_compute_at_run_time(stack: StackName) -> None:
    google = [item for item in built(stack).resources if item.type.startswith("gcp:")]
    assert {item.type for item in google if check(item.type, item.inputs).unknown} == {_WORKFLOW}


@pytest.mark.parametrize("stack", STACKS)
def test_every_type_is_known_to_the_checker(stack: StackName) -> None:
    used = {item.type for item in built(stack).resources}
    assert {token for token in used if token not in RESOURCES} == {"random:index/randomPassword:RandomPassword"}


def test_what_nothing_can_judge_is_written_down_and_no_more() -> None:
    """A new gap is a decision: add its line to unchecked.txt by hand; take a line out when nothing needs it."""
    report = _report([item for stack in STACKS for item in built(stack).resources])
    assert drift(lines_of(report), listed()) == Drift(new=[], gone=[])


def test_a_wrong_value_in_a_stack_is_found() -> None:
    """The check sees into what the program registers: the same stack with one wrong word fails."""
    (instance, *_) = built("dev").of("gcp:sql/databaseInstance:DatabaseInstance").values()
    settings = {**instance.inputs["settings"], "availabilityType": "GLOBAL"}
    report = check_all([(instance.type, instance.name, {**instance.inputs, "settings": settings})])
    assert [(problem.path, problem.value) for problem in report.problems] == [
        (f"{instance.type} {instance.name}: settings.availabilityType", "GLOBAL")
    ]

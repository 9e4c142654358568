"""Everything that the stacks register, against what the clouds themselves say of their APIs."""

from __future__ import annotations

import pytest

from sandbox.mocks import Registration
from tests.components.program import built
from tests.contract import aws, checker, vercel
from tests.contract.aws import checker as aws_checker
from tests.contract.differences import RESOURCES
from tests.contract.gaps import LIST, Drift, drift, lines_of, listed
from tests.contract.report import Report
from tests.contract.stacks import NAMES, everything, paths, resources

_WORKFLOW = "gcp:workflows/workflow:Workflow"
_RANDOM = "random:index/randomPassword:RandomPassword"
# Judged values; a run that registers little, or whose inputs are not looked into, must not pass for a sound one.
_GOOGLE_FLOORS = {"dev": 1900, "staging": 2300, "prod": 3000}
_GOOGLE_FLOOR = 1800
_AWS_FLOOR = 3000
_VERCEL_FLOOR = 40


def _of(cloud: str, name: str) -> list[Registration]:
    return [item for item in resources(name) if item.type.startswith(f"{cloud}:")]


def _google(found: list[Registration]) -> Report:
    return checker.check_all((item.type, item.name, item.inputs) for item in found)


def _aws(found: list[Registration]) -> Report:
    return aws_checker.check_all((item.type, item.name, item.inputs) for item in found)


def _vercel(found: list[Registration]) -> Report:
    return vercel.check_all((item.type, item.name, item.inputs) for item in found)


_ON_GOOGLE = [name for name in NAMES if not name.startswith(("S0-rds", "S2")) and not name.endswith("on-aws")]
_ON_AWS = [name for name in NAMES if name not in _ON_GOOGLE]
_ON_VERCEL = [name for name in NAMES if name.startswith(("S0", "S1", "S2", "S3"))]


@pytest.mark.parametrize("name", _ON_GOOGLE)
def test_google_would_take_every_input(name: str) -> None:
    report = _google(_of("gcp", name))
    assert report.problems == []
    assert report.checked >= _GOOGLE_FLOORS.get(name, _GOOGLE_FLOOR)


@pytest.mark.parametrize("name", _ON_AWS)
def test_aws_would_take_every_input(name: str) -> None:
    report = _aws(_of("aws", name))
    assert report.problems == []
    assert report.unknown == 0
    assert report.checked >= _AWS_FLOOR


@pytest.mark.parametrize("name", _ON_VERCEL)
def test_vercel_would_take_every_input(name: str) -> None:
    report = _vercel(_of("vercel", name))
    assert report.problems == []
    assert report.unknown == 0
    assert report.checked >= _VERCEL_FLOOR


def test_no_stack_is_left_out() -> None:
    assert {name for name in NAMES if _of("gcp", name)} == set(_ON_GOOGLE)
    assert {name for name in NAMES if _of("aws", name)} == set(_ON_AWS)
    assert {name for name in NAMES if _of("vercel", name)} == set(_ON_VERCEL)


@pytest.mark.parametrize("name", _ON_GOOGLE)
def test_every_value_is_known_except_what_workflows_compute_at_run_time(name: str) -> None:
    found = _of("gcp", name)
    assert {item.type for item in found if checker.check(item.type, item.inputs).unknown} == {_WORKFLOW}


def test_every_type_is_known_to_a_checker() -> None:
    known = {*RESOURCES, *aws_checker.CALLS, *vercel.description(), _RANDOM}
    assert set(paths()) - known == set()


def test_the_rows_of_aws_are_those_that_the_stacks_need() -> None:
    """A row for nothing hides a misspelt one."""
    assert set(aws_checker.CALLS) - set(paths()) == set()
    unused = {
        f"{token} {path}"
        for token, call in aws_checker.CALLS.items()
        for path in call.differences.keys() - paths()[token]
    }
    assert unused == set()


def test_what_nothing_can_judge_of_google_is_written_down_and_no_more() -> None:
    """A new gap is a decision: add its line to unchecked.txt by hand; take a line out when nothing needs it."""
    assert drift(lines_of(_google(everything())), listed(LIST)) == Drift(new=[], gone=[])


def test_what_nothing_can_judge_of_aws_is_written_down_and_no_more() -> None:
    assert drift(lines_of(_aws(everything())), listed(aws.LIST)) == Drift(new=[], gone=[])


def test_what_nothing_can_judge_of_vercel_is_written_down_and_no_more() -> None:
    assert drift(lines_of(_vercel(everything())), listed(vercel.LIST)) == Drift(new=[], gone=[])


def test_a_wrong_value_in_a_stack_is_found() -> None:
    """The check sees into what the program registers: the same stack with one wrong word fails."""
    (instance, *_) = built("dev").of("gcp:sql/databaseInstance:DatabaseInstance").values()
    settings = {**instance.inputs["settings"], "availabilityType": "GLOBAL"}
    report = checker.check_all([(instance.type, instance.name, {**instance.inputs, "settings": settings})])
    assert [(problem.path, problem.value) for problem in report.problems] == [
        (f"{instance.type} {instance.name}: settings.availabilityType", "GLOBAL")
    ]

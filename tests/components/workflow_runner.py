"""Checks a workflow's structure and runs it against a fake cloud, with a clock that only sleeps on paper.

No maintained emulator fits: the one on PyPI evaluates expressions as Python, so it accepts what the service refuses.
"""

# ruff: noqa: ANN401 - values of a dynamic language, and one branch for each of its forms

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.components.workflow_language import (
    FUNCTIONS,
    Node,
    WorkflowError,
    WorkflowSyntaxError,
    evaluate,
    expression_of,
    parse,
    walk,
)

SOURCES = Path(__file__).parents[2] / "components" / "gcp" / "workflows"
LARGEST_SOURCE = 128 * 1024  # bytes, a limit of the service
_TRANSIENT = {429, 502, 503, 504}  # what http.default_retry tries again

# Step key → the keys that may stand beside it.
_STEPS = {
    "assign": {"next"},
    "call": {"args", "result", "next"},
    "for": set(),
    "raise": set(),
    "return": set(),
    "steps": {"next"},
    "switch": {"next"},
    "try": {"retry", "except"},
}
_BRANCH = {"condition", "assign", "steps", "next", "return", "raise"}
_LIBRARY_CALLS = {"http.delete", "http.get", "http.post", "sys.log", "sys.sleep"}

Api = Callable[[str, Mapping[str, Any]], Any]


def load(role: str) -> dict[str, Any]:
    source = (SOURCES / f"{role}.yaml").read_text(encoding="utf-8")
    assert len(source.encode()) <= LARGEST_SOURCE
    program = yaml.safe_load(source)
    assert isinstance(program, dict)
    return program


class Validator:
    """Finds what the service would refuse to deploy or fail on: shapes, names, targets, variables."""

    def __init__(self, program: Mapping[str, Any]) -> None:
        self.program = program
        self.problems: list[str] = []

    def check(self) -> list[str]:
        for name, workflow in self.program.items():
            if unknown := set(workflow) - {"params", "steps"}:
                self.problems.append(f"{name}: unknown keys {sorted(unknown)}")
            self.names: set[str] = set()
            self._steps(name, workflow["steps"], set(workflow.get("params", [])), loop=False)
        return self.problems

    def _steps(self, place: str, steps: list[dict[str, Any]], known: set[str], *, loop: bool) -> set[str]:
        targets = {next(iter(step)) for step in steps} | {"end"} | ({"break", "continue"} if loop else set())
        for step in steps:
            ((name, body),) = step.items()
            here = f"{place}.{name}"
            if name in self.names:
                self.problems.append(f"{here}: the name is taken")
            self.names.add(name)
            kinds = [kind for kind in _STEPS if kind in body]
            if len(kinds) != 1 or set(body) - _STEPS[kinds[0]] - {kinds[0]}:
                self.problems.append(f"{here}: not one kind of step: {sorted(body)}")
                continue
            if "next" in body and body["next"] not in targets:
                self.problems.append(f"{here}: no step {body['next']}")
            getattr(self, f"_{kinds[0]}")(here, body, known, targets, loop)
        return known

    def _assign(self, here: str, body: Mapping[str, Any], known: set[str], *_: Any) -> None:
        if len(body["assign"]) > 50:
            self.problems.append(f"{here}: more than 50 assignments")
        for assignment in body["assign"]:
            ((target, value),) = assignment.items()
            self._value(here, value, known)
            root = target.partition(".")[0].partition("[")[0]
            if root != target and root not in known:
                self.problems.append(f"{here}: {root} is not assigned")
            known.add(root)

    def _call(self, here: str, body: Mapping[str, Any], known: set[str], *_: Any) -> None:
        name, arguments = body["call"], body.get("args", {})
        self._value(here, arguments, known)
        if name in self.program:
            if set(arguments) != set(self.program[name].get("params", [])):
                self.problems.append(f"{here}: {name} takes {self.program[name].get('params', [])}")
        elif name not in _LIBRARY_CALLS and not name.startswith("googleapis."):
            self.problems.append(f"{here}: nothing to call: {name}")
        if "result" in body:
            known.add(body["result"].partition(".")[0])

    def _for(self, here: str, body: Mapping[str, Any], known: set[str], *_: Any) -> None:
        loop = body["for"]
        if set(loop) - {"value", "index", "in", "steps"}:
            self.problems.append(f"{here}: unknown keys in for")
        self._value(here, loop["in"], known)
        # what a loop assigns first is gone after it
        self._steps(
            here, loop["steps"], {*known, loop["value"], *([loop["index"]] if "index" in loop else [])}, loop=True
        )

    def _raise(self, here: str, body: Mapping[str, Any], known: set[str], *_: Any) -> None:
        self._value(here, body["raise"], known)

    def _return(self, here: str, body: Mapping[str, Any], known: set[str], *_: Any) -> None:
        self._value(here, body["return"], known)

    def _switch(self, here: str, body: Mapping[str, Any], known: set[str], targets: set[str], loop: bool) -> None:
        for branch in body["switch"]:
            if set(branch) - _BRANCH or "condition" not in branch:
                self.problems.append(f"{here}: unknown keys in switch: {sorted(branch)}")
            self._value(here, branch["condition"], known)
            for key in ("return", "raise"):
                self._value(here, branch.get(key), known)
            if "next" in branch and branch["next"] not in targets:
                self.problems.append(f"{here}: no step {branch['next']}")
            if "assign" in branch:
                self._assign(here, branch, known)
            if "steps" in branch:
                self._steps(here, branch["steps"], known, loop=loop)

    def _try(self, here: str, body: Mapping[str, Any], known: set[str], _: set[str], loop: bool) -> None:
        tried = body["try"]
        if "steps" in tried:
            self._steps(here, tried["steps"], known, loop=loop)
        else:
            self._call(here, tried, known)
        retry = body.get("retry")
        if isinstance(retry, dict):
            if set(retry) != {"predicate", "max_retries", "backoff"}:
                self.problems.append(f"{here}: retry has {sorted(retry)}")
            if set(retry["backoff"]) != {"initial_delay", "max_delay", "multiplier"}:
                self.problems.append(f"{here}: backoff has {sorted(retry['backoff'])}")
            if expression_of(retry["predicate"]) not in self.program:
                self.problems.append(f"{here}: no predicate {retry['predicate']}")
        elif retry not in (None, "${http.default_retry}"):
            self.problems.append(f"{here}: unknown retry {retry}")
        if "except" in body:
            self._steps(here, body["except"]["steps"], {*known, body["except"]["as"]}, loop=loop)

    def _value(self, here: str, value: object, known: set[str]) -> None:
        if isinstance(value, dict):
            for item in value.values():
                self._value(here, item, known)
            return
        if isinstance(value, list):
            for item in value:
                self._value(here, item, known)
            return
        try:
            text = expression_of(value)
            nodes: list[Node] = [] if text is None else walk(parse(text))
        except WorkflowSyntaxError as problem:
            self.problems.append(f"{here}: {problem}")
            return
        self.problems += [
            f"{here}: {node.value} is not assigned"
            for node in nodes
            if node.kind == "variable" and node.value not in known
        ]


class _Return(Exception):  # noqa: N818 - control flow
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Runner:
    """Runs a program; `api` answers connector and HTTP calls, and raises `WorkflowError`."""

    def __init__(self, program: Mapping[str, Any], api: Api, variables: Mapping[str, str], now: float) -> None:
        self.program = program
        self.api = api
        self.now = now
        self.slept: list[float] = []
        self.logs: list[dict[str, Any]] = []
        self.functions: dict[str, Callable[..., Any]] = {
            **FUNCTIONS,
            "sys.get_env": lambda name: variables[name],
            "sys.now": self._tick,
        }

    def _tick(self) -> float:
        self.now += 0.001
        return self.now

    def run(self, argument: Any) -> Any:
        return self._workflow("main", {"input": argument})

    def _workflow(self, name: str, arguments: Mapping[str, Any]) -> Any:
        try:
            self._steps(self.program[name]["steps"], dict(arguments))
        except _Return as returned:
            return returned.value
        return None

    def _value(self, value: Any, variables: dict[str, Any]) -> Any:
        if isinstance(value, dict):
            return {key: self._value(item, variables) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, variables) for item in value]
        text = expression_of(value)
        return value if text is None else copy.deepcopy(evaluate(parse(text), variables, self.functions))

    def _steps(self, steps: list[dict[str, Any]], variables: dict[str, Any]) -> str | None:
        """Run a list of steps; return where a `next` leads that is not among them."""
        names = [next(iter(step)) for step in steps]
        position = 0
        while position < len(steps):
            target = self._step(steps[position][names[position]], variables)
            if target in names:
                position = names.index(target)
            elif target is not None:
                return target
            else:
                position += 1
        return None

    def _step(self, body: Mapping[str, Any], variables: dict[str, Any]) -> str | None:
        if "assign" in body:
            for assignment in body["assign"]:
                ((target, value),) = assignment.items()
                self._assign(target, self._value(value, variables), variables)
        elif "call" in body:
            self._call(body, variables)
        elif "switch" in body:
            return self._switch(body, variables) or body.get("next")
        elif "for" in body:
            return self._for(body["for"], variables)
        elif "try" in body:
            return self._try(body, variables)
        elif "raise" in body:
            raise WorkflowError(self._value(body["raise"], variables))
        elif "return" in body:
            raise _Return(self._value(body["return"], variables))
        elif "steps" in body:
            return self._steps(body["steps"], variables) or body.get("next")
        return body.get("next")

    @staticmethod
    def _assign(target: str, value: Any, variables: dict[str, Any]) -> None:
        *path, last = target.split(".")
        place: Any = variables
        for part in path:
            place = place[part]
        place[last] = value

    def _call(self, body: Mapping[str, Any], variables: dict[str, Any]) -> None:
        name, arguments = body["call"], self._value(body.get("args", {}), variables)
        if name == "sys.log":
            self.logs.append({"severity": arguments["severity"], **arguments["json"]})
            answer = None
        elif name == "sys.sleep":
            self.slept.append(arguments["seconds"])
            self.now += arguments["seconds"]
            answer = None
        elif name in self.program:
            answer = self._workflow(name, arguments)
        else:
            answer = self.api(name, arguments)
        if "result" in body:
            self._assign(body["result"], answer, variables)

    def _switch(self, body: Mapping[str, Any], variables: dict[str, Any]) -> str | None:
        for branch in body["switch"]:
            if self._value(branch["condition"], variables):
                rest = {key: value for key, value in branch.items() if key != "condition"}
                return self._step(rest, variables)
        return None

    def _for(self, loop: Mapping[str, Any], variables: dict[str, Any]) -> str | None:
        for index, item in enumerate(self._value(loop["in"], variables)):
            local = {**variables, loop["value"]: item, **({loop["index"]: index} if "index" in loop else {})}
            target = self._steps(loop["steps"], local)
            variables.update({name: local[name] for name in variables})
            if target == "break":
                break
            if target not in (None, "continue"):
                return target
        return None

    def _try(self, body: Mapping[str, Any], variables: dict[str, Any]) -> str | None:
        retry, attempts = body.get("retry"), 0
        delay = retry["backoff"]["initial_delay"] if isinstance(retry, dict) else 1
        while True:
            try:
                return self._step(body["try"], variables)
            except WorkflowError as problem:
                most = retry["max_retries"] if isinstance(retry, dict) else 5
                if retry is not None and attempts < most and self._again(retry, problem):
                    attempts += 1
                    self.slept.append(delay)
                    self.now += delay
                    delay = min(delay * 2, retry["backoff"]["max_delay"] if isinstance(retry, dict) else 60)
                    continue
                if "except" not in body:
                    raise
                local = {**variables, body["except"]["as"]: problem.value}
                target = self._steps(body["except"]["steps"], local)
                variables.update({name: local[name] for name in variables})
                return target

    def _again(self, retry: Any, problem: WorkflowError) -> bool:
        if isinstance(retry, dict):
            return bool(self._workflow(str(expression_of(retry["predicate"])), {"e": problem.value}))
        return isinstance(problem.value, dict) and problem.value.get("code") in _TRANSIENT

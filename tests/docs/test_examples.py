"""The examples' tables name what exists: settings that the stack files make, files of the project, every stack file."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from settings.load import EXTERNAL_SECRETS, read_stack_file
from settings.models import Settings
from settings.resolve import load
from settings.stacks import check_separation
from tests.docs.documents import ROOT, codes, fences, links, prose, text

EXAMPLES = ROOT / "examples"
NAMES = tuple(sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()))
STACKS = tuple(sorted(EXAMPLES.glob("*/Pulumi.*.yaml")))
# Reference systems; the others show an option of one of them.
WHOLE = ("S0", "S1", "S2", "S3", "S4")

every_example = pytest.mark.parametrize("name", NAMES)


def readme(name: str) -> Path:
    return EXAMPLES / name / "README.md"


def stack_of(file: Path) -> str:
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def stack_files(name: str) -> tuple[Path, ...]:
    return tuple(file for file in STACKS if file.parent.name == name)


def rows(name: str) -> list[tuple[str, str]]:
    """Demand and answer of every row of the table."""
    lines = [line for line in prose(readme(name)).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["Demand (section)", "Met by"]
    assert {len(row) for row in cells} == {2}
    return [(demand, answer) for demand, answer in cells[2:]]


def keys(answer: str) -> Iterator[tuple[str, str]]:
    """Settings that an answer names, each with the clause it stands in."""
    for clause in answer.split(";"):
        for code in re.findall(r"`tenantry:([^`]+)`", clause):
            yield code, clause


def steps(key: str) -> list[str]:
    return [step for part in key.split(".") for step in re.findall(r"\[\]|[^\[\]]+", part)]


def known(annotation: object, path: list[str]) -> bool:
    """Whether settings of this type have something at this path."""
    if not path:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(path[0])
        return field is not None and known(field.annotation, path[1:])
    inner = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is dict:
        return path[0] != "[]" and known(inner[1], path[1:])
    if origin is tuple:
        return path[0] == "[]" and known(inner[0], path[1:])
    return any(known(option, path) for option in inner if option is not type(None))


def written(value: Any, path: list[str]) -> bool:  # noqa: ANN401 - any YAML
    """Whether a stack file has something at this path."""
    if not path:
        return True
    if path[0] == "[]":
        return isinstance(value, list) and any(written(item, path[1:]) for item in value)
    return isinstance(value, Mapping) and path[0] in value and written(value[path[0]], path[1:])


def is_set(name: str, path: list[str]) -> bool:
    return any(written(read_stack_file(file), path) for file in stack_files(name))


def test_there_are_five_systems_and_an_option() -> None:
    assert NAMES == ("S0", "S0-rds", "S1", "S2", "S3", "S4")
    for name in WHOLE:
        assert {stack_of(file) for file in stack_files(name)} == {"dev", "staging", "prod"}


@pytest.mark.parametrize("file", STACKS, ids=lambda file: f"{file.parent.name}-{stack_of(file)}")
def test_a_stack_file_resolves(file: Path) -> None:
    raw = read_stack_file(file)
    plan = load(raw, stack_of(file), encrypted=True)
    assert [tenant.id for tenant in plan.tenants] == sorted(tenant["id"] for tenant in raw["tenants"])
    assert text(file).splitlines()[0] == "# yaml-language-server: $schema=../../settings/stack.schema.json"


@every_example
def test_environments_share_nothing(name: str) -> None:
    plans = {file.name: load(read_stack_file(file), stack_of(file)) for file in stack_files(name)}
    assert check_separation(plans) == []


@pytest.mark.parametrize("file", STACKS, ids=lambda file: f"{file.parent.name}-{stack_of(file)}")
def test_hosts_are_nobodys(file: Path) -> None:
    hosts = re.findall(r"(?:host|name|endpoint|redirect): \"?(?:https://)?([\w-]+(?:\.[\w-]+)+)", text(file))
    assert hosts
    assert [host for host in hosts if not host.endswith(".example")] == []


@every_example
def test_every_stack_file_is_mentioned(name: str) -> None:
    mentioned = {code for code in codes(readme(name)) if code.startswith("Pulumi.")}
    assert mentioned == {file.name for file in stack_files(name)}


@every_example
def test_the_commands_are_the_examples_own(name: str) -> None:
    commands = [command for fence in fences(readme(name)) for command in fence.commands]
    assert commands == [f"make {verb} EXAMPLE={name} STACK=prod" for verb in ("preview", "up")]


@every_example
def test_every_setting_named_exists_and_is_made_where_it_is_not_said_to_be_left(name: str) -> None:
    wrong = []
    for _, answer in rows(name):
        for key, clause in keys(answer):
            path = steps(key)
            if path[0] != EXTERNAL_SECRETS and not known(Settings, path):
                wrong.append(f"{key} is no setting")
            elif not is_set(name, path) and not re.search(r"\b(default|unset)\b", clause):
                wrong.append(f"{key} is in no stack file")
            elif not is_set(name, path[:-1]):
                wrong.append(f"{key} has nothing that it could belong to")
    assert wrong == []


@every_example
def test_what_is_said_to_be_unset_is(name: str) -> None:
    clauses: dict[str, list[bool]] = {}
    for _, answer in rows(name):
        for key, clause in keys(answer):
            if re.search(r"\bunset\b", clause):
                clauses.setdefault(clause, []).append(is_set(name, steps(key)))
    assert [clause for clause, found in clauses.items() if all(found)] == []


@every_example
def test_every_row_answers(name: str) -> None:
    """With a setting, a file, a page, a stack file, or a word on who does it instead."""
    elsewhere = (
        r"out of scope|not enforceable|not provided|not here|external|replaced|Vercel|Render|Neon|theirs"
        r"|no alert of their own|the application's own"
    )
    empty = [
        demand
        for demand, answer in rows(name)
        if not re.search(rf"`(tenantry:|Pulumi\.|\.?\w+[/`])|\]\(|{elsewhere}", answer)
    ]
    assert empty == []


@pytest.mark.parametrize("name", WHOLE)
def test_a_table_covers_its_document(name: str) -> None:
    found = rows(name)
    assert len(found) >= 35
    assert len({key for _, answer in found for key, _ in keys(answer)}) >= 20
    assert len({demand for demand, _ in found}) == len(found)
    assert all(re.search(r"\([^()]*\)$", demand) for demand, _ in found)


def test_the_index_lists_them_all() -> None:
    assert {link for link in links(EXAMPLES / "README.md") if link.endswith("/README.md")} == {
        f"{name}/README.md" for name in NAMES
    }


def test_a_path_that_does_not_exist_is_seen() -> None:
    """The checks above could not fail if every path was known."""
    assert known(Settings, steps("tenants[].legal_hold"))
    assert known(Settings, steps("plans.any.external.attested.rpo_minutes"))
    assert known(Settings, steps("vercel.secrets.production.ANY"))
    for path in ("tenants.legal_hold", "plans.any.attested", "backups.export_schedule.hour", "exports", "pools[].tier"):
        assert not known(Settings, steps(path)), path

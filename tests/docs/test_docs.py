"""What the documents say exists: commands, options, targets, paths, links, settings, alerts and messages."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.engine import ensure
from sandbox.operations import Sandbox
from settings.load import read_stack_file
from settings.resolve import load
from tests.docs.commands import NOT_RUN
from tests.docs.documents import PAGES, ROOT, SHELL, Fence, anchors, codes, fences, headings, links, table, text

SCRIPTS = [fence for page in PAGES for fence in fences(page) if fence.language in SHELL]
COMMANDS = sorted({command for fence in SCRIPTS for command in fence.commands})
SOURCES = ("components", "jobs", "policies", "recovery", "sandbox", "settings")
KNOWN_LANGUAGES = {*SHELL, "mermaid", "sql", "yaml"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def run_by_ci() -> frozenset[str]:
    lines = text(ROOT / ".ci" / "run").splitlines()
    steps = [line.removeprefix("step ") for line in lines if line.startswith("step ")]
    return frozenset(step.replace(".venv/bin/python", "python") for step in steps)


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))


@cache
def help_of(*command: str) -> str:
    done = subprocess.run(
        [*command, "--help"], cwd=ROOT, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=True
    )
    return done.stdout


def words(command: str) -> tuple[list[str], list[str]]:
    """The words of a command before its first option, and its options' names."""
    parts = shlex.split(command)
    plain = list(itertools.takewhile(lambda part: not part.startswith("-"), parts))
    return plain, [part.partition("=")[0] for part in parts if part.startswith("--")]


def test_there_are_pages_and_commands() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "architecture.md", "adding-a-tenant.md", "restore.md"} <= names
    assert {"make preview", "make test"} <= set(COMMANDS)


def test_ci_runs_the_two_commands_that_matter() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert {"make lint", "make test", "make preview", "make preview STACK=prod"} <= run_by_ci()
    assert "set -euo pipefail" in text(script)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_run_or_has_a_reason_not_to_be(command: str) -> None:
    assert command in run_by_ci() or any(command.startswith(beginning) for beginning in NOT_RUN)


def test_no_reason_is_left_over() -> None:
    used = {beginning for beginning in NOT_RUN for command in COMMANDS if command.startswith(beginning)}
    assert used == set(NOT_RUN)


@pytest.mark.parametrize("fence", SCRIPTS, ids=lambda fence: f"{fence.page.name}: {fence.script.splitlines()[0]}")
def test_shell_blocks_parse(fence: Fence) -> None:
    done = subprocess.run(["bash", "-n"], input=fence.script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_make_targets_exist() -> None:
    named = {command.split()[1] for command in COMMANDS if command.startswith("make ")}
    named |= {match[1] for page in PAGES for code in codes(page) if (match := re.match(r"make ([a-z-]+)", code))}
    assert named <= make_targets()
    assert named >= {"preview", "test", "up", "refresh", "recover", "destroy", "lint", "bench", "help"}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("python -m ")])
def test_modules_take_their_options(command: str) -> None:
    plain, options = words(command.removeprefix("python -m "))
    module, *rest = plain
    spec = importlib.util.find_spec(module)
    assert spec is not None
    origin = Path(str(spec.origin))
    main = origin.with_name("__main__.py") if origin.name == "__init__.py" else origin
    if "ArgumentParser" not in text(main):
        assert not rest
        assert not options
        return
    subcommand = [word for word in rest[:1] if word in help_of(sys.executable, "-m", module)]
    usage = help_of(sys.executable, "-m", module, *subcommand)
    assert [option for option in options if option not in usage] == []


@pytest.mark.engine
@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("pulumi ")])
def test_pulumi_takes_its_options(command: str) -> None:
    _, *parts = shlex.split(command)
    subcommand = parts[:2] if parts[0] in {"config", "policy", "stack"} else parts[:1]
    usage = help_of(str(ensure()), *subcommand)
    known = rf"^Usage:\n  pulumi {' '.join(subcommand)}\b|^Aliases:\n  .*\b{subcommand[-1]}\b"
    assert re.search(known, usage, re.MULTILINE)
    options = [part.partition("=")[0] for part in parts if part.startswith("--")]
    assert [option for option in options if not re.search(rf"{option}\b", usage)] == []


@pytest.mark.engine
# the provider's SDK warns about its own aliases when a module of it is loaded
@pytest.mark.filterwarnings(r"ignore:gcp\..* has been deprecated in favor of:DeprecationWarning")
def test_the_plan_that_the_readme_shows_is_the_engines(tmp_path: Path) -> None:
    block = next(
        fence
        for fence in fences(ROOT / "README.md")
        if fence.commands == ["make preview"] and "Policies:" in fence.body
    )
    shown = [" ".join(line.split()) for line in block.body.splitlines()[1:] if line.strip() != "..."]
    result = Sandbox(stack="dev", home=tmp_path / "sandbox", fast=True).preview().require()
    printed = {" ".join(line.split()) for line in result.stdout.replace(f"{ROOT}/", "").splitlines()}
    assert [line for line in shown if line not in printed] == []


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@every_page
def test_paths_exist(page: Path) -> None:
    top = {path.name for path in ROOT.iterdir()} - {".venv", ".tools", ".sandbox", ".recovery"}
    missing = [
        code
        for code in codes(page)
        if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", code)
        and ("/" in code or code.endswith((".md", ".py")))
        and code.partition("/")[0] in top
        and not list(ROOT.glob(code.rstrip("/")))
    ]
    assert missing == []


@every_page
def test_blocks_name_their_language(page: Path) -> None:
    assert {fence.language for fence in fences(page)} <= KNOWN_LANGUAGES


def stack_snippets() -> Iterator[Any]:
    for page in PAGES:
        for number, fence in enumerate(f for f in fences(page) if f.info == "yaml stack"):
            yield pytest.param(fence, id=f"{page.name}-{number}")


@pytest.mark.parametrize("fence", list(stack_snippets()))
def test_snippets_of_stack_files_are_valid(fence: Fence) -> None:
    """Each is laid over the dev stack, as a person would edit it."""
    raw = read_stack_file(ROOT / "Pulumi.dev.yaml")
    for key, value in yaml.safe_load(fence.body).items():
        section = key.removeprefix("tenantry:")
        assert section != key
        raw[section] = {**raw.get(section, {}), **value} if isinstance(value, dict) else value
    assert load(raw, "dev").tenants


def test_the_architecture_has_a_diagram() -> None:
    diagrams = [fence for fence in fences(ROOT / "docs" / "architecture.md") if fence.language == "mermaid"]
    assert len(diagrams) == 1
    assert diagrams[0].body.startswith("flowchart ")
    assert diagrams[0].body.count("subgraph ") == diagrams[0].body.count("\n  end") + diagrams[0].body.count(
        "\n    end"
    )


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def strings(path: Path) -> Iterator[str]:
    """The string constants of a module; parts that stand side by side are one."""
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_guides_that_messages_name_exist() -> None:
    pattern = re.compile(r"(docs/[\w-]+\.md)(?:, section ([A-Z][\w ]+\w))?")
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    named = {found for path in sources(*SOURCES) for string in strings(path) for found in pattern.findall(string)}
    named |= {found for path in workflows for found in pattern.findall(text(path))}
    missing = [
        (page, section)
        for page, section in named
        if not (ROOT / page).is_file() or (section and section not in headings(ROOT / page))
    ]
    assert missing == []
    assert ("docs/adding-a-tenant.md", "Removing a tenant") in named


def test_refusals_are_quoted_as_the_program_says_them() -> None:
    said = [string for path in sources("settings", "components", "jobs") for string in strings(path)]
    rows = table(ROOT / "docs" / "adding-a-tenant.md", "When a change is refused")
    quoted = [quote for row in rows for quote in re.findall(r"`([^`]+)`", row[0])]
    assert len(quoted) >= len(rows) > 5
    assert [quote for quote in quoted if not any(quote in string for string in said)] == []


def test_every_alert_has_its_first_action() -> None:
    alerts = set()
    for path in sources("components/gcp"):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Alert":
                key = next(word.value for word in node.keywords if word.arg == "key")
                alerts.add(key.value if isinstance(key, ast.Constant) else "database-<instance>")
    rows = table(ROOT / "docs" / "operations.md", "Alert, first action")
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])} == alerts


def test_a_stack_is_signed_in_to_the_clouds_that_it_has() -> None:
    """A cloud without its variable is skipped; the token of Vercel is told to the engine, and to nothing before it."""
    for name, job, identity in (("deploy-stack", "deploy", "DEPLOY"), ("preview", "preview", "PREVIEW")):
        steps = yaml.safe_load(text(ROOT / ".github" / "workflows" / f"{name}.yml"))["jobs"][job]["steps"]
        asked = {step["uses"].partition("@")[0]: step for step in steps if "uses" in step}
        google, amazon = asked["google-github-actions/auth"], asked["aws-actions/configure-aws-credentials"]
        assert google["if"] == f"vars.{identity}_SERVICE_ACCOUNT != ''"
        assert google["with"]["service_account"] == f"${{{{ vars.{identity}_SERVICE_ACCOUNT }}}}"
        assert amazon["if"] == f"vars.AWS_{identity}_ROLE != ''"
        assert amazon["with"]["role-to-assume"] == f"${{{{ vars.AWS_{identity}_ROLE }}}}"
        told = [step for step in steps if "VERCEL_API_TOKEN" in step.get("env", {})]
        engine = [
            step
            for step in steps
            if str(step.get("run", "")).startswith("pulumi ") or step.get("with", {}).get("command") == "preview"
        ]
        assert told == engine != []
    jobs = yaml.safe_load(text(ROOT / ".github" / "workflows" / "deploy.yml"))["jobs"]
    assert [job["secrets"] for job in jobs.values()] == ["inherit"] * 3


def test_workflows_store_no_key_and_pin_every_action() -> None:
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        content = text(path)
        assert isinstance(yaml.safe_load(content), dict)
        assert "credentials_json" not in content
        assert "aws-secret-access-key" not in content
        assert set(re.findall(r"secrets\.(\w+)", content)) <= {"VERCEL_API_TOKEN"}
        for action in re.findall(r"uses: (?!\./)(.+)", content):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action

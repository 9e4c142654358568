"""Every name in a job's SQL is PostgreSQL's own, and says so: a tenant may make another one of the same name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.server import Postgres

pytestmark = pytest.mark.postgres

JOBS = Path(__file__).parents[3] / "jobs"
_SQL = re.compile(r"\b(SELECT|FROM|WHERE|PERFORM|JOIN)\b")
_CALL = re.compile(r"(?<![\w.\"])([a-z_][a-z0-9_]*)\s*\(")
_RELATION = re.compile(r"\b(?:FROM|JOIN)\s+(pg_(?!catalog\.)[a-z_]+)\b")
_CAST = re.compile(r"::([a-z_][a-z0-9_.]*)")


def texts() -> Iterator[tuple[str, str]]:
    """Place and text of every string in the jobs that looks like SQL; f-strings by their constant parts."""
    for path in sorted(JOBS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in docs:
                continue
            if isinstance(node.value, str) and _SQL.search(node.value):
                yield f"{path.relative_to(JOBS.parent)}:{node.lineno}", node.value


def test_every_function_and_relation_is_named_with_its_schema(server: Postgres) -> None:
    with server.bootstrap() as session:
        functions = {str(name) for (name,) in session.execute("SELECT DISTINCT proname FROM pg_proc").fetchall()}
        keywords = {str(name) for (name,) in session.execute("SELECT word FROM pg_get_keywords()").fetchall()}
    found = list(texts())
    assert len(found) > 20
    wrong = []
    for place, text in found:
        wrong += [f"{place}: {name}()" for name in _CALL.findall(text) if name in functions - keywords]
        wrong += [f"{place}: {name}" for name in _RELATION.findall(text)]
        wrong += [f"{place}: ::{name}" for name in _CAST.findall(text) if not name.startswith("pg_catalog.")]
    assert wrong == []

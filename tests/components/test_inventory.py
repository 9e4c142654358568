"""The three stacks against what they are known to create, so that a review sees every difference."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.inventory import inventory
from tests.components.program import STACKS, StackName, built

GOLDEN = Path(__file__).with_name("golden")
COMMAND = "pytest tests/components/test_inventory.py --update-golden"
HEADER = f"# What the stack creates. Regenerate with `{COMMAND}`, then read the difference.\n"


def written(found: dict[str, Any]) -> str:
    return HEADER + yaml.safe_dump(found, sort_keys=False, default_flow_style=None, width=1000)


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_creates_what_its_inventory_says(stack: StackName, request: pytest.FixtureRequest) -> None:
    path = GOLDEN / f"{stack}.yaml"
    now = written(inventory(built(stack).resources))
    if request.config.getoption("--update-golden"):
        path.write_text(now, encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    difference = "\n".join(
        difflib.unified_diff(before.splitlines(), now.splitlines(), "golden", "now", n=2, lineterm="")
    )
    assert before == now, f"{difference}\nIf every line of this is meant: {COMMAND}"


@pytest.mark.parametrize("stack", STACKS)
def test_no_generated_or_external_secret_is_in_an_inventory(stack: StackName) -> None:
    text = (GOLDEN / f"{stack}.yaml").read_text(encoding="utf-8")
    run = built(stack)
    generated = [item.outputs["result"] for item in run.of("random:index/randomPassword:RandomPassword").values()]
    assert len(generated) >= 3
    assert [value for value in generated if value in text] == []
    assert "issued elsewhere" not in text

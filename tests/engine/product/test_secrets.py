"""After an `up`, no secret value is where people, logs or other programs read (R5.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from sandbox.operations import Sandbox
from tests.engine.product.support import OBJECT, PASSWORD, VERSION, Boot

SHORTEST = 20
"""Characters from which on a value cannot turn up by accident."""


def generated(sandbox: Sandbox) -> set[str]:
    """Every generated value, from the state with its secrets shown."""
    state = sandbox.export(show_secrets=True)
    return {
        str(_shown(item["outputs"]["result"])) for item in state["deployment"]["resources"] if item["type"] == PASSWORD
    }


def _shown(value: object) -> object:
    """A secret of an export is a mapping whose `plaintext` is the value as JSON."""
    return json.loads(value["plaintext"]) if isinstance(value, dict) else value


def external(sandbox: Sandbox) -> set[str]:
    """The values of the encrypted part of the config, as the secret store has them beside the generated ones."""
    with sandbox.cloud() as cloud:
        versions = [str(item.outputs["secretData"]) for item in cloud.objects(VERSION)]
    return {text for text in versions if not text.startswith("{")}


def places(boot: Boot) -> Iterator[tuple[str, str]]:
    """Where a secret must not be: each place with its whole text."""
    sandbox = boot.sandbox
    for file in sorted(sandbox.layout.home.rglob("*")):
        if file.is_file() and not file.name.startswith("cloud.db"):
            yield str(file.relative_to(sandbox.layout.home)), file.read_text(encoding="utf-8", errors="replace")
    for result in (boot.preview, boot.up):
        yield f"{result.operation} output", result.stdout + result.stderr
        yield f"{result.operation} messages", "\n".join(found.message for found in result.diagnostics)
        yield f"{result.operation} verdicts", "\n".join(found.message for found in result.violations)
    yield "stack outputs", json.dumps(sandbox.outputs())
    yield "export", json.dumps(sandbox.export())
    with sandbox.cloud() as cloud:
        for item in cloud.objects(OBJECT):
            yield f"object {item.id}", str(item.outputs.get("content"))
        for item in cloud.objects():
            yield f"name {item.id}", f"{item.id} {item.urn}"
            if item.type != VERSION:
                # a channel has its own token, which the API keeps and does not give back
                shown = {name: value for name, value in item.outputs.items() if name != "sensitiveLabels"}
                yield f"properties {item.id}", json.dumps(shown)


def leaks(boot: Boot, values: set[str]) -> list[str]:
    return [place for place, text in places(boot) if any(value in text for value in values)]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_no_secret_value_outside_the_secret_store(booted: Callable[[str], Boot], stack: str) -> None:
    boot = booted(stack)
    values = generated(boot.sandbox) | external(boot.sandbox)
    tenants = len(boot.sandbox.outputs()["registry"]["tenants"])
    assert len(generated(boot.sandbox)) >= tenants + 3
    assert min(map(len, values)) >= SHORTEST
    with boot.sandbox.cloud() as cloud:
        stored = " ".join(str(item.outputs["secretData"]) for item in cloud.objects(VERSION))
    assert all(value in stored for value in values)
    assert leaks(boot, values) == []


def test_the_search_finds_what_is_there(booted: Callable[[str], Boot]) -> None:
    """A planted value is found in each kind of place; else the test above would prove nothing."""
    boot = booted("dev")
    found = set(leaks(boot, {"ledgerly-dev-pool-general-1"}))
    state = ".pulumi/stacks/tenantry/dev.json"
    assert any(place.endswith(state) for place in found)
    assert {"stack outputs", "export"} <= found
    assert any(place.startswith("object ") for place in found)
    assert any(place.startswith("name ") for place in found)
    assert any(place.startswith("properties ") for place in found)
    assert {"up output", "preview output"} <= set(leaks(boot, {"cobalt-bank-uploads"}))
    planted = boot.sandbox.layout.home / "planted.txt"
    value = min(generated(boot.sandbox))
    planted.write_text(f"password={value}", encoding="utf-8")
    try:
        assert leaks(boot, {value}) == ["planted.txt"]
    finally:
        planted.unlink()

"""The project's own work outside the engine, in a fresh process: `python -m bench.phases imports|resolve FILE`."""

from __future__ import annotations

import ast
import importlib
import json
import sys
import time
from pathlib import Path

from sandbox.engine import ROOT


def imports(recording: Path) -> float:
    """Seconds to import the program's modules where the SDK classes that it uses are there already."""
    from bench.flat import sdk_class  # noqa: PLC0415 - its imports are not the program's
    from bench.recording import read  # noqa: PLC0415

    for token in {found.type for found in read(recording) if found.custom}:
        sdk_class(token)
    tree = ast.parse((ROOT / "__main__.py").read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    started = time.perf_counter()
    for module in modules:
        importlib.import_module(module)
    return time.perf_counter() - started


def resolve(config: Path) -> float:
    """Seconds to validate and resolve a stack file's settings, once it is parsed."""
    from settings.load import read_stack_file  # noqa: PLC0415 - what the other measurement must still import
    from settings.resolve import load  # noqa: PLC0415

    raw = read_stack_file(config)
    started = time.perf_counter()
    load(raw, str(raw["environment"]["name"]))
    return time.perf_counter() - started


def main(phase: str, file: str) -> None:
    print(json.dumps({"imports": imports, "resolve": resolve}[phase](Path(file))))


if __name__ == "__main__":
    main(*sys.argv[1:])

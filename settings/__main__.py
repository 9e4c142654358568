"""`python -m settings check|schema|docs`: stack files judged without Pulumi, and what is generated from the models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from settings import docs, schema
from settings.errors import ConfigError
from settings.stacks import check_separation, load_stack_file, summary

ROOT: Final = Path(__file__).parent.parent
_GENERATED: Final = {"schema": (schema.SCHEMA_FILE, schema.render), "docs": (docs.DOCS_FILE, docs.render)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 when something is wrong."""
    options = _parser().parse_args(arguments)
    if options.command == "check":
        return _check(options.files or sorted(ROOT.glob("Pulumi.*.yaml")))
    path, render = _GENERATED[options.command]
    return _write(path, render(), options.command, check=options.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m settings", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="load and resolve stack files; print a summary or every problem")
    check.add_argument(
        "files", nargs="*", type=Path, metavar="Pulumi.STACK.yaml", help="all of them when none is named"
    )
    for name, (path, _) in _GENERATED.items():
        command = commands.add_parser(name, help=f"write {path.relative_to(ROOT)}")
        command.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
    return parser


def _check(files: Sequence[Path]) -> int:
    if not files:
        sys.stderr.write("no stack file found\n")
        return 1
    plans, failed = {}, False
    for path in files:
        try:
            plans[path] = load_stack_file(path)
        except ConfigError as error:
            failed = True
            sys.stderr.write(f"{path.name}: {error}\n")
        else:
            sys.stdout.write(f"{path.name}: {summary(plans[path])}\n")
    for problem in check_separation({path.name: plan for path, plan in plans.items()}):
        failed = True
        sys.stderr.write(f"{problem}\n")
    return int(failed)


def _write(path: Path, text: str, command: str, *, check: bool) -> int:
    name = path.relative_to(ROOT)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        sys.stdout.write(f"{name} is up to date\n")
        return 0
    if check:
        sys.stderr.write(f"{name} is out of date; run `python -m settings {command}`\n")
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The sandbox's command: `python -m sandbox up --stack dev`."""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recovery.locks import LockedError
from recovery.procedure import RecoveryError
from sandbox import engine, workspace
from sandbox.cloud import CloudError, FaultRule
from sandbox.operations import Sandbox
from sandbox.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.results import Result

    Run = Callable[[argparse.Namespace], int]

ROOT: Final = engine.ROOT
"""The project whose program and stacks the commands run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it went well, 1 when the engine or the sandbox refused."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except (CloudError, KeyError, LockedError, RecoveryError, WorkspaceError, ValueError, engine.EngineError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"sandbox: {text}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The project on simulated clouds, offline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text)
        found.set_defaults(run=run)
        found.add_argument("--stack", default="dev", help="dev, staging or prod (default: dev)")
        found.add_argument(
            "--example", help="a folder of examples/: its stack file is used, with a state and a cloud of its own"
        )
        return found

    plan = command("preview", _preview, "show what up would do, judged by the policies; creates nothing")
    plan.add_argument("--diff", action="store_true", help="show every property")
    command("up", _up, "preview with the policies, then make it so")
    command("refresh", _refresh, "bring the state in line with the simulated cloud")
    recovery = command("recover", _recover, "after a crash: account for what was interrupted")
    recovery.add_argument("--dead-lock", action="append", default=[], metavar="LOCK", help="a lock of another host")
    command("destroy", _destroy, "delete what may be deleted, and list what is kept and why")
    judged = command("analyze", _analyze, "judge an exported state with the policies")
    judged.add_argument("--file", type=Path, help="default: this stack's own state")
    command("export", _export, "print the state")
    made = commands.add_parser("engine", help="find or build the engine, and print its path")
    made.set_defaults(run=_engine)

    drift = command("drift", _drift, "change a property behind Pulumi's back")
    for name, text in (
        ("type", "type token"),
        ("name", "name or id"),
        ("path", "property"),
        ("value", "JSON; null removes"),
    ):
        drift.add_argument(name, help=text)
    vanish = command("vanish", _vanish, "make an object disappear from the cloud")
    for name, text in (("type", "type token"), ("name", "name or id")):
        vanish.add_argument(name, help=text)
    put = command("put-object", _put_object, "write a bucket object as a workload would")
    for name, text in (("bucket", "bucket"), ("name", "object name"), ("content", "text")):
        put.add_argument(name, help=text)
    put.add_argument("--cloud", choices=("gcp", "aws"), default="", help="where both have a bucket of this name")
    clock = command("clock", _clock, "show the cloud's clock, or move it")
    clock.add_argument("--advance-days", type=float, default=0.0, help="how far")
    fault = command("fault", _fault, "make a call fail, or a process die")
    fault.add_argument("op", choices=("create", "read", "update", "delete", "clear"), help="clear removes all rules")
    fault.add_argument("--type", default="*", help="glob over type tokens")
    fault.add_argument("--name", default="*", help="glob over resource names")
    fault.add_argument("--nth", type=int, default=1, help="the first matching call that fails")
    fault.add_argument("--times", type=int, default=1, help="how many fail from there on")
    how = fault.add_mutually_exclusive_group()
    how.add_argument("--error", choices=("429", "500", "timeout"))
    how.add_argument("--kill", choices=("engine", "program"))
    fault.add_argument("--when", choices=("before", "after"), default="before", help="the cloud commits")
    return parser


def _sandbox(options: argparse.Namespace) -> Sandbox:
    config = home = None
    if options.example:
        config, home = workspace.example(ROOT, options.example, options.stack)
    engine.ensure()
    return Sandbox(stack=options.stack, source=ROOT, config=config, home=home, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _ended(result: Result) -> int:
    return 0 if result.ok else 1


def _preview(options: argparse.Namespace) -> int:
    return _ended(_sandbox(options).preview(diff=options.diff))


def _up(options: argparse.Namespace) -> int:
    return _ended(_sandbox(options).up())


def _refresh(options: argparse.Namespace) -> int:
    return _ended(_sandbox(options).refresh())


def _recover(options: argparse.Namespace) -> int:
    _sandbox(options).recover(dead_locks=options.dead_lock, say=_say)
    return 0


def _destroy(options: argparse.Namespace) -> int:
    sandbox = _sandbox(options)
    result = sandbox.destroy()
    kept = sandbox.leftovers(result)
    if kept:
        print(f"Kept, {len(kept)}:")
        for leftover in kept:
            print(f"  {leftover}")
    else:
        print("Nothing is kept.")
    return _ended(result)


def _analyze(options: argparse.Namespace) -> int:
    return _ended(_sandbox(options).analyze(options.file))


def _export(options: argparse.Namespace) -> int:
    print(json.dumps(_sandbox(options).export(), indent=2))
    return 0


def _engine(options: argparse.Namespace) -> int:
    del options
    # progress is worth something while it happens, also through a pipe
    print(engine.ensure(say=functools.partial(print, flush=True)))
    return 0


def _drift(options: argparse.Namespace) -> int:
    with _sandbox(options).cloud() as cloud:
        cloud.drift(options.type, options.name, options.path, json.loads(options.value))
    return 0


def _vanish(options: argparse.Namespace) -> int:
    with _sandbox(options).cloud() as cloud:
        cloud.remove(options.type, options.name)
    return 0


def _put_object(options: argparse.Namespace) -> int:
    with _sandbox(options).cloud() as cloud:
        cloud.put_object(options.bucket, options.name, options.content, package=options.cloud)
    return 0


def _clock(options: argparse.Namespace) -> int:
    with _sandbox(options).cloud() as cloud:
        if options.advance_days:
            cloud.clock.advance(dt.timedelta(days=options.advance_days))
        print(cloud.clock.text())
    return 0


def _fault(options: argparse.Namespace) -> int:
    with _sandbox(options).cloud() as cloud:
        if options.op == "clear":
            cloud.faults.clear()
            return 0
        cloud.faults.add(
            FaultRule(
                op=options.op,
                type=options.type,
                name=options.name,
                nth=options.nth,
                times=options.times,
                error=options.error,
                kill=options.kill,
                when=options.when,
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

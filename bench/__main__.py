"""`make bench`: what the project's layers cost, measured in one run on whatever machine this is."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import report, sql_job
from bench.budget import BudgetError, KindCost, check, kind_costs
from bench.config import KINDS, kinds_of, shared_tenants, write_config, write_kinds_config
from bench.kinds import FEW, MORE, compare
from bench.measure import EMPTY_PACK, PACK, RESOURCE_PACK, Bench, BenchError, Sample, phase
from bench.recording import differences, read
from bench.sql_job import SqlJobError
from settings.types import Cloud

_RUNS: Final[dict[str, tuple[str, Path | None]]] = {
    "a": ("program", None),
    "b": ("flat", None),
    "c": ("program", PACK),
    "d": ("program", EMPTY_PACK),
    "components": ("components", None),
    "hooks": ("hooks", None),
    "resource rules": ("program", RESOURCE_PACK),
}
_SIZES: Final = [10, 100, 400]
_FEW: Final = 200
_RESOLVED: Final = 10_000
_RESOLVED_PER_POOL: Final = 200
_OF_A_KIND_QUICKLY: Final = 2


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"bench: {time.monotonic() - started:5.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        if options.sql_job:
            return _sql_job(options, say)
        with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as scratch:
            found = _run(Path(scratch), options, say)
    except (BenchError, BudgetError, SqlJobError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _sql_job(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    sizes = options.tenants if options.tenants != _SIZES else list(sql_job.SIZES)
    found = sql_job.measure(sizes, options.repeat or 3, say)
    _print([sql_job.HEADER, *(result.line() for result in found)])
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--tenants", type=int, nargs="+", default=_SIZES, metavar="N", help="sizes to measure")
    parser.add_argument("--repeat", type=int, metavar="R", help="repetitions of every size (default: fewer the larger)")
    parser.add_argument("--kinds", action="store_true", help="only the comparison of the kinds of tenants")
    parser.add_argument(
        "--sql-job", action="store_true", help="only the SQL job with nothing to do, on a real server (20, 200, 1000)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few tenants and kinds, once: shows that it works, measures nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples and results there as well")
    options = parser.parse_args(arguments)
    if options.quick:
        options.tenants, options.repeat = [10], 1
    if min(options.tenants) < 1 or (options.repeat is not None and options.repeat < 1):
        parser.error("sizes and repetitions are at least 1")
    return options


def _run(scratch: Path, options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    costs = _budget(scratch, say)
    sizes: list[report.Size] = []
    resolved: dict[str, float] | None = None
    if not options.kinds:
        resolved = {"tenants": _RESOLVED, "seconds": _resolve(scratch, options.repeat or 3, say)}
        for tenants in sorted(set(options.tenants)):
            size = _measure(scratch / str(tenants), tenants, options.repeat or _repetitions(tenants), say)
            _print(report.size_lines(size))
            sizes.append(size)
        _print(report.growth_lines(sizes))
    chosen, tenants = (FEW, _OF_A_KIND_QUICKLY) if options.quick else (tuple(KINDS), MORE)
    kinds = compare(scratch / "kinds", chosen, tenants, options.repeat or _repetitions(tenants), say)
    _print(report.kind_lines(costs, kinds))
    return report.document(sizes, costs, resolved, kinds)


def _budget(scratch: Path, say: Callable[[str], None]) -> list[KindCost]:
    def record(cloud: Cloud, tenants: int) -> Path:
        say(f"resources per tenant: {tenants} of every kind on {cloud}")
        home = scratch / f"budget-{cloud}-{tenants}"
        home.mkdir()
        counts = dict.fromkeys(kinds_of(cloud), tenants)
        return Bench(home, write_kinds_config(home / "stack.yaml", cloud, counts)).record()

    costs = kind_costs(record)
    _print(report.budget_lines(costs))
    check(costs)
    return costs


def _resolve(scratch: Path, repetitions: int, say: Callable[[str], None]) -> float:
    say(f"resolving {_RESOLVED:,} tenants")
    many = write_config(scratch / "many.yaml", shared_tenants(_RESOLVED), per_pool=_RESOLVED_PER_POOL)
    seconds = median(phase("resolve", many, scratch) for _ in range(repetitions))
    _print([report.resolve_line(_RESOLVED, seconds), ""])
    return seconds


def _repetitions(tenants: int) -> int:
    """More where a run is short and noise is large beside it."""
    return 3 if tenants <= _FEW else 2


def _measure(home: Path, tenants: int, repetitions: int, say: Callable[[str], None]) -> report.Size:
    home.mkdir()
    config = write_config(home / "stack.yaml", shared_tenants(tenants))
    bench = Bench(home, config)
    say(f"{tenants} tenants: recording what the program registers, and that the flat program registers the same")
    recording = bench.record()
    bench.record_flat()
    unlike = differences(recording)
    if unlike:
        raise BenchError("the flat program is no fair comparison:\n" + "\n".join(unlike))
    kinds = [found.custom for found in read(recording)]
    size = report.Size(tenants=tenants, resources=sum(kinds), components=len(kinds) - sum(kinds))

    def sample(names: list[str]) -> None:
        for repetition in range(repetitions):
            # forwards and backwards in turn, so that a machine that slows down or warms up favours nobody
            for name in names if repetition % 2 == 0 else reversed(names):
                result = _preview(bench, name)
                size.samples.setdefault(name, []).append(result)
                say(f"{tenants} tenants: run {repetition + 1} of {repetitions}, {name}: {result.seconds:.2f} s")

    load = os.getloadavg()[0]
    sample(list(report.VARIANTS))
    size.load = max(load, os.getloadavg()[0])
    reasons = report.missed(size)
    if reasons:
        say(f"{tenants} tenants: an aim is missed, looking for what costs it")
        size.import_seconds = median(phase("imports", recording, home.parent) for _ in range(repetitions))
        size.resolve_seconds = median(phase("resolve", config, home.parent) for _ in range(repetitions))
        sample(reasons)
    return size


def _preview(bench: Bench, name: str) -> Sample:
    kind, pack = _RUNS[name]
    return bench.preview(kind, pack)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""What was measured, in words and tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from bench.budget import LIMITS, KindCost
from bench.config import KINDS
from bench.kinds import REFERENCE, Comparison, processor
from bench.measure import Sample

VARIANTS: Final = {
    "a": "the program",
    "b": "the same resources, flat",
    "c": "the program, with the policy pack",
    "d": "the program, with a pack that does nothing",
}
EXPLANATIONS: Final = {
    "components": ("b", "component resources and parents"),
    "hooks": ("b", "guard hooks, called back for every guarded resource"),
    "resource rules": ("d", "the pack's resource rules"),
}
"""What is measured where an aim is missed: the variant that it is compared with, and what it adds to it."""

AIM_LAYERS: Final = 1.10
AIM_PACK: Final = 1.15
AIM_RESOLVE_SECONDS: Final = 2.0
AIM_GROWTH: Final = 1.25
"""Most that a further tenant may cost between the two largest sizes, against between the two smallest."""

_BUSY: Final = 1.5  # the bench itself keeps a core to a core and a half busy


@dataclass(kw_only=True)
class Size:
    """The samples of one number of tenants: `samples[variant][repetition]`, variants of one repetition being paired."""

    tenants: int
    resources: int
    components: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    load: float = 0.0
    """Load average of the machine while it was measured, one minute's."""
    import_seconds: float | None = None
    resolve_seconds: float | None = None

    def seconds(self, variant: str) -> float:
        return median(sample.seconds for sample in self.samples[variant])

    def ratio(self, one: str, other: str, attribute: str = "seconds") -> float:
        """The median over the repetitions of what two samples of the same repetition are to each other."""
        return median(
            _value(mine, attribute) / _value(theirs, attribute)
            for mine, theirs in zip(self.samples[one], self.samples[other], strict=True)
        )

    def document(self) -> dict[str, Any]:
        return {
            "tenants": self.tenants,
            "resources": self.resources,
            "components": self.components,
            "load": self.load,
            "samples": {name: [asdict(sample) for sample in samples] for name, samples in self.samples.items()},
            "ratios": {
                f"{one}/{other}": {name: self.ratio(one, other, name) for name in ("seconds", "cpu", "program_mib")}
                for one, other in (("a", "b"), ("c", "d"))
            },
            "import_seconds": self.import_seconds,
            "resolve_seconds": self.resolve_seconds,
        }


def _value(sample: Sample, attribute: str) -> float:
    return processor(sample) if attribute == "cpu" else float(getattr(sample, attribute))


def budget_lines(costs: Sequence[KindCost]) -> Iterator[str]:
    for cost in costs:
        yield (
            f"One more tenant of kind {KINDS[cost.kind].label}: {cost.in_cloud} cloud resources "
            f"(at most {LIMITS[cost.kind]}), {cost.in_state} in the state only, {cost.components} components"
        )
        yield from _table([(item.type, item.name, item.reason) for item in cost.items])
        yield ""


def kind_lines(costs: Sequence[KindCost], kinds: Comparison) -> Iterator[str]:
    """One table: what a tenant of each kind adds to the stack, and to a preview's time."""
    runs = len(kinds.more[REFERENCE])
    yield (
        f"Kinds compared: one tenant of every kind on its cloud, and {kinds.tenants} more of one; previews without the "
        f"policy pack, medians of {runs} interleaved run{'' if runs == 1 else 's'}, each in fresh processes; "
        f"load up to {kinds.load:.1f} on {os.cpu_count() or 1} cores"
    )
    heads = ("kind", "cloud resources", "at most", "state only", "components")
    times = ("preview s", "ms a tenant", "processor ms", f"time to {KINDS[REFERENCE].label}", "processor time to it")
    rows: list[tuple[str, ...]] = [(*heads, *times)]
    for cost in costs:
        kind = cost.kind
        rows.append(
            (
                KINDS[kind].label,
                *(str(count) for count in (cost.in_cloud, LIMITS[kind], cost.in_state, cost.components)),
                *(_kind_times(kinds, kind) if kind in kinds.more else "-" * len(times)),
            )
        )
    yield from _table(rows)
    yield from _busy(kinds.load)
    yield ""


def _kind_times(kinds: Comparison, kind: str) -> Iterator[str]:
    yield f"{kinds.preview_seconds(kind):.2f}"
    yield f"{kinds.per_tenant(kind) * 1000:.0f}"
    yield f"{kinds.per_tenant(kind, processor) * 1000:.0f}"
    yield _ratio(kinds.ratio(kind))
    yield _ratio(kinds.ratio(kind, processor))


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def size_lines(size: Size) -> Iterator[str]:
    runs = len(size.samples["a"])
    yield (
        f"{size.tenants} shared tenants: {size.resources} resources, {size.components} components; "
        f"medians of {runs} interleaved run{'' if runs == 1 else 's'}, each in fresh processes"
    )
    rows: list[tuple[str, ...]] = [("", "preview", "seconds", "processor s", "program MiB", "engine MiB", "policy MiB")]
    for name, samples in size.samples.items():
        rows.append(
            (
                name if name in VARIANTS else "+",
                VARIANTS.get(name) or f"{EXPLANATIONS[name][0]} and {EXPLANATIONS[name][1]}",
                f"{size.seconds(name):.2f}",
                f"{median(_value(sample, 'cpu') for sample in samples):.2f}",
                f"{median(sample.program_mib for sample in samples):.0f}",
                _mebibytes([sample.engine_mib for sample in samples]),
                _mebibytes([sample.pack_mib for sample in samples]),
            )
        )
    yield from _table(rows)
    yield from _verdict(size, "a", "b", AIM_LAYERS)
    yield from _verdict(size, "c", "d", AIM_PACK)
    yield from _busy(size.load)
    yield ""


def _busy(load: float) -> Iterator[str]:
    cores = os.cpu_count() or 1
    if load > _BUSY * cores:
        yield (
            f"  The machine was busy (load {load:.1f} on {cores} cores): wall times say little here, "
            f"processor times more."
        )


def missed(size: Size) -> list[str]:
    """Which explanations of `EXPLANATIONS` a size needs, because an aim on wall time is missed."""
    over = {base for one, base, aim in (("a", "b", AIM_LAYERS), ("c", "d", AIM_PACK)) if size.ratio(one, base) > aim}
    return [name for name, (base, _) in EXPLANATIONS.items() if base in over]


def growth(sizes: Sequence[Size], variant: str) -> float | None:
    """Seconds per further tenant between the two largest sizes, against between the two smallest; None below three."""
    if len(sizes) < 3:  # noqa: PLR2004 - two differences need three sizes
        return None
    ordered = sorted(sizes, key=lambda size: size.tenants)
    slopes = [
        (larger.seconds(variant) - smaller.seconds(variant)) / (larger.tenants - smaller.tenants)
        for smaller, larger in (ordered[:2], ordered[-2:])
    ]
    return slopes[1] / slopes[0] if slopes[0] > 0 else None


def growth_lines(sizes: Sequence[Size]) -> Iterator[str]:
    for variant, words in VARIANTS.items():
        found = growth(sizes, variant)
        if found is not None:
            yield (
                f"Growth of {variant} ({words}): a further tenant costs {found:.2f} times as much at the larger sizes, "
                f"{_judged(found, AIM_GROWTH)}"
            )


def resolve_line(tenants: int, seconds: float) -> str:
    return f"Settings of {tenants:,} tenants resolve in {seconds:.2f} s, {_judged(seconds, AIM_RESOLVE_SECONDS, ' s')}"


def _verdict(size: Size, one: str, other: str, aim: float) -> Iterator[str]:
    ratio = size.ratio(one, other)
    cpu, memory = size.ratio(one, other, "cpu"), size.ratio(one, other, "program_mib")
    yield (
        f"  {one}/{other}: time {ratio:.3f}, {_judged(ratio, aim)}; processor time {cpu:.3f}; "
        f"memory of the program {memory:.3f}"
    )
    if ratio <= aim:
        return
    yield f"    what costs it, of {size.seconds(one) - size.seconds(other):+.2f} s:"
    if one == "a" and size.import_seconds is not None and size.resolve_seconds is not None:
        yield f"    {size.import_seconds:+.2f} s importing the project's own modules (pydantic among them)"
        yield f"    {size.resolve_seconds:+.2f} s validating and resolving the settings"
    for name, (base, words) in EXPLANATIONS.items():
        if base == other and name in size.samples:
            cost = median(
                mine.seconds - theirs.seconds
                for mine, theirs in zip(size.samples[name], size.samples[base], strict=False)
            )
            yield f"    {cost:+.2f} s {words}"
    if one == "a":
        yield "    the rest: longer call stacks, which the SDK reads and sends with every resource, and noise"
    if one == "c":
        yield "    the rest: stack rules; each policy of them makes the SDK read the whole stack once more"


def _judged(value: float, aim: float, unit: str = "") -> str:
    return f"aim at most {aim:g}{unit}: {'met' if value <= aim else 'MISSED'}"


def _mebibytes(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.0f}" if known else "-"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def document(
    sizes: Sequence[Size], costs: Sequence[KindCost], resolve: Mapping[str, float] | None, kinds: Comparison
) -> dict[str, Any]:
    """Everything as JSON, for comparison between runs; no sizes and no `resolve` where only kinds were compared."""
    return {
        "aims": {"a/b": AIM_LAYERS, "c/d": AIM_PACK, "resolve_seconds": AIM_RESOLVE_SECONDS, "growth": AIM_GROWTH},
        "sizes": [size.document() for size in sizes],
        "budget": [
            asdict(cost) | {"in_cloud": cost.in_cloud, "in_state": cost.in_state, "limit": LIMITS[cost.kind]}
            for cost in costs
        ],
        "resolve": None if resolve is None else dict(resolve),
        "growth": {variant: growth(sizes, variant) for variant in VARIANTS},
        "kinds": kinds.document(),
    }

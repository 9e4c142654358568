"""What further tenants cost a preview, by kind, measured side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.config import KINDS, kinds_of, write_kinds_config
from bench.measure import Bench, Sample
from settings.types import Cloud

REFERENCE: Final = "cloudsql-shared"
FEW: Final = (REFERENCE, "rds-shared")
"""A kind of every cloud, for a run that only shows that it works."""
MORE: Final = 18
"""Tenants of a kind to add: with the first and the pool, as many RDS instances as one region takes backup copies of."""

Measure = Callable[[Sample], float]


def seconds(sample: Sample) -> float:
    return sample.seconds


def processor(sample: Sample) -> float:
    return sample.program_cpu + sample.engine_cpu


@dataclass(kw_only=True)
class Comparison:
    """Previews of one tenant of every kind, `bases`, and of `tenants` more of one kind, `more`; none with a pack.

    What a stack has anyway, and the first tenant of a kind brings, is in both: the difference is the tenants' alone.
    Samples at the same place in their lists are of the same repetition.
    """

    tenants: int
    bases: dict[Cloud, list[Sample]] = field(default_factory=dict)
    more: dict[str, list[Sample]] = field(default_factory=dict)
    load: float = 0.0
    """Largest load average of the machine seen while it was measured, one minute's."""

    def preview_seconds(self, kind: str) -> float:
        """Seconds of a preview with `tenants` more of the kind."""
        return median(sample.seconds for sample in self.more[kind])

    def per_tenant(self, kind: str, measure: Measure = seconds) -> float:
        """Seconds that one further tenant of the kind adds; where noise is larger than that, possibly none or less."""
        base = self.bases[KINDS[kind].cloud]
        return (
            median(measure(larger) - measure(smaller) for larger, smaller in zip(self.more[kind], base, strict=True))
            / self.tenants
        )

    def ratio(self, kind: str, measure: Measure = seconds) -> float | None:
        """What a tenant of the kind costs against one of the reference; None where noise hides either."""
        mine, reference = self.per_tenant(kind, measure), self.per_tenant(REFERENCE, measure)
        return mine / reference if mine > 0 and reference > 0 else None

    def document(self) -> dict[str, Any]:
        return {
            "tenants": self.tenants,
            "load": self.load,
            "bases": {cloud: [asdict(sample) for sample in samples] for cloud, samples in self.bases.items()},
            "kinds": {
                kind: {
                    "samples": [asdict(sample) for sample in samples],
                    "preview_seconds": self.preview_seconds(kind),
                    "per_tenant_seconds": self.per_tenant(kind),
                    "per_tenant_processor_seconds": self.per_tenant(kind, processor),
                    "ratio_seconds": self.ratio(kind),
                    "ratio_processor": self.ratio(kind, processor),
                }
                for kind, samples in self.more.items()
            },
        }


def compare(
    home: Path, kinds: Collection[str], tenants: int, repetitions: int, say: Callable[[str], None]
) -> Comparison:
    """Preview the bases of the kinds' clouds and each of the kinds, `repetitions` times in turn."""
    found = Comparison(tenants=tenants)
    benches: list[tuple[Bench, str, list[Sample]]] = []
    for cloud in dict.fromkeys(KINDS[kind].cloud for kind in kinds):
        counts = dict.fromkeys(kinds_of(cloud), 1)
        samples = found.bases.setdefault(cloud, [])
        benches.append((_bench(home, f"base-{cloud}", cloud, counts), f"one of every kind on {cloud}", samples))
        for kind in (kind for kind in kinds if kind in counts):
            more = counts | {kind: counts[kind] + tenants}
            label = f"{tenants} more of {KINDS[kind].label}"
            benches.append((_bench(home, kind, cloud, more), label, found.more.setdefault(kind, [])))
    for repetition in range(repetitions):
        # forwards and backwards in turn, so that a machine that slows down or warms up favours nobody
        for bench, label, samples in benches if repetition % 2 == 0 else reversed(benches):
            sample = bench.preview("program")
            samples.append(sample)
            found.load = max(found.load, os.getloadavg()[0])
            say(f"kinds: run {repetition + 1} of {repetitions}, {label}: {sample.seconds:.2f} s")
    return found


def _bench(home: Path, name: str, cloud: Cloud, counts: Mapping[str, int]) -> Bench:
    folder = home.with_name(f"{home.name}-{name}")  # beside the other benches, whose compiled modules it shares
    folder.mkdir()
    return Bench(folder, write_kinds_config(folder / "stack.yaml", cloud, counts))

"""bencher.json: Bencher Metric Format, benchmark -> measure -> value with the ends of its 95 % interval.

https://bencher.dev/docs/reference/bencher-metric-format
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.harness.report.timed import PERCENTILES, SINGLE_STREAM

# Bencher's limits of names: of a benchmark, and of the slug of a measure.
_MOST, _MOST_OF_A_NAME = 1024, 64
_NAMELESS = re.compile("[^a-z0-9]+")

Measures = dict[str, dict[str, float]]
_Measures = dict[str, dict[str, float] | None]


def benchmarks(summary: Mapping[str, Any]) -> dict[str, Measures]:
    """A benchmark for each target, with latency and size, and one for each target under each condition, with accuracy
    in per cent and the difference to the reference in percentage points.
    """
    found: dict[str, Measures] = {}
    for target in summary["targets"]:
        for name, measures in ((target["id"], _costs(target)), *_accuracies(target), *_agreements(target)):
            whole = {measure: value for measure, value in measures.items() if value is not None}
            if whole:
                found[name[:_MOST]] = whole
    return found


def _accuracies(target: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, float] | None]]]:
    for condition, one in target["conditions"].items():
        against = one["vs_reference"]
        yield (
            f"{target['id']} {condition}",
            {
                "top-1": _value(one.get("top1"), one.get("top1_ci95"), 100),
                "points-vs-reference": against and _value(against.get("delta"), against.get("ci95"), 100),
                "agreement": against and _value(against.get("agreement"), None, 100),
            },
        )


def _agreements(target: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, float] | None]]]:
    """Of images without labels."""
    for condition, one in target["likeness"].items():
        yield f"{target['id']} {condition}", {"agreement": _value(one["agreement"], one["agreement_ci95"], 100)}


def _costs(target: Mapping[str, Any]) -> _Measures:
    speedup = target["metrics"].get("speedup") or {}
    offline, server = (target["latency"].get(scenario) or {} for scenario in ("offline", "server"))
    return {
        **_percentiles("", target["latency"].get(SINGLE_STREAM) or {}),
        **_percentiles("multi-stream-", target["latency"].get("multi_stream") or {}),
        "offline-images-per-s": _value(offline.get("images_per_s"), offline.get("ci95")),
        "server-queries-per-s": _value(server.get("queries_per_s")),
        "sustained-p50-ms": _value((target["latency"].get("sustained") or {}).get("p50_ms")),
        **_energy((target.get("timed") or {}).get("energy") or {}),
        "speed-up": _value(speedup.get("ratio"), speedup.get("ci95")),
        "file-size": _value(target["engine_bytes"]),
        "build-time": _value(target["build_s"]),
    }


def _percentiles(prefix: str, latency: Mapping[str, Any]) -> _Measures:
    """Those that the samples carry."""
    spans = latency.get("ci95") or {}
    return {
        f"{prefix}{name.replace('.', '-')}-ms": _value(latency.get(f"{name}_ms"), spans.get(f"{name}_ms"))
        for name in PERCENTILES
    }


def _energy(meters: Mapping[str, Any]) -> _Measures:
    """By the names of the meters; of those that differ in what a name may not hold, the first."""
    found: _Measures = {}
    for meter, one in meters.items():
        name = f"joules-per-image-{_NAMELESS.sub('-', meter.lower()).strip('-')}"[:_MOST_OF_A_NAME].strip("-")
        found.setdefault(name, _value(one.get("joules_per_image")))
    return found


def _value(value: float | None, interval: Sequence[float] | None = None, scale: float = 1) -> dict[str, float] | None:
    if value is None or not math.isfinite(value):
        return None
    ends = {} if interval is None else dict(zip(("lower_value", "upper_value"), interval, strict=True))
    return {name: one * scale for name, one in (("value", value), *ends.items())}

"""bencher.json: Bencher Metric Format, benchmark -> measure -> value with the ends of its 95 % interval.

https://bencher.dev/docs/reference/bencher-metric-format
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Bencher's limits of names.
_MOST = 1024

Measures = dict[str, dict[str, float]]


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


def _costs(target: Mapping[str, Any]) -> dict[str, dict[str, float] | None]:
    latency, speedup = target["latency"].get("single_stream", {}), target["metrics"].get("speedup") or {}
    return {
        **{name.replace("_", "-"): _value(latency.get(name)) for name in ("p50_ms", "p90_ms", "p99_ms")},
        "speed-up": _value(speedup.get("ratio"), speedup.get("ci95")),
        "file-size": _value(target["engine_bytes"]),
        "build-time": _value(target["build_s"]),
    }


def _value(value: float | None, interval: Sequence[float] | None = None, scale: float = 1) -> dict[str, float] | None:
    if value is None or not math.isfinite(value):
        return None
    ends = {} if interval is None else dict(zip(("lower_value", "upper_value"), interval, strict=True))
    return {name: one * scale for name, one in (("value", value), *ends.items())}

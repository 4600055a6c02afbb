"""metrics.json: every figure of the targets by a flat name, as `mlflow.log_metrics` and `dvc metrics` take them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

# MLflow: letters, digits and _ - . space /, no part of a path that is empty or dots, at most 250 signs.
_MOST = 250
_OTHER = re.compile(r"[^A-Za-z0-9_\-. /]")
_DOTS = re.compile(r"\.+")
# Of images without labels; flips and quantiles are lists.
_OF_LIKENESS = ("images", "agreement", "agreement_ci95", "flipped", "less_sure", "confidence", "shift", "shift_ci95")


def metrics(summary: Mapping[str, Any]) -> dict[str, float]:
    """Name -> number: `TARGET/CONDITION/top1`, `TARGET/latency/single_stream/p99_ms`, `checks/failed` ...; what is
    null, such as a percentile that the samples do not carry, is left out.
    """
    found: dict[str, float] = {}
    for name, value in _all(summary):
        if math.isfinite(value):
            found[_unused(found, metric_name(name), name)] = value
    return found


def metric_name(name: str) -> str:
    """With _ for what MLflow refuses."""
    parts = [_OTHER.sub("_", part).strip() for part in name.split("/")]
    kept = "/".join("_" * len(part) if _DOTS.fullmatch(part) else part for part in parts if part)
    return kept if 0 < len(kept) <= _MOST else _marked(kept, name)


def _unused(found: Mapping[str, float], metric: str, name: str) -> str:
    """Names that differ only in what is replaced stay different."""
    return metric if metric not in found else _marked(metric, name)


def _marked(metric: str, name: str) -> str:
    mark = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
    return f"{metric[: _MOST - 9]}_{mark}"


def _all(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    answers = [check["answer"] for check in summary["gate"]["checks"]]
    for name, answer in (("passed", "pass"), ("failed", "fail"), ("inconclusive", "inconclusive")):
        yield f"checks/{name}", answers.count(answer)
    yield "targets/failed", len(summary["failed"])
    for target in summary["targets"]:
        for part in ("engine_bytes", "build_s", "realized", "metrics", "latency", "conditions", "classes"):
            value = target.get(part)
            yield from _numbers(target["id"] if part == "conditions" else f"{target['id']}/{part}", value)
        yield from _timed(f"{target['id']}/timed", target.get("timed") or {})
        for condition, found in target["likeness"].items():
            yield from _numbers(f"{target['id']}/{condition}", {key: found[key] for key in _OF_LIKENESS})
    for target, change in (summary.get("baseline") or {"targets": {}})["targets"].items():
        yield from _numbers(f"{target}/baseline", change)


def _timed(name: str, found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for part in ("energy", "memory", "loadgen"):
        yield from _numbers(f"{name}/{part}", found.get(part))
    for one in found.get("sweep") or ():
        figures = {key: value for key, value in one.items() if key not in ("threads", "batch", "says")}
        yield from _numbers(f"{name}/sweep/threads={one['threads']},batch={one['batch']}", figures)
    yield f"{name}/marks", len(found.get("marks") or ())


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """All that lie in it, by their way there; the ends of an interval are `low` and `high`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(f"{name}/{key}", inner)
    elif (
        isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) and "feed" in one for one in value)
    ):
        for one in value:
            yield from _numbers(f"{name}/{one['feed']}", one)
    elif isinstance(value, (list, tuple)) and len(value) == 2 and not any(isinstance(one, Mapping) for one in value):
        for key, inner in zip(("low", "high"), value, strict=True):
            yield from _numbers(f"{name}/{key}", inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, value

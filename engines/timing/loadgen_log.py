"""What MLPerf's load generator writes of a run: figures from its own log. The log may come from a process that lies."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from seatrial.engines.timing.block import Nanoseconds

# What it writes; the others of its files are empty unless a trace or the answers are asked for.
LOGS = ("mlperf_log_summary.txt", "mlperf_log_detail.txt")
DETAIL = LOGS[1]
_LONGEST_LOG = 16 << 20
_MARK = ":::MLLOG"
# The percentiles that it computes, as in its keys.
_PERCENTILES = {"p50": "50.00", "p90": "90.00", "p95": "95.00", "p99": "99.00", "p99.9": "99.90"}
# The percentile that its early stopping bounds: scenario -> (key, percentile).
_BOUNDED = {
    "single-stream": (("early_stopping_latency_ss", "p90"), ("early_stopping_latency_ms", "p99")),
    "multi-stream": (("early_stopping_latency_ms", "p99"),),
}


@dataclasses.dataclass(frozen=True)
class LoadgenResult:
    """What MLPerf's load generator found, and its logs by the name of the file.

    version: of the package mlcommons-loadgen. valid: whether it calls its own result valid; says: why not, and what to
    know of the version. milliseconds: p50, p90, ... of its queries; of offline, of the images. bounds_ms: percentile ->
    its early-stopping estimate, where it made one. images_per_s: of offline, and of server as completed. queries: as it
    counts them. service: int64 [Q] nanoseconds of the engine's calls, by our own clock within its run. checked, wrong,
    worst: as in `Timed`.
    """

    version: str
    valid: bool
    says: tuple[str, ...]
    milliseconds: Mapping[str, float]
    bounds_ms: Mapping[str, float]
    images_per_s: float | None
    queries: int
    service: Nanoseconds
    checked: int
    wrong: int
    worst: float
    logs: Mapping[str, str]


def figures(detail: str, scenario: str) -> dict[str, Any]:
    """valid, says, milliseconds, bounds_ms, images_per_s and queries of `LoadgenResult`, as its detailed log tells.

    KeyError, TypeError or ValueError for what is no such log.
    """
    values = entries(detail)
    infix = "_percentile_per_query_latency_ns" if scenario == "multi-stream" else "_percentile_latency_ns"
    found = {name: _number(values.get(f"result_{key}{infix}")) for name, key in _PERCENTILES.items()}
    bounds = {name: _number(values.get(key)) for key, name in _BOUNDED.get(scenario, ())}
    rate = values.get("result_samples_per_second", values.get("result_completed_samples_per_sec"))
    validity = str(values["result_validity"])
    if validity not in ("VALID", "INVALID"):
        raise ValueError(f"a result that is {validity!r}")
    return {
        "valid": validity == "VALID",
        "says": tuple(_reasons(values)),
        "milliseconds": {name: value / 1e6 for name, value in found.items() if value is not None},
        "bounds_ms": {name: value / 1e6 for name, value in bounds.items() if value},
        "images_per_s": _number(rate),
        "queries": int(values["result_query_count"]),
    }


def entries(detail: str) -> dict[str, Any]:
    """Key -> value of a detailed log, lines of `:::MLLOG {"key": ..., "value": ...}`; the last of a key counts."""
    found = {}
    for line in detail.splitlines():
        mark, _, text = line.partition(" ")
        if mark == _MARK:
            entry = json.loads(text)
            found[str(entry["key"])] = entry["value"]
    return found


def logs_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """Of logs that were sent: those that there can be; ValueError for one of another name, or far too long."""
    logs = {str(name): str(text) for name, text in fields.items()}
    if not set(logs) <= set(LOGS) or sum(map(len, logs.values())) > _LONGEST_LOG:
        raise ValueError(f"logs {sorted(logs)[:4]}")
    return logs


def _reasons(values: Mapping[str, Any]) -> list[str]:
    """Why it is not valid, in words of the load generator's where it has some."""
    met = {
        "result_min_duration_met": "the minimum duration was not reached",
        "result_min_queries_met": "the minimum number of queries was not reached",
        "result_perf_constraints_met": "the bound of the latency was not kept",
        "early_stopping_met": "too few queries for a bound at 99 % confidence",
    }
    reasons = [says for key, says in met.items() if values.get(key) is False]
    own = " ".join(str(values.get("result_invalid_reason", "")).split())
    return [*reasons, *([own[:400]] if own else [])]


def _number(value: Any) -> float | None:
    if value is None:
        return None
    found = float(value)
    if not 0 <= found < math.inf:
        raise ValueError(f"{found} is no measure")
    return found

"""Blocks and what came of them on their way between the run and an engine's process, which may lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.block import Block, Counters, Nanoseconds, Timed
from seatrial.engines.timing.loadgen_log import DETAIL, LoadgenResult, figures, logs_of

Array = npt.NDArray[Any]
_SHARES = ("own", "others", "stolen", "waited", "mhz")
_PAIRS = ("probe_ns", "memory_ns")
# Meters that a process may have.
_MOST_METERS = 64
_LONGEST = 400
# No block lasts longer: a hundred days.
_LONGEST_NS = 10**16


def block_of(fields: Mapping[str, Any]) -> Block:
    """The inverse of `Block.to_dict`; ValueError for one that cannot be run."""
    block = Block(**fields)
    if block.queries < 1 or block.samples < 1 or block.workers < 1 or block.first < 0 or not block.seconds > 0:
        raise ValueError(f"There is no such block: {block}.")
    if block.rate is not None and not 0 < block.rate < math.inf:
        raise ValueError(f"Queries arrive at a rate above 0, not {block.rate}.")
    return block


def timed_message(timed: Timed) -> tuple[dict[str, Any], list[Array]]:
    """As JSON values, and arrays beside them."""
    message = {
        "checked": timed.checked,
        "wrong": timed.wrong,
        "worst": timed.worst if math.isfinite(timed.worst) else None,
        "counters": timed.counters.to_dict(),
    }
    return message, [timed.begin, timed.taken, timed.service, timed.fresh]


def timed_of(message: Mapping[str, Any], arrays: Sequence[Array], block: Block) -> Timed:
    """The inverse; KeyError, TypeError or ValueError for what cannot have come of the block."""
    begin, taken, service, fresh = arrays
    if fresh.dtype != np.bool_ or fresh.ndim != 1 or len(fresh) > block.queries:
        raise ValueError(f"no flags of at most {block.queries} queries: {fresh.dtype} {list(fresh.shape)}")
    checked, wrong, worst = _answers(message, len(fresh))
    begin, taken, service = (_nanoseconds(one, len(fresh)) for one in (begin, taken, service))
    if (service > taken).any():
        raise ValueError("an engine's call that took longer than its query")
    return Timed(begin, taken, service, fresh, checked, wrong, worst, counters_of(message["counters"]))


def counters_of(fields: Mapping[str, Any]) -> Counters:
    """The inverse of `Counters.to_dict`; KeyError, TypeError or ValueError for what is none."""
    shares = {name: None if fields[name] is None else _finite(fields[name]) for name in _SHARES}
    pairs = {name: None if fields[name] is None else _pair(fields[name]) for name in _PAIRS}
    wall = _finite(fields["wall_s"])
    if wall < 0:
        raise ValueError(f"{wall} seconds")
    return Counters(wall_s=wall, joules=joules_of(fields["joules"]), **shares, **pairs)  # type: ignore[arg-type]


def loadgen_of(message: Mapping[str, Any], arrays: Sequence[Array], scenario: str) -> LoadgenResult:
    """Of what an engine's process told of the load generator; errors as `timed_of`."""
    (service,) = arrays
    checked, wrong, worst = _answers(message, len(service))
    logs = logs_of(message["logs"])
    found, unasked = figures(logs[DETAIL], scenario), int(message["unasked"])
    says = [str(says)[:_LONGEST] for says in list(message["cautions"])[:_MOST_METERS]]
    if unasked:
        says.append(f"{unasked} queries were answered without the engine: it was too slow for them")
        found["valid"] = False
    found["says"] = (*found["says"], *says)
    version = str(message["version"])[:_LONGEST]
    return LoadgenResult(
        version=version,
        **found,
        service=_nanoseconds(service, len(service)),
        checked=checked,
        wrong=wrong,
        worst=worst,
        logs=logs,
    )


def joules_of(fields: Mapping[str, Any]) -> dict[str, float]:
    """Name of a meter -> joules, or watts; AttributeError, TypeError or ValueError for what is none."""
    if len(fields) > _MOST_METERS or not all(name.isprintable() and len(name) <= _LONGEST for name in fields):
        raise ValueError(f"{len(fields)} meters, {list(fields)[:1]}")
    return {name: _finite(value) for name, value in fields.items()}


def _answers(message: Mapping[str, Any], queries: int) -> tuple[int, int, float]:
    """How many answers were checked, how many of them were wrong, and the largest difference."""
    checked, wrong = int(message["checked"]), int(message["wrong"])
    worst = math.inf if message["worst"] is None else float(message["worst"])
    if not 0 <= wrong <= checked <= queries or not worst >= 0:
        raise ValueError(f"{wrong} wrong answers of {checked} of {queries}, the worst by {worst}")
    return checked, wrong, worst


def _nanoseconds(values: Array, queries: int) -> Nanoseconds:
    if values.dtype != np.int64 or values.shape != (queries,):
        raise ValueError(f"{values.dtype} {list(values.shape)} are no times of {queries} queries")
    if queries and not 0 <= values.min() <= values.max() < _LONGEST_NS:
        raise ValueError(f"times from {values.min()} to {values.max()} ns")
    return values


def _finite(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"{found} is no number")
    return found


def _pair(values: Any) -> tuple[int, int]:
    before, after = (int(value) for value in values)
    if min(before, after) < 0:
        raise ValueError(f"{before} and {after} ns")
    return before, after

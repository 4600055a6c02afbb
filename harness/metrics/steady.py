"""What stays of an engine's speed over minutes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.metrics.percentiles import nearest_rank

Samples = npt.NDArray[np.int64]

MINUTE_S = 60.0
# A run that is shorter is cut into so many parts in place of minutes.
_PARTS = 5
# Minutes whose medians lie within this share of the last ones' are steady; and a place is taken by no less.
WITHIN = 0.03
# The share of the run, at its end, that is taken to be steady unless it moves itself.
_LAST = 1 / 3


@dataclasses.dataclass(frozen=True)
class Steady:
    """p50_ms: the median of the last third's minutes. from_s: seconds from the beginning after which all minutes lie
    within 3 % of it; None where the last third still moves. drift: from the first minute to it, a share; 0.1 is
    10 % slower.
    """

    p50_ms: float
    from_s: float | None
    drift: float


def part_s(seconds: float) -> float:
    """Length of the parts of a run of so many seconds: a minute, or a fifth of a shorter run."""
    return MINUTE_S if seconds >= _PARTS * MINUTE_S else max(seconds, 1e-9) / _PARTS


def minutes(
    begin: Samples, taken: Samples, length_s: float, readings: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`minute` (from 1; of parts of another length, the minute at which they end), `from_s`, percentiles in
    milliseconds (None where the minute's queries do not carry them), `queries`, and the medians of `celsius` and `mhz`
    that were read meanwhile, None where they were not told.

    begin, taken: int64 [N] nanoseconds, since the scenario began. readings: `at_s` and what `engines.machine` reads.
    """
    found = []
    numbers = (begin / 1e9 // length_s).astype(np.int64)
    for number in np.unique(numbers):
        here, first = taken[numbers == number], float(number) * length_s
        meanwhile = [one for one in readings if first <= one.get("at_s", -1.0) < first + length_s]
        found.append(
            {
                "minute": int(number) + 1 if length_s == MINUTE_S else round((float(number) + 1) * length_s / 60, 2),
                "from_s": first,
                **{
                    f"p{percent}_ms": nearest_rank(here, percent) / 1e6
                    if percent == 50 or len(here) >= minimum(percent)
                    else None
                    for percent in (50, 90, 99)
                },
                "queries": len(here),
                "celsius": _middle([degrees for one in meanwhile for degrees in _hottest(one)]),
                "mhz": _middle([float(one) for reading in meanwhile for one in reading.get("mhz") or ()]),
            }
        )
    return found


def steady(found: Sequence[Mapping[str, Any]]) -> Steady | None:
    """Of `minutes`; None for fewer than three."""
    if len(found) < 3:
        return None
    levels = [float(one["p50_ms"]) for one in found]
    last = levels[-max(2, math.ceil(len(levels) * _LAST)) :]
    level = float(np.median(last))
    away = [index for index, one in enumerate(levels) if abs(one / level - 1) > WITHIN]
    first_steady = away[-1] + 1 if away else 0
    # The last minutes must be among the steady ones, and not climb through the band.
    moving = first_steady > len(levels) - len(last) or _climbs(last)
    return Steady(level, None if moving else float(found[first_steady]["from_s"]), level / levels[0] - 1)


def ranking(targets: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """Pairs of targets, id -> `minutes`, of which the first was faster in the first minute and the second is faster in
    the last: by more than 3 % both times.
    """
    ends = {name: (found[0]["p50_ms"], found[-1]["p50_ms"]) for name, found in targets.items() if found}
    return [
        (one, other)
        for one, (first, last) in ends.items()
        for other, (first_other, last_other) in ends.items()
        if first * (1 + WITHIN) < first_other and last_other * (1 + WITHIN) < last
    ]


def _climbs(levels: Sequence[float]) -> bool:
    if len(levels) < 3:
        return abs(levels[-1] / levels[0] - 1) > WITHIN
    steps = np.diff(levels)
    return bool((steps > 0).all() or (steps < 0).all()) and abs(levels[-1] / levels[0] - 1) > WITHIN


def _hottest(reading: Mapping[str, Any]) -> list[float]:
    """Of its zones and its GPUs, if any is told."""
    known = [*(reading.get("celsius") or {}).values(), *(one.get("celsius") for one in reading.get("gpus") or ())]
    told = [float(one) for one in known if isinstance(one, (int, float))]
    return [max(told)] if told else []


def _middle(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None

"""Whether an engine becomes slower, or faster, the longer its process lives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Stretches of a start, whose medians are what the trend is sought in, and the fewest of them and of their queries.
_STRETCHES, _LEAST, _QUERIES = 32, 6, 4
# Of one side, for one look. Neighbouring stretches hang together, which the test does not know: 99.9 % leave room.
_TAIL = 0.0005
# A change that matters: clocks and caches move a start by a few per cent.
MATTERS = 0.05


@dataclasses.dataclass(frozen=True)
class Drift:
    """change: of the latency from the beginning of a start to its end, as a share; 0.2 is 20 % slower. interval: of it,
    at 99.9 % confidence, or more where several looks were taken. called: all of the interval lies beyond 5 %.
    """

    change: float
    interval: tuple[float, float]

    @property
    def called(self) -> bool:
        """Beyond doubt, and large enough to matter."""
        return self.interval[0] > MATTERS or self.interval[1] < -MATTERS


def drift(starts: Sequence[tuple[Samples, Samples]], *, looks: int = 1) -> Drift | None:
    """Of the queries of each start: int64 [N] nanoseconds when they began, and that they took. None for too few.

    Sen's slope of the logarithms of medians of stretches, over all pairs within a start, with the interval of the
    seasonal Kendall test (Hirsch, Slack and Smith, "Techniques of trend analysis for monthly water quality data",
    1982), a start being a season: no single stall and no outlying process makes a trend. looks: targets and scenarios
    that are looked at together; the confidence rises with them (Bonferroni).

    >>> times = np.arange(400) * 1_000_000
    >>> round(drift([(times, np.linspace(1e6, 1.2e6, 400).astype(np.int64))]).change, 2)
    0.19
    """
    slopes, variance = [], 0.0
    for begin, taken in starts:
        count = min(_STRETCHES, len(taken) // _QUERIES)
        if count < _LEAST:
            continue
        place = np.array([np.median(part) for part in np.array_split(begin, count)])
        place = (place - place[0]) / max(1.0, float(place[-1] - place[0]))
        level = np.log([max(1.0, float(np.median(part))) for part in np.array_split(taken, count)])
        slopes.append(_slopes(place, level))
        variance += count * (count - 1) * (2 * count + 5) / 18
    if not slopes:
        return None
    every = np.sort(np.concatenate(slopes))
    reach = _z(looks) * math.sqrt(variance)
    low, high = math.floor((len(every) - reach) / 2), math.ceil((len(every) + reach) / 2)
    if low < 1 or high >= len(every):
        return Drift(float(np.expm1(np.median(every))), (-1.0, math.inf))
    return Drift(float(np.expm1(np.median(every))), (float(np.expm1(every[low - 1])), float(np.expm1(every[high]))))


def _slopes(place: Floats, level: Floats) -> Floats:
    first, second = np.triu_indices(len(place), 1)
    apart = place[second] - place[first]
    return np.asarray((level[second] - level[first])[apart > 0] / apart[apart > 0], np.float64)


def _z(looks: int) -> float:
    """The normal quantile of the tail 0.0005 / looks."""
    tail, low, high = _TAIL / max(1, looks), 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) / 2 > tail else (low, middle)
    return high

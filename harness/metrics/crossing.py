"""Where a target's accuracy curve passes its reference's as an attack grows: below at small eps, above at large ones.

Gorsline, Smith and Merkel (2021): under simple gradient attacks, quantization improves or degrades robustness depending
on the strength.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.paired import Differences, paired_p

Correct = npt.NDArray[np.bool_]

SIGNIFICANT = 0.05
# How finely the ends of an interval are found between two strengths.
_PARTS = 200


@dataclasses.dataclass(frozen=True)
class Passage:
    """The first change of sign in one direction.

    eps: where the difference, linear between the strengths that were run, is zero; None where it never changes that
    way. ci95: the stretch around it in which the difference's 95 % interval holds zero (Fieller, "Some problems in
    interval estimation", 1954), which ends at the first or last strength if it reaches it; None where eps is.
    before_significant, after_significant: on that side of eps some strength's difference has the sign that it should,
    at 5 % divided by the number of strengths (Bonferroni).
    """

    eps: float | None
    ci95: tuple[float, float] | None
    before_significant: bool
    after_significant: bool


@dataclasses.dataclass(frozen=True)
class Crossing:
    """Two curves over the same images. eps: strengths, 0 for clean images first. differences: target's accuracy minus
    the reference's. p: two-sided, of each. upward: the target passes from below to above; downward: the
    reverse.
    """

    eps: tuple[float, ...]
    differences: tuple[float, ...]
    p: tuple[float, ...]
    upward: Passage
    downward: Passage


def crossing(eps: Sequence[float], target: Sequence[Correct], reference: Sequence[Correct]) -> Crossing:
    """eps: ascending, [E]; target, reference: bool [N] for each, of the same images in the same order.

    ValueError for less than two strengths, eps that do not ascend, and other shapes.

    >>> right, wrong = np.ones(10, bool), np.zeros(10, bool)
    >>> half = np.arange(10) < 5
    >>> found = crossing([0, 2, 4], [half, half, half], [right, right, wrong])
    >>> found.upward.eps, found.downward.eps
    (3.0, None)
    """
    own, other = np.array(target, np.int8), np.array(reference, np.int8)
    if own.ndim != 2 or own.shape != other.shape or len(own) != len(eps) or not own.size:
        raise ValueError("two curves need the same images at the same strengths, at least one")
    places = np.array(eps, np.float64)
    if len(places) < 2 or not (np.diff(places) > 0).all():
        raise ValueError("a curve needs two strengths, in ascending order")
    steps = own - other
    total = steps.shape[1]
    observed = steps.sum(axis=1, dtype=np.int64)
    tests = [paired_p(int(np.count_nonzero(row < 0)), int(np.count_nonzero(row > 0)), total) for row in steps]
    return Crossing(
        eps=tuple(places.tolist()),
        differences=tuple((observed / total).tolist()),
        p=tuple(tests),
        upward=_passage(places, observed, steps, tests),
        downward=_passage(places, -observed, -steps, tests),
    )


def first_upward(eps: npt.NDArray[np.float64], differences: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """For each row of differences [R, E], the eps at which it first goes from below zero to above; NaN for none.

    Linear between neighbours; the middle of a stretch of zeros. A zero at either end is no change.

    >>> first_upward(np.array([0.0, 1.0, 2.0, 4.0]), np.array([[-1, 0, 0, 2], [-1, 3, -1, 1], [0, 1, -1, 0]])).tolist()
    [1.5, 0.25, nan]
    """
    found = np.full(len(differences), np.nan)
    last = np.full(len(differences), -1)  # where the latest value other than zero stood
    rows = np.arange(len(differences))
    for place in range(differences.shape[1]):
        now, before = differences[:, place], differences[rows, np.maximum(last, 0)]
        passes = np.isnan(found) & (last >= 0) & (before < 0) & (now > 0)
        beside = passes & (last == place - 1)
        apart = passes & (last < place - 1)
        start, end = eps[place - 1], eps[place]
        found[beside] = start + (end - start) * before[beside] / (before[beside] - now[beside])
        found[apart] = (eps[last[apart] + 1] + start) / 2
        last = np.where(now != 0, place, last)
    return found


def _passage(
    eps: npt.NDArray[np.float64],
    observed: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int8],
    tests: Sequence[float],
) -> Passage:
    place = float(first_upward(eps, observed[None])[0])
    if np.isnan(place):
        return Passage(None, None, before_significant=False, after_significant=False)
    sure = np.array(tests) * len(eps) < SIGNIFICANT
    return Passage(
        eps=place,
        ci95=_around(place, eps, steps),
        before_significant=bool((sure & (observed < 0) & (eps < place)).any()),
        after_significant=bool((sure & (observed > 0) & (eps > place)).any()),
    )


def _around(place: float, eps: npt.NDArray[np.float64], steps: npt.NDArray[np.int8]) -> tuple[float, float]:
    """The stretch around a crossing in which the interval of the difference holds zero. steps: its images, [E, N]."""
    exact = steps.astype(np.float64)
    sums, squares, crossed = exact.sum(axis=1), (exact**2).sum(axis=1), (exact[:-1] * exact[1:]).sum(axis=1)
    open_places = [place]
    for index in range(len(eps) - 1):
        for part in np.linspace(0.0, 1.0, _PARTS + 1).tolist():
            rest = 1 - part
            found = Differences(
                rest * sums[index] + part * sums[index + 1],
                rest**2 * squares[index] + 2 * rest * part * crossed[index] + part**2 * squares[index + 1],
                steps.shape[1],
            )
            low, high = found.interval()
            where = float(eps[index] + part * (eps[index + 1] - eps[index]))
            if low <= 0 <= high:
                open_places.append(where)
            elif where < place:
                open_places = [place]  # what lies farther away is another stretch
            elif where > place:
                return min(open_places), max(open_places)
    return min(open_places), max(open_places)

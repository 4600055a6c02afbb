"""Where a target's accuracy curve passes its reference's as an attack grows: below at small eps, above at large ones.

Gorsline, Smith and Merkel (2021): under simple gradient attacks, quantization improves or degrades robustness depending
on the strength.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.paired import mcnemar_exact

Correct = npt.NDArray[np.bool_]

RESAMPLES = 2000
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class Passage:
    """The first change of sign in one direction.

    eps: where the difference, linear between the strengths that were run, is zero; None where it never changes that
    way. ci95: of eps, percentiles over the resamples that pass; None where eps is. share: of the resamples that pass.
    before_significant, after_significant: on that side of eps some strength's difference has the sign that it should,
    at 5 % by McNemar's exact test, divided by the number of strengths (Bonferroni).
    """

    eps: float | None
    ci95: tuple[float, float] | None
    share: float
    before_significant: bool
    after_significant: bool


@dataclasses.dataclass(frozen=True)
class Crossing:
    """Two curves over the same images. eps: strengths, 0 for clean images first. differences: target's accuracy minus
    the reference's. mcnemar_p: exact, two-sided, of each. upward: the target passes from below to above; downward: the
    reverse.
    """

    eps: tuple[float, ...]
    differences: tuple[float, ...]
    mcnemar_p: tuple[float, ...]
    upward: Passage
    downward: Passage


def crossing(eps: Sequence[float], target: Sequence[Correct], reference: Sequence[Correct], *, seed: int) -> Crossing:
    """eps: ascending, [E]; target, reference: bool [N] for each, of the same images in the same order.

    ValueError for less than two strengths, eps that do not ascend, and other shapes. Images are resampled with all
    their answers: only the differences -1, 0, 1 at each strength count, so a resample of N images is one draw from a
    multinomial over the patterns of differences that occur.

    >>> right, wrong = np.ones(10, bool), np.zeros(10, bool)
    >>> half = np.arange(10) < 5
    >>> found = crossing([0, 2, 4], [half, half, half], [right, right, wrong], seed=0)
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
    patterns, counts = np.unique(steps.T, axis=0, return_counts=True)
    weights = patterns.astype(np.int64)
    rng = np.random.Generator(np.random.PCG64(seed))
    draws = rng.multinomial(total, counts / total, size=RESAMPLES) @ weights
    observed = counts @ weights
    tests = [mcnemar_exact(int(np.count_nonzero(row < 0)), int(np.count_nonzero(row > 0))) for row in steps]
    return Crossing(
        eps=tuple(places.tolist()),
        differences=tuple((observed / total).tolist()),
        mcnemar_p=tuple(tests),
        upward=_passage(places, observed, draws, tests),
        downward=_passage(places, -observed, -draws, tests),
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
    draws: npt.NDArray[np.int64],
    tests: Sequence[float],
) -> Passage:
    place = first_upward(eps, observed[None])[0]
    resampled = first_upward(eps, draws)
    passing = resampled[~np.isnan(resampled)]
    share = len(passing) / len(resampled)
    if np.isnan(place):
        return Passage(None, None, share, before_significant=False, after_significant=False)
    # The observed curve passes, so that a resample like it does: only with very few images may none.
    low, high = np.percentile(passing, (2.5, 97.5)) if len(passing) else (place, place)
    sure = np.array(tests) * len(eps) < SIGNIFICANT
    return Passage(
        eps=float(place),
        ci95=(float(low), float(high)),
        share=share,
        before_significant=bool((sure & (observed < 0) & (eps < place)).any()),
        after_significant=bool((sure & (observed > 0) & (eps > place)).any()),
    )

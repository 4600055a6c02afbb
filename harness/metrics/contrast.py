"""Weighted sums of shares that the same images give: differences, trends, their intervals, the image as unit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.paired import ALPHA, Differences

# Float or bool [N], each within 0 and 1: how far every image is right.
Shares = npt.NDArray[np.floating | np.bool_]


@dataclasses.dataclass(frozen=True)
class Contrast:
    """value: as measured. centre, error: middle of all intervals, and the standard error. low, high: what it can be."""

    value: float
    centre: float
    error: float
    low: float
    high: float

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        """Two-sided, at confidence 1 - alpha."""
        reach = NormalDist().inv_cdf(1 - alpha / 2) * self.error
        return max(self.low, self.centre - reach), min(self.high, self.centre + reach)

    def p_at_least(self, limit: float = 0.0) -> float:
        """One-sided: small where it lies below the limit beyond doubt."""
        return NormalDist().cdf((self.centre - limit) / self.error)

    def p_at_most(self, limit: float = 0.0) -> float:
        """One-sided: small where it lies above the limit beyond doubt."""
        return NormalDist().cdf((limit - self.centre) / self.error)


def share_contrast(weights: Sequence[float], shares: Sequence[Shares]) -> Contrast:
    """Of mean shares, each of all N images: sum of weights * means.

    An image adds the weighted sum of its own shares, so that what its answers have in common cancels. The interval is
    that of `paired.Differences`, with its two images of the largest values there can be. ValueError for nothing, and
    other lengths.

    >>> right, wrong = np.ones(100, bool), np.arange(100) < 50
    >>> share_contrast([1, -1], [right, wrong]).value
    0.5
    """
    values = _weighted(weights, shares)
    low, high = _ends(weights)
    middle, bound = (low + high) / 2, (high - low) / 2
    found = Differences.of(values - middle)
    centre, error = found.centre_and_error(bound)
    return Contrast(float(values.mean()), centre + middle, error, low, high)


def conditional_contrast(
    weights: Sequence[float], among: Sequence[npt.NDArray[np.bool_]], hits: Sequence[Shares]
) -> Contrast | None:
    """Of shares that each have images of their own: sum of weights * (sum of hits among) / (number among), as of AR,
    the accuracy under attack among what is right without. None where one of them has no image.

    All answers to an image belong together: it adds to the sum what it adds to each linearised ratio (Cochran,
    "Sampling Techniques", 1977, section 6.4). Two images are added that belong to all, and are hit first where weights
    are above zero, then where they are below: with weights 1 and -1 this is `attack.conditional_difference`.

    >>> all_right, half = np.ones(4, bool), np.array([True, True, False, False])
    >>> conditional_contrast([1.0], [half], [half]).value, conditional_contrast([1.0], [~all_right], [half])
    (1.0, None)
    """
    if not len(weights) == len(among) == len(hits) or not weights:
        raise ValueError("a contrast needs a weight, images and hits for each share")
    value = centre = 0.0
    deviations = np.zeros(len(among[0]) + 2)
    for weight, chosen, hit in zip(weights, among, hits, strict=True):
        if chosen.shape != hit.shape or len(chosen) + 2 != len(deviations):
            raise ValueError("answers to the same images are needed")
        if not chosen.any():
            return None
        value += weight * float(hit[chosen].sum()) / int(np.count_nonzero(chosen))
        inside = np.append(chosen, (True, True))
        found = np.append(hit * chosen, (weight > 0, weight < 0)).astype(np.float64)
        share = float(found.sum()) / int(np.count_nonzero(inside))
        centre += weight * share
        deviations += weight * (found - share * inside) / float(inside.mean())
    low, high = _ends(weights)
    error = math.sqrt(float((deviations**2).mean()) / len(deviations))
    return Contrast(value, centre, error, low, high)


def downward(places: Sequence[float]) -> list[float]:
    """The weights that make of shares at these places the change from the largest place to the smallest one, along the
    straight line of least squares: above zero where shares grow as places fall. ValueError for less than two places.

    Of shares at two places this is their difference. Of more it is the linear trend, which has the sign of any change
    that goes one way all along.

    >>> downward([2, 8]), [round(one, 3) for one in downward([2, 4, 6, 8])]
    ([1.0, -1.0], [0.9, 0.3, -0.3, -0.9])
    """
    at = np.array(places, np.float64)
    apart = at - at.mean()
    squares = float(apart @ apart)
    if not squares:
        raise ValueError("a trend needs two places")
    weights: list[float] = (-(at.max() - at.min()) * apart / squares).tolist()
    return weights


def _weighted(weights: Sequence[float], shares: Sequence[Shares]) -> npt.NDArray[np.float64]:
    if not weights or len({one.shape for one in shares}) != 1 or not len(shares[0]):
        raise ValueError("a contrast needs shares of the same images, at least one")
    total = np.zeros(len(shares[0]))
    for weight, one in zip(weights, shares, strict=True):
        total += weight * one
    return total


def _ends(weights: Sequence[float]) -> tuple[float, float]:
    return sum(one for one in weights if one < 0), sum(one for one in weights if one > 0)

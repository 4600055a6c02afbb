"""Figures that are weighted means over conditions, with the image as the unit: their interval.

The answers to one image under many conditions hang together, so that a mean over 75 conditions of 1000 images is no
mean of 75,000 independent answers. Each image has one value, the weighted sum of its answers, and these are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import Z95

# At each end: with one condition, Agresti and Coull's interval of a proportion.
_ADDED = Z95**2 / 2


class ImageSums:
    """The weighted sum of each image's answers, filled condition by condition: memory for one float64 [N].

    low, high: the least and the largest sum that an image can have.

    >>> sums = ImageSums(4)
    >>> sums.add(np.array([True, True, False, False]), 0.5)
    >>> sums.add(np.array([True, False, False, True]), 0.5)
    >>> sums.mean
    0.5
    """

    def __init__(self, images: int) -> None:
        if images < 1:
            raise ValueError("sums over no images")
        self.values: npt.NDArray[np.float64] = np.zeros(images)
        self.low = self.high = 0.0

    def add(self, answers: npt.NDArray[np.bool_], weight: float) -> None:
        """One condition's answers, bool [N]; ValueError for other images."""
        if answers.shape != self.values.shape:
            raise ValueError("answers to the same images are needed")
        self.values[answers] += weight
        self.low, self.high = self.low + min(0.0, weight), self.high + max(0.0, weight)

    @property
    def mean(self) -> float:
        """The weighted sum of the conditions' shares."""
        return float(self.values.mean())

    def interval(self) -> tuple[float, float]:
        """95 % interval of `mean` over images like these, within low..high.

        The normal interval after adding z^2 / 2 images with the least and as many with the largest sum: Agresti and
        Coull's adjusted Wald interval ("Approximate is better than 'exact' for interval estimation of binomial
        proportions", 1998) for a bounded value instead of a proportion. It has a width where all images agree.
        """
        total = len(self.values) + 2 * _ADDED
        ends = np.array([self.low, self.high])
        centre = (float(self.values.sum()) + _ADDED * float(ends.sum())) / total
        squares = float(((self.values - centre) ** 2).sum()) + _ADDED * float(((ends - centre) ** 2).sum())
        spread = Z95 * math.sqrt(squares) / total
        return max(self.low, centre - spread), min(self.high, centre + spread)


def weighted_interval(terms: Iterable[tuple[float, npt.NDArray[np.bool_]]]) -> tuple[float, float]:
    """`ImageSums.interval` of (weight, answers) pairs; each is asked for once and not kept. ValueError for none.

    >>> right = np.arange(100) < 90
    >>> [round(bound, 4) for bound in weighted_interval([(1.0, right)])]
    [0.8239, 0.9465]
    """
    sums: ImageSums | None = None
    for weight, answers in terms:
        sums = sums or ImageSums(len(answers))
        sums.add(answers, weight)
    if sums is None:
        raise ValueError("an interval over no conditions")
    return sums.interval()

"""Two targets on the same images: the difference, its interval and p-value, and who flipped."""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

# Of two-sided intervals and tests, unless a family of them shares it.
ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A target against its reference, paired by image; all shares are of all images.

    delta: top-1 accuracy minus the reference's. ci95: its interval; p: two-sided, below 0.05 exactly where the interval
    leaves out 0. agreement: same predicted class, right or wrong. negative_flips: reference right, target wrong (the
    negative flip rate); positive_flips: reference wrong, target right. delta = positive_flips - negative_flips.
    """

    delta: float
    ci95: tuple[float, float]
    p: float
    agreement: float
    negative_flips: float
    positive_flips: float


@dataclasses.dataclass(frozen=True)
class Differences:
    """What is known of N paired differences, each within -1 and 1: their sum, the sum of their squares, and N."""

    total: float
    squares: float
    images: int

    @classmethod
    def counted(cls, worse: int, better: int, images: int) -> Differences:
        """Of right and wrong answers: -1 for an image that only the reference gets right, 1 for the reverse."""
        return cls(better - worse, better + worse, images)

    @classmethod
    def of(cls, values: npt.NDArray[np.floating | np.integer]) -> Differences:
        """Of the differences themselves, [N]."""
        exact = values.astype(np.float64)
        return cls(float(exact.sum()), float(exact @ exact), len(exact))

    @property
    def mean(self) -> float:
        """Of the differences, as measured."""
        return self.total / self.images

    def centre_and_error(self, bound: float = 1.0) -> tuple[float, float]:
        """The middle of all intervals, and the standard error.

        Bonett and Price ("Adjusted Wald confidence interval for a difference of binomial proportions based on paired
        data", 2012) add one image to each kind of discordant pair. Here: two images, of the largest differences that
        there can be, -bound and bound; for right and wrong answers that is their interval, and for means over several
        conditions it carries over. It holds its level in small samples and where no image differs.
        """
        if not self.images:
            raise ValueError("differences of no images")
        count = self.images + 2
        centre = self.total / count
        variance = (self.squares + 2 * bound**2) / count - centre**2
        return centre, math.sqrt(variance / count)

    def interval(self, alpha: float = ALPHA, *, bound: float = 1.0) -> tuple[float, float]:
        """Of the mean, two-sided, at confidence 1 - alpha.

        >>> [round(end, 4) for end in Differences.counted(5, 15, 100).interval()]
        [0.0099, 0.1861]
        """
        centre, error = self.centre_and_error(bound)
        reach = NormalDist().inv_cdf(1 - alpha / 2) * error
        return max(-bound, centre - reach), min(bound, centre + reach)

    def p_value(self, against: float = 0.0, *, bound: float = 1.0) -> float:
        """Two-sided, that the mean is `against`: the smallest alpha whose interval leaves it out."""
        return 2 * min(self.p_below(against, bound=bound), 1 - self.p_below(against, bound=bound), 0.5)

    def p_below(self, limit: float, *, bound: float = 1.0) -> float:
        """One-sided: small where the mean lies below the limit beyond doubt."""
        centre, error = self.centre_and_error(bound)
        return NormalDist().cdf((centre - limit) / error)


def paired_interval(worse: int, better: int, total: int, alpha: float = ALPHA) -> tuple[float, float]:
    """Of (better - worse) / total, at confidence 1 - alpha."""
    return Differences.counted(worse, better, total).interval(alpha)


def paired_p(worse: int, better: int, total: int) -> float:
    """Two-sided, that neither kind of discordant pair is the more frequent.

    >>> round(paired_p(4, 0, 20), 3), paired_p(3, 3, 20)
    (0.082, 1.0)
    """
    return Differences.counted(worse, better, total).p_value()


def compare(
    correct: npt.NDArray[np.bool_],
    reference_correct: npt.NDArray[np.bool_],
    same_class: npt.NDArray[np.bool_],
) -> Comparison:
    """Compares bool [N] arrays over the same images in the same order; ValueError for other shapes or N = 0."""
    if not len(correct) or not correct.shape == reference_correct.shape == same_class.shape:
        raise ValueError("paired arrays must have the same length, above zero")
    total = len(correct)
    worse = int(np.count_nonzero(reference_correct & ~correct))
    better = int(np.count_nonzero(correct & ~reference_correct))
    return Comparison(
        delta=(better - worse) / total,
        ci95=paired_interval(worse, better, total),
        p=paired_p(worse, better, total),
        agreement=int(np.count_nonzero(same_class)) / total,
        negative_flips=worse / total,
        positive_flips=better / total,
    )


def mcnemar_exact(worse: int, better: int) -> float:
    """Two-sided p-value of McNemar's exact test (1947): the discordant pairs as fair coin tosses.

    Twice the lower binomial tail, at most 1; computed in integers, so it is exact to the last bit of the result.

    >>> mcnemar_exact(1, 9)
    0.021484375
    """
    tosses, tail, term = worse + better, 0, 1
    for heads in range(min(worse, better) + 1):
        tail += term
        term = term * (tosses - heads) // (heads + 1)
    return min(1.0, float(2 * tail / 2**tosses))

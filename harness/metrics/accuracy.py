"""Accuracy of one target under one condition."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054  # standard normal quantile at 0.975


def accuracy(correct: npt.NDArray[np.bool_]) -> float:
    """Share of True in bool [N]; ValueError for N = 0.

    >>> accuracy(np.array([True, True, False, True]))
    0.75
    """
    if not len(correct):
        raise ValueError("accuracy of no images")
    return int(np.count_nonzero(correct)) / len(correct)


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927), in 0..1; ValueError for total = 0.

    >>> [round(bound, 4) for bound in wilson_interval(9, 10)]
    [0.5958, 0.9821]
    """
    if not 0 <= successes <= total or not total:
        raise ValueError(f"{successes} of {total} is no proportion")
    share = successes / total
    spread = Z95 * math.sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2))
    centre, scale = share + Z95**2 / (2 * total), 1 + Z95**2 / total
    return (centre - spread) / scale, (centre + spread) / scale


def binomial_tail(successes: int, total: int, share: float) -> float:
    """P(X >= successes) for total tosses of probability `share`, 0 to 1, exact but for rounding.

    >>> round(binomial_tail(8, 10, 0.5), 6)
    0.054688
    """
    if successes <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    log_share, log_rest, log_all = math.log(share), math.log1p(-share), math.lgamma(total + 1)
    terms = (
        math.exp(log_all - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * log_share + (total - k) * log_rest)
        for k in range(successes, total + 1)
    )
    return min(1.0, math.fsum(terms))

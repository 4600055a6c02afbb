"""The binomial distribution of many tosses."""

from __future__ import annotations

import math

import numpy as np

# Standard deviations below the mean, further than which nothing is left that counts.
_FAR = 12


def log_at_most(most: int, count: int, share: float) -> float:
    """The logarithm of P(X <= most), X binomial of `count` tosses of probability `share`, within (0, 1).

    The sum of the density, of which terms beyond twelve standard deviations are left out.
    """
    if most < 0:
        return -math.inf
    if most >= count:
        return 0.0
    odds = math.log(share) - math.log1p(-share)
    first = max(0, min(most, math.floor(count * share - _FAR * math.sqrt(count * share * (1 - share)))) - _FAR)
    start = (
        math.lgamma(count + 1)
        - math.lgamma(first + 1)
        - math.lgamma(count - first + 1)
        + first * math.log(share)
        + (count - first) * math.log1p(-share)
    )
    steps = np.arange(first + 1, most + 1)
    terms = start + np.concatenate(([0.0], np.cumsum(np.log((count - steps + 1) / steps) + odds)))
    largest = terms.max()
    return min(0.0, float(largest + np.log(np.exp(terms - largest).sum())))


def quantile(chance: float, count: int, share: float) -> int:
    """The smallest k of which P(X <= k) is at least `chance`, 0 to 1.

    >>> quantile(0.5, 10, 0.3)
    3
    """
    low, high, log_chance = -1, count, math.log(chance)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if log_at_most(middle, count, share) >= log_chance else (middle, high)
    return high

"""Two targets on the same images: the difference, its interval, its significance, and who flipped."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

BOOTSTRAP_SAMPLES = 10_000


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A target against its reference, paired by image; all shares are of all images.

    delta: top-1 accuracy minus the reference's. ci95: its paired bootstrap interval. mcnemar_p: exact, two-sided.
    agreement: same predicted class, right or wrong. negative_flips: reference right, target wrong (the negative flip
    rate); positive_flips: reference wrong, target right. delta = positive_flips - negative_flips.
    """

    delta: float
    ci95: tuple[float, float]
    mcnemar_p: float
    agreement: float
    negative_flips: float
    positive_flips: float


def compare(
    correct: npt.NDArray[np.bool_],
    reference_correct: npt.NDArray[np.bool_],
    same_class: npt.NDArray[np.bool_],
    *,
    seed: int,
) -> Comparison:
    """Compares bool [N] arrays over the same images in the same order; ValueError for other shapes or N = 0."""
    if not len(correct) or not correct.shape == reference_correct.shape == same_class.shape:
        raise ValueError("paired arrays must have the same length, above zero")
    total = len(correct)
    worse = int(np.count_nonzero(reference_correct & ~correct))
    better = int(np.count_nonzero(correct & ~reference_correct))
    return Comparison(
        delta=(better - worse) / total,
        ci95=bootstrap_interval(worse, better, total, seed=seed),
        mcnemar_p=mcnemar_exact(worse, better),
        agreement=int(np.count_nonzero(same_class)) / total,
        negative_flips=worse / total,
        positive_flips=better / total,
    )


def bootstrap_interval(worse: int, better: int, total: int, *, seed: int) -> tuple[float, float]:
    """95 % percentile interval of (better - worse) / total under resampling of the image pairs (Efron 1979).

    A resample of N pairs that each count -1, 0 or +1 is one draw from a multinomial of N, so the resamples are drawn
    as such: the same distribution as index by index, at a cost that does not depend on N.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    shares = np.array([worse, better, total - worse - better], np.float64) / total
    draws = rng.multinomial(total, shares, size=BOOTSTRAP_SAMPLES)
    low, high = np.percentile((draws[:, 1] - draws[:, 0]) / total, (2.5, 97.5))
    return float(low), float(high)


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

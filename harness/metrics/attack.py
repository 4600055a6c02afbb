"""What an attack does to a target: accuracy that is left, transfer, evasion, the worst case, and what it took."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import wilson_interval

Correct = npt.NDArray[np.bool_]

RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True)
class Rate:
    """A share of some of the images. images: of how many; ci95: Wilson interval."""

    rate: float
    images: int
    ci95: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of two shares on the same images, and its paired bootstrap interval."""

    delta: float
    ci95: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Evasion:
    """Images that target and reference both get right before the attack. evasive: the target wrong, the reference still
    right. noticed: both wrong. Together they are the attack's success on the target.
    """

    evasive: Rate
    noticed: Rate


@dataclasses.dataclass(frozen=True)
class QueryCounts:
    """Of `images` images."""

    images: int
    median: float
    mean: float
    max: int


def rate(hits: Correct, among: Correct) -> Rate | None:
    """The share of True in `hits` where `among` is True, bool [N] both; None where `among` is nowhere True.

    >>> found = rate(np.array([True, False, True]), np.array([True, True, False]))
    >>> found.rate, found.images
    (0.5, 2)
    """
    _same_length(hits, among)
    total = int(np.count_nonzero(among))
    if not total:
        return None
    found = int(np.count_nonzero(hits & among))
    return Rate(found / total, total, wilson_interval(found, total))


def conditional_accuracy(clean: Correct, attacked: Correct) -> Rate | None:
    """RobustART's AR: of the images that are right without attack, the share that is right under it.

    Robust accuracy, the share of all images, is AR times clean accuracy unless the attack puts some image right.
    """
    return rate(attacked, clean)


def worst_case(clean: Correct, attacked: Sequence[Correct]) -> Rate | None:
    """RobustART's WCAR: of the images that are right without attack, the share that is right under every attack.

    ValueError for no attack.

    >>> first, second = np.array([True, False, True]), np.array([True, True, False])
    >>> worst_case(np.array([True, True, True]), [first, second]).images
    3
    """
    if not attacked:
        raise ValueError("the worst case of no attack")
    return rate(np.logical_and.reduce(list(attacked)), clean)


def transfer_rate(surrogate_clean: Correct, clean: Correct, attacked: Correct) -> Rate | None:
    """Of the images that surrogate and target both get right without attack, the share that the target gets wrong on
    the surrogate's adversarial image (RobustART's code, transfer).
    """
    return rate(~attacked, surrogate_clean & clean)


def evasion(clean: Correct, attacked: Correct, reference_clean: Correct, reference: Correct) -> Evasion | None:
    """How often the target fails without the reference failing: what DIVA is made for (Hao et al. 2022).

    None where no image is right for both without attack.
    """
    both = clean & reference_clean
    evasive, noticed = rate(~attacked & reference, both), rate(~attacked & ~reference, both)
    return None if evasive is None or noticed is None else Evasion(evasive, noticed)


def conditional_difference(
    clean: Correct, attacked: Correct, reference_clean: Correct, reference: Correct, *, seed: int
) -> Difference | None:
    """AR of the target minus AR of the reference; None where one of them gets nothing right without attack.

    Each AR is over other images, so all four answers to an image are resampled together: it falls into one of nine
    patterns (wrong, right and fooled, right and not fooled; for each of the two), and a resample of N images is one
    draw from a multinomial over them. Resamples without a clean-correct image of one side have no AR and are left out.
    """
    for other in (attacked, reference_clean, reference):
        _same_length(clean, other)
    states = clean.astype(np.int64) * (1 + attacked), reference_clean.astype(np.int64) * (1 + reference)
    counts = np.bincount(3 * states[0] + states[1], minlength=9)
    observed = _ratios(counts[None])
    if not len(observed):
        return None
    rng = np.random.Generator(np.random.PCG64(seed))
    draws = _ratios(rng.multinomial(len(clean), counts / len(clean), size=RESAMPLES))
    low, high = np.percentile(draws, (2.5, 97.5))
    return Difference(float(observed[0]), (float(low), float(high)))


def query_counts(queries: npt.NDArray[np.int32], among: Correct) -> QueryCounts | None:
    """Queries, int32 [N], of the images where `among`, bool [N], is True; None for no image.

    >>> query_counts(np.array([9, 1, 3], np.int32), np.array([True, True, True])).median
    3.0
    """
    _same_length(queries, among)
    chosen = queries[among]
    if not len(chosen):
        return None
    return QueryCounts(len(chosen), float(np.median(chosen)), float(chosen.mean()), int(chosen.max()))


def _ratios(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Difference of the two ARs for each row of pattern counts [R, 9]; rows without one are left out."""
    table = counts.reshape(-1, 3, 3)
    own, other = table.sum(2), table.sum(1)
    among, reference_among = own[:, 1] + own[:, 2], other[:, 1] + other[:, 2]
    there = (among > 0) & (reference_among > 0)
    found: npt.NDArray[np.float64] = own[there, 2] / among[there] - other[there, 2] / reference_among[there]
    return found


def _same_length(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> None:
    if not len(first) or first.shape != second.shape:
        raise ValueError("paired arrays must have the same length, above zero")

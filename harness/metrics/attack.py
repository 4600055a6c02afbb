"""What an attack does to a target: accuracy that is left, transfer, evasion, the worst case, and what it took."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import Z95, wilson_interval

Correct = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Rate:
    """A share of some of the images. images: of how many; ci95: Wilson interval."""

    rate: float
    images: int
    ci95: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of two shares on the same images, and its paired interval."""

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
    clean: Correct, attacked: Correct, reference_clean: Correct, reference: Correct
) -> Difference | None:
    """AR of the target minus AR of the reference; None where one of them gets nothing right without attack.

    Each AR is a ratio over other images, and all four answers to an image belong together. So its interval is that of
    the linearised difference (Cochran, "Sampling Techniques", 1977, section 6.4), with two images added as in
    `paired`: right for both without attack, and then for one of them. Where both get all right without attack, it is
    the paired interval.
    """
    for other in (attacked, reference_clean, reference):
        _same_length(clean, other)
    own, theirs = conditional_accuracy(clean, attacked), conditional_accuracy(reference_clean, reference)
    if own is None or theirs is None:
        return None
    first, one = _deviations(clean, attacked, (True, False))
    second, other_one = _deviations(reference_clean, reference, (False, True))
    spread = Z95 * math.sqrt(float(((first - second) ** 2).mean()) / len(first))
    centre = one - other_one
    return Difference(own.rate - theirs.rate, (max(-1.0, centre - spread), min(1.0, centre + spread)))


def _deviations(clean: Correct, attacked: Correct, added: tuple[bool, bool]) -> tuple[npt.NDArray[np.float64], float]:
    """What each image adds to an AR with the two further images, float64 [N + 2], and that AR."""
    among = np.append(clean, (True, True))
    hits = among & np.append(attacked, added)
    share = int(np.count_nonzero(hits)) / int(np.count_nonzero(among))
    return (hits - share * among) / float(among.mean()), share


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


def _same_length(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> None:
    if not len(first) or first.shape != second.shape:
        raise ValueError("paired arrays must have the same length, above zero")

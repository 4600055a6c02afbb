"""How often any two targets give the same label, and who is right where they do not."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two targets on the same images; counts are of images.

    first, second: their names. agreement: share of images with the same label, right or wrong. differing: images with
    two labels: the sum of first_right (the first alone is right), second_right and both_wrong (in two ways).
    """

    first: str
    second: str
    images: int
    agreement: float
    differing: int
    first_right: int
    second_right: int
    both_wrong: int


def pairs(top1: Mapping[str, npt.NDArray[np.int32]], labels: npt.NDArray[np.int32]) -> tuple[Pair, ...]:
    """Every two of the targets, in the order of the mapping.

    top1: name -> predicted class, int32 [N], of the same images in the same order; labels: int32 [N]. ValueError for
    other shapes or N = 0.

    >>> labels = np.array([0, 1, 2, 3])
    >>> found = pairs({"a": np.array([0, 1, 2, 0]), "b": np.array([0, 1, 1, 1])}, labels)[0]
    >>> (found.agreement, found.differing, found.first_right, found.both_wrong)
    (0.5, 2, 1, 1)
    """
    if not len(labels) or any(answers.shape != labels.shape for answers in top1.values()):
        raise ValueError("labels of the same images are needed, at least one")
    return tuple(
        _pair(first, second, top1[first], top1[second], labels) for first, second in itertools.combinations(top1, 2)
    )


def _pair(
    first: str,
    second: str,
    one: npt.NDArray[np.int32],
    other: npt.NDArray[np.int32],
    labels: npt.NDArray[np.int32],
) -> Pair:
    differ = one != other
    differing = int(np.count_nonzero(differ))
    first_right = int(np.count_nonzero(differ & (one == labels)))
    second_right = int(np.count_nonzero(differ & (other == labels)))
    return Pair(
        first,
        second,
        len(labels),
        (len(labels) - differing) / len(labels),
        differing,
        first_right,
        second_right,
        differing - first_right - second_right,
    )

"""How alike two targets answer, where nobody knows what is right: agreement, flips, and how sure they were.

Without labels, agreement still bounds what is lost: an image that both give the same class is right for both or for
neither, so accuracies differ by at most 1 - agreement.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import Z95, wilson_interval
from seatrial.harness.metrics.paired import Differences
from seatrial.harness.records.predictions import Predictions

PERCENTS = (5, 25, 50, 75, 95)


@dataclasses.dataclass(frozen=True)
class Flip:
    """Images that the reference gives one class and the target another; indices of the model's outputs."""

    reference: int
    target: int
    images: int


@dataclasses.dataclass(frozen=True)
class Margins:
    """How sure a target was: probability of the first class minus the second's. quantiles: at PERCENTS, of `images`
    images; empty for none.
    """

    images: int
    quantiles: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Likeness:
    """A target against its reference on the same images, labels not needed.

    agreement: share of images with the same first class, and Wilson's interval; flipped: images with another one;
    flips: from class to class, the most frequent first. margin, reference_margin: over all images. kept_margin,
    flipped_margin: the reference's, where the target agrees and where it does not; less_sure: the probability that the
    reference was less sure of a flipped image than of one that was kept, ties counted half (Mann-Whitney's U over the
    number of pairs): 0.5 says that flips hit any image, 1 that they hit those alone that were in doubt; None where
    there are not both. confidence: mean probability of the first class; shift: minus the reference's, and its interval.
    """

    images: int
    agreement: float
    agreement_ci95: tuple[float, float]
    flipped: int
    flips: tuple[Flip, ...]
    margin: Margins
    reference_margin: Margins
    kept_margin: Margins
    flipped_margin: Margins
    less_sure: float | None
    confidence: float
    shift: float
    shift_ci95: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        pairs = {name: list(getattr(self, name)) for name in ("agreement_ci95", "shift_ci95")}
        margins = {name: _listed(value) for name, value in vars(self).items() if isinstance(value, Margins)}
        return {**vars(self), **pairs, **margins, "flips": [vars(one).copy() for one in self.flips]}


def likeness(rows: Predictions, reference: Predictions) -> Likeness:
    """Compares answers to the same images in the same order; ValueError for another number of them, or none."""
    images = len(rows)
    if not images or images != len(reference):
        raise ValueError("answers to the same images are needed, at least to one")
    kept = rows.top1 == reference.top1
    agreeing = int(np.count_nonzero(kept))
    shift = rows.p_top1.astype(np.float64) - reference.p_top1
    differences = Differences.of(shift)
    return Likeness(
        images=images,
        agreement=agreeing / images,
        agreement_ci95=wilson_interval(agreeing, images),
        flipped=images - agreeing,
        flips=_flips(reference.top1[~kept], rows.top1[~kept]),
        margin=_margins(rows.margin),
        reference_margin=_margins(reference.margin),
        kept_margin=_margins(reference.margin[kept]),
        flipped_margin=_margins(reference.margin[~kept]),
        less_sure=probability_below(reference.margin[~kept], reference.margin[kept]),
        confidence=float(rows.p_top1.astype(np.float64).mean()),
        shift=differences.mean,
        shift_ci95=differences.interval(),
    )


def probability_below(values: npt.NDArray[np.floating], others: npt.NDArray[np.floating]) -> float | None:
    """That a value is below one of the others, ties counted half; None where one side is empty.

    >>> probability_below(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    if not len(values) or not len(others):
        return None
    ordered = np.sort(others)
    above = len(others) - np.searchsorted(ordered, values, side="right")
    ties = np.searchsorted(ordered, values, side="right") - np.searchsorted(ordered, values, side="left")
    return float((above + ties / 2).sum() / (len(values) * len(others)))


def images_to_decide(agreement: float, limit: float) -> int | None:
    """The number of images at which Wilson's interval around the same agreement leaves out the limit, both in 0..1;
    None where it never does. The interval leaves out a share p where |agreement - p| > z sqrt(p (1 - p) / N).

    >>> images_to_decide(0.99, 0.98), images_to_decide(0.98, 0.98)
    (753, None)
    """
    distance = agreement - limit
    if not distance:
        return None
    return math.floor(Z95**2 * limit * (1 - limit) / distance**2) + 1


def _flips(before: npt.NDArray[np.int32], after: npt.NDArray[np.int32]) -> tuple[Flip, ...]:
    pairs, counts = np.unique(np.stack([before, after], axis=1), axis=0, return_counts=True)
    found = [Flip(int(one), int(other), int(count)) for (one, other), count in zip(pairs, counts, strict=True)]
    return tuple(sorted(found, key=lambda flip: (-flip.images, flip.reference, flip.target)))


def _margins(values: npt.NDArray[np.float32]) -> Margins:
    if not len(values):
        return Margins(0, ())
    return Margins(len(values), tuple(map(float, np.percentile(values.astype(np.float64), PERCENTS))))


def _listed(margins: Margins) -> dict[str, Any]:
    return {"images": margins.images, "quantiles": list(margins.quantiles)}

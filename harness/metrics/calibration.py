"""Whether the probabilities that a classifier names are worth what they say, and what quantization does to them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import Z95
from seatrial.harness.metrics.student import t_quantile

Probabilities = npt.NDArray[np.float32]

BINS = 15
# Below which answers are commonly thrown away, or shown to a person.
THRESHOLDS = (0.5, 0.8, 0.9, 0.95)
# From here on Student's quantile is the normal one to 0.3 %.
_LIKE_NORMAL = 500


@dataclasses.dataclass(frozen=True)
class Below:
    """Answers that people's thresholds lose. threshold: of the probability. above: share of the images that lie above
    it on the reference; fallen: of those, the share that does not on the target, None where there are none.
    """

    threshold: float
    above: float
    fallen: float | None


@dataclasses.dataclass(frozen=True)
class Shift:
    """A target's confidence minus the reference's, paired by image. delta: of the means; ci95: its interval. below: by
    threshold.
    """

    delta: float
    ci95: tuple[float, float]
    below: tuple[Below, ...]


def expected_calibration_error(confidence: Probabilities, correct: npt.NDArray[np.bool_]) -> float:
    """ECE (Naeini et al. 2015; Guo et al., "On Calibration of Modern Neural Networks", 2017): the mean, weighted by
    images, of |accuracy - mean confidence| over BINS bins of equal width, each with its upper end.

    confidence: softmax probability of the answer, float32 [N]; correct: bool [N]. ValueError for other shapes or N = 0.

    >>> round(expected_calibration_error(np.array([0.9, 0.9, 0.9, 0.9], np.float32), np.arange(4) > 0), 4)
    0.15
    """
    if not len(confidence) or confidence.shape != correct.shape:
        raise ValueError("confidences and answers must have the same length, above zero")
    places = np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(places, correct.astype(np.float64) - confidence, minlength=BINS)
    return float(np.abs(gaps).sum()) / len(confidence)


def confidence_shift(confidence: Probabilities, reference: Probabilities) -> Shift:
    """float32 [N] each, of the same images in the same order; ValueError for other shapes or N = 0.

    The interval is that of the paired t test: unlike right and wrong answers, probabilities nearly all differ a little,
    and a few images tell how much.

    >>> confidence_shift(np.array([0.4, 0.9], np.float32), np.array([0.6, 0.9], np.float32)).below[0].fallen
    0.5
    """
    if not len(confidence) or confidence.shape != reference.shape:
        raise ValueError("paired arrays must have the same length, above zero")
    differences = confidence.astype(np.float64) - reference.astype(np.float64)
    below = tuple(_below(confidence, reference, threshold) for threshold in THRESHOLDS)
    return Shift(float(differences.mean()), _t_interval(differences), below)


def _t_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    count, mean = len(values), float(values.mean())
    if count == 1:
        return -1.0, 1.0
    quantile = Z95 if count > _LIKE_NORMAL else t_quantile(0.025, count - 1)
    spread = quantile * float(values.std(ddof=1)) / math.sqrt(count)
    return max(-1.0, mean - spread), min(1.0, mean + spread)


def tied(margin: npt.NDArray[np.float32]) -> float:
    """The share of images whose two largest scores are equal, from the distance of their probabilities, float32 [N]."""
    return int(np.count_nonzero(margin == 0)) / len(margin)


def _below(confidence: Probabilities, reference: Probabilities, threshold: float) -> Below:
    above = reference > threshold
    count = int(np.count_nonzero(above))
    fallen = int(np.count_nonzero(above & ~(confidence > threshold)))
    return Below(threshold, count / len(reference), fallen / count if count else None)

"""Images in a few numbers each: whether two sets of them look as if they came out of the same camera."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.data.source import Pixels

Floats = npt.NDArray[np.float64]

# What is compared, and how a difference in it is called.
STATISTICS: Mapping[str, str] = {
    "brightness": "brightness",
    "contrast": "contrast",
    "red": "red",
    "green": "green",
    "blue": "blue",
    "red minus blue": "red against blue",
    "saturated": "share of black and white values",
    "sharpness": "sharpness",
}
# Chance that any of them is called different where none is.
ALPHA = 0.05
_EDGES = 1e-4


def image_statistics(pixels: Pixels) -> dict[str, Floats]:
    """uint8 RGB [N, H, W, 3] -> name -> float64 [N], of values in 0..1.

    Brightness and contrast: mean and standard deviation of all values. Colours: mean of a channel. Saturated: share of
    values at 0 or 255. Sharpness: logarithm of the mean step between neighbours over the contrast of the grey image, as
    enlarging and blurring lower it, whatever is shown.

    >>> found = image_statistics(np.full((1, 4, 4, 3), 255, np.uint8))
    >>> found["brightness"].tolist(), found["saturated"].tolist()
    ([1.0], [1.0])
    """
    values = pixels.astype(np.float32) / 255
    channels = values.mean(axis=(1, 2), dtype=np.float64)
    gray = values.mean(axis=3)
    steps = _mean(np.abs(np.diff(gray, axis=1))) + _mean(np.abs(np.diff(gray, axis=2)))
    found: dict[str, Floats] = {
        "brightness": channels.mean(axis=1),
        "contrast": values.std(axis=(1, 2, 3), dtype=np.float64),
        "red": channels[:, 0],
        "green": channels[:, 1],
        "blue": channels[:, 2],
        "red minus blue": channels[:, 0] - channels[:, 2],
        "saturated": ((pixels == 0) | (pixels == 255)).mean(axis=(1, 2, 3)),
        "sharpness": np.log((steps + _EDGES) / (gray.std(axis=(1, 2), dtype=np.float64) + _EDGES)),
    }
    return found


def _mean(steps: npt.NDArray[np.float32]) -> Floats:
    if not steps.size:
        return np.zeros(len(steps))
    found: Floats = steps.mean(axis=(1, 2), dtype=np.float64)
    return found


def statistics_of(batches: Iterable[Pixels]) -> dict[str, Floats]:
    """`image_statistics` of images that come in batches, of which only the numbers are kept."""
    parts = [image_statistics(batch) for batch in batches]
    return {name: np.concatenate([part[name] for part in parts]) for name in STATISTICS}


@dataclasses.dataclass(frozen=True)
class Difference:
    """The standardised mean difference of one statistic: first minus second, in standard deviations of the images.

    interval: at the confidence that holds for all statistics together.
    """

    statistic: str
    first: float
    second: float
    difference: float
    interval: tuple[float, float]

    @property
    def least(self) -> float:
        """How large it is beyond doubt; 0 where that may be nothing."""
        low, high = self.interval
        return max(0.0, low, -high)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**dataclasses.asdict(self), "interval": list(self.interval)}


def differences(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> list[Difference]:
    """Every statistic's difference, the surest first.

    d = (mean - mean) / s, s the root of the mean of both variances; its standard error is Hedges and Olkin's
    ("Statistical Methods for Meta-Analysis", 1985): sqrt((n + m) / (n m) + d^2 / (2 (n + m))). Two images at least of
    each.
    """
    reach = NormalDist().inv_cdf(1 - ALPHA / 2 / len(first))
    found = [_difference(name, first[name], second[name], reach) for name in first]
    return sorted(found, key=lambda one: -one.least)


def _difference(name: str, first: Floats, second: Floats, reach: float) -> Difference:
    spread = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
    apart = float(first.mean() - second.mean())
    # Where no image differs from another, any difference is a large one: a step of 8 bits is the unit then.
    difference = apart / max(spread, 1 / 255)
    count = len(first) + len(second)
    error = math.sqrt(count / (len(first) * len(second)) + difference**2 / (2 * count))
    interval = (difference - reach * error, difference + reach * error)
    return Difference(name, float(first.mean()), float(second.mean()), difference, interval)


def nearest(several: Sequence[Sequence[Difference]]) -> list[Difference]:
    """Of the differences from several sets, for every statistic the one that is least: what differs from them all."""
    by_name: dict[str, list[Difference]] = {}
    for differing in several:
        for one in differing:
            by_name.setdefault(one.statistic, []).append(one)
    found = [min(ones, key=lambda one: one.least) for ones in by_name.values()]
    return sorted(found, key=lambda one: -one.least)

"""Sums over the images of what separates two executions of one value; the values themselves are not kept."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def ratio_db(signal: float, noise: float) -> float:
    """10 log10(signal / noise) of two powers; infinite without noise, minus infinite for noise on no signal.

    >>> ratio_db(100.0, 1.0)
    20.0
    """
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


@dataclasses.dataclass
class Tally:
    """What is known of a value after the images so far.

    signal, noise, other: sums of squares of the reference, of the difference, of the candidate; cross: of the products.
    largest, largest_difference: of magnitudes. count: of elements. broken: elements that are NaN or infinite on one
    side and not the same on the other; such elements are in no sum. worst_image: position and ratio of the image that
    differs most, None where the value has no axis of images.
    """

    signal: float = 0.0
    noise: float = 0.0
    other: float = 0.0
    cross: float = 0.0
    largest: float = 0.0
    largest_difference: float = 0.0
    count: int = 0
    broken: int = 0
    worst_image: tuple[int, float] | None = None

    def add(self, reference: Array, candidate: Array, images: int, first: int) -> None:
        """Adds values of the same shape; images: of this batch, the first at position `first`."""
        by_image = reference.ndim > 0 and len(reference) == images
        rows = images if by_image else 1
        expected = reference.astype(np.float64).reshape(rows, -1)
        found = candidate.astype(np.float64).reshape(rows, -1)
        self.count += expected.size
        whole = np.isfinite(expected) & np.isfinite(found)
        broken = np.zeros(rows, np.int64)
        if not whole.all():
            same = (expected == found) | (np.isnan(expected) & np.isnan(found))
            broken = np.count_nonzero(~whole & ~same, axis=1)
            expected, found = np.where(whole, expected, 0.0), np.where(whole, found, 0.0)
        difference = expected - found
        signal, noise = np.square(expected).sum(axis=1), np.square(difference).sum(axis=1)
        self.signal += float(signal.sum())
        self.noise += float(noise.sum())
        self.other += float(np.square(found).sum())
        self.cross += float((expected * found).sum())
        self.broken += int(broken.sum())
        if expected.size:
            self.largest = max(self.largest, float(np.abs(expected).max()))
            self.largest_difference = max(self.largest_difference, float(np.abs(difference).max()))
        if by_image:
            for index in range(rows):
                ratio = -math.inf if broken[index] else ratio_db(float(signal[index]), float(noise[index]))
                if self.worst_image is None or ratio < self.worst_image[1]:
                    self.worst_image = first + index, ratio

    @property
    def snr_db(self) -> float:
        """Signal to noise over all images; minus infinite where one side is NaN or infinite and the other is not."""
        return -math.inf if self.broken else ratio_db(self.signal, self.noise)

    @property
    def relative(self) -> float | None:
        """The largest difference as a share of the largest magnitude of the reference; None for a reference of 0."""
        return self.largest_difference / self.largest if self.largest else None

    @property
    def cosine(self) -> float | None:
        """Cosine similarity of all elements; None where one side is 0 throughout."""
        length = math.sqrt(self.signal) * math.sqrt(self.other)
        return self.cross / length if length else None

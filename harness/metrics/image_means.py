"""Means over conditions, with the image as the unit: an image's answers under 75 conditions are not 75 images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.paired import Differences

Correct = npt.NDArray[np.bool_]


class ImageMeans:
    """Adds up what a target and its reference get right of the same N images, condition by condition."""

    def __init__(self, images: int) -> None:
        self.conditions = 0
        self._right = np.zeros(images, np.int32)
        self._reference = np.zeros(images, np.int32)

    def add(self, correct: Correct, reference_correct: Correct) -> None:
        """One more condition; bool [N] each, in the same order. ValueError for another N."""
        if not self._right.shape == correct.shape == reference_correct.shape:
            raise ValueError("all conditions need the same images")
        self._right += correct
        self._reference += reference_correct
        self.conditions += 1

    @property
    def top1(self) -> npt.NDArray[np.float64]:
        """float64 [N], the share of the conditions under which each image is right; ValueError for no condition."""
        return self._mean(self._right)

    @property
    def reference_top1(self) -> npt.NDArray[np.float64]:
        """The same of the reference."""
        return self._mean(self._reference)

    @property
    def differences(self) -> Differences:
        """Of the two, image by image."""
        return Differences.of(self.top1 - self.reference_top1)

    def _mean(self, sums: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        if not self.conditions:
            raise ValueError("means over no condition")
        return sums / self.conditions

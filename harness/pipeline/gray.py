"""Images of a gray model while an attack changes them: one channel, so that what it finds is gray, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.pipeline.reader import ImageReader
from seatrial.pixels import luma

Array = npt.NDArray[Any]


class OneChannel:
    """RGB images as their luma: [N, H, W, 1], of the same type."""

    def __init__(self, images: ImageReader) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def read(self, start: int, stop: int) -> Array:
        """[stop - start, H, W, 1]."""
        return luma(self._images.read(start, stop))


class ThreeChannels:
    """Images of one channel as gray RGB: [N, H, W, 3] with R = G = B, whose luma they are."""

    def __init__(self, images: ImageReader) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def read(self, start: int, stop: int) -> Array:
        """[stop - start, H, W, 3]."""
        return in_three_channels(self._images.read(start, stop))


def in_three_channels(images: Array) -> Array:
    """[N, H, W, 1] -> [N, H, W, 3] with R = G = B; images of three channels as they are."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images

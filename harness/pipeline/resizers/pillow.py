"""Pillow's filters: `Image.resize`, without its `reducing_gap`."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.picture import Picture


def _resize(resample: Image.Resampling, picture: Picture, size: tuple[int, int]) -> Pixels:
    height, width = size
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    return np.asarray(image.resize((width, height), resample))


FILTERS: dict[str, Callable[[Picture, tuple[int, int]], Pixels]] = {
    f"pillow-{resample.name.lower()}": functools.partial(_resize, resample)
    for resample in (
        Image.Resampling.NEAREST,
        Image.Resampling.BOX,
        Image.Resampling.BILINEAR,
        Image.Resampling.HAMMING,
        Image.Resampling.BICUBIC,
        Image.Resampling.LANCZOS,
    )
}

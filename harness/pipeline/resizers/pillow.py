"""Pillow's filters: `Image.resize`, without its `reducing_gap`."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from harness.data.source import Pixels
from harness.pipeline.resizers.kind import Filter


def _resize(resample: Image.Resampling, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = size
    return np.asarray(Image.fromarray(pixels).resize((width, height), resample))


FILTERS: dict[str, Filter] = {
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

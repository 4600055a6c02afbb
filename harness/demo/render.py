"""One image of the demo data set: a pure function of split, class, index and version."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from seatrial.harness.demo.background import paint
from seatrial.harness.demo.camera import expose
from seatrial.harness.demo.light import illuminate
from seatrial.harness.demo.mount import hang
from seatrial.harness.demo.occlusion import occlude

# Raise it with every change that alters a pixel: the version seeds the images and names their folder.
VERSION = 1
SPLITS: dict[str, int] = {"train": 0, "calib": 1, "test": 2}
SHORT_SIDE = (88, 160)
ASPECT = (0.8, 1.25)
QUALITY = (80, 95)


def render_jpeg(split: str, class_index: int, index: int) -> bytes:
    """Return image `index` of a class as a JPEG file: RGB, short side 88 to 160 px, quality 80 to 95.

    The same arguments give the same bytes, in any order and process, under one build of NumPy and Pillow.
    Raises KeyError for an unknown split.
    """
    rng = np.random.default_rng([VERSION, SPLITS[split], class_index, index])
    image = _photograph(rng, class_index)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)))
    return buffer.getvalue()


def _photograph(rng: np.random.Generator, class_index: int) -> Image.Image:
    scene = paint(rng, _size(rng))
    x, y, side = hang(rng, scene, class_index)
    occlude(rng, scene, x, y, side)
    return expose(rng, illuminate(rng, scene))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Draw (width, height)."""
    short = int(rng.integers(SHORT_SIDE[0], SHORT_SIDE[1] + 1))
    aspect = rng.uniform(*ASPECT)
    return (int(short * aspect), short) if aspect >= 1 else (short, int(short / aspect))

"""Pillow, the reference: what torchvision's and timm's data sets decode with."""

from __future__ import annotations

import PIL
from PIL import Image

from seatrial.harness.pipeline.decoders.registry import Loaded


def load() -> Loaded:
    """Always there."""
    return Loaded(PIL.__version__, lambda image, content: rgb_of(image))


def rgb_of(image: Image.Image) -> Image.Image:
    """An opened file as its RGB image; ValueError for gray of 16 bits, whose conversion cuts off."""
    if image.mode == "I" or image.mode.startswith("I;16"):  # what is above 255 would become white
        raise ValueError("gray of 16 bits, which Pillow cuts off at 255; convert it to 8 bits, or see --decoder opencv")
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")

"""Pillow, the reference: what torchvision's and timm's data sets decode with."""

from __future__ import annotations

import PIL
from PIL import Image

from seatrial.harness.pipeline.decoders.registry import Loaded


def load() -> Loaded:
    """Always there."""
    return Loaded(PIL.__version__, _decode)


def _decode(image: Image.Image, content: bytes) -> Image.Image:
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")

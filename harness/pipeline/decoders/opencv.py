"""OpenCV's imdecode."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.decoders.registry import Loaded

_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
# OpenCV logs what it thinks of a damaged file on standard error; it comes as our error, with the file's name.
# (libpng still prints a line of its own.)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def load() -> Loaded:
    """Always there."""
    return Loaded(cv2.__version__, _decode)


def _decode(image: Image.Image, content: bytes) -> Pixels:
    found = cv2.imdecode(np.frombuffer(content, np.uint8), _FLAGS)
    if found is None:
        raise ValueError(f"OpenCV does not read this {image.format} file; --decoder pillow may")
    pixels: Pixels = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)  # type: ignore[assignment]  # uint8 in, uint8 out
    return pixels

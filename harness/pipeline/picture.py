"""An image between decoder and resize filter: an array, or Pillow's own where both are Pillow's."""

from __future__ import annotations

import numpy as np
from PIL import Image

from seatrial.harness.data.source import Pixels

# uint8 RGB [H, W, 3], or an image of mode RGB.
Picture = Pixels | Image.Image


def shape_of(picture: Picture) -> tuple[int, ...]:
    """(H, W, 3) of either; of an array that is no picture, what it has."""
    return (
        picture.shape if isinstance(picture, np.ndarray) else (picture.height, picture.width, len(picture.getbands()))
    )

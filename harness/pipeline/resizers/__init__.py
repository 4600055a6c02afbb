"""Resize filters by the names of `INTERPOLATIONS`: each is a direct call of the library that its name begins with.

Pillow's filters, and PyTorch's with `-antialias`, widen by the factor by which they shrink an image. OpenCV's do not,
`area` apart, nor do PyTorch's others: they look at the pixels around each sample and pass the rest over.
"""

from __future__ import annotations

import numpy as np

from seatrial.errors import UsageError
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.picture import Picture
from seatrial.harness.pipeline.resizers import opencv, pillow, pytorch
from seatrial.harness.pipeline.resizers.kind import Filter
from seatrial.text import choices

__all__ = ["FILTERS", "resize", "unavailable"]

FILTERS: dict[str, Filter] = {**pillow.FILTERS, **opencv.FILTERS, **pytorch.FILTERS}


def resize(picture: Picture, size: tuple[int, int], interpolation: str) -> Pixels:
    """uint8 [H, W, 3], or Pillow's image of mode RGB -> uint8 [height, width, 3] for size = (height, width), by a name
    of `INTERPOLATIONS`.

    Raises UsageError for an unknown name, UnsupportedError where its library is missing.
    """
    if interpolation not in FILTERS:
        raise UsageError(f"Unknown interpolation {interpolation!r}. {choices(interpolation, FILTERS)}")
    if interpolation in pillow.FILTERS:
        return pillow.FILTERS[interpolation](picture, size)
    return FILTERS[interpolation](np.asarray(picture), size)


def unavailable(interpolation: str) -> str | None:
    """Why a filter cannot run here, with the line that installs its library; None where it can."""
    return pytorch.missing() if interpolation in pytorch.FILTERS else None

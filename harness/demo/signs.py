"""Sign faces: plate and pictogram, seen straight on, at a few sizes."""

from __future__ import annotations

from functools import cache

from PIL import Image

from seatrial.harness.demo.classes import SIGNS
from seatrial.harness.demo.pen import Pen
from seatrial.harness.demo.pictograms import PICTOGRAMS
from seatrial.harness.demo.plates import PLATES, STYLES

SUPERSAMPLED = 512
# Sides in pixels: warping a face that is at most 1.5 times too large does not alias visibly.
SIDES: tuple[int, ...] = (40, 60, 88, 128)


@cache
def _pyramid(index: int, style: int) -> tuple[Image.Image, ...]:
    pen = Pen(SUPERSAMPLED)
    PLATES[SIGNS[index].plate](pen, STYLES[style])
    PICTOGRAMS[SIGNS[index].pictogram](pen, STYLES[style])
    return tuple(pen.image.resize((side, side), Image.Resampling.BOX) for side in SIDES)


def face(index: int, style: int, side: float) -> Image.Image:
    """Return the RGBA face of class `index`, just large enough to be shown `side` pixels wide.

    The image is shared between calls: do not write into it.
    """
    pyramid = _pyramid(index, style)
    return next((image for image in pyramid if image.width >= side), pyramid[-1])

"""Turning decoded pixels upright."""

from __future__ import annotations

import numpy as np

from seatrial.harness.data.source import Pixels


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """uint8 [H, W, 3] as stored -> as it is meant to be seen; [W, H, 3] for the orientations 5 to 8.

    orientation: EXIF's tag 274 (CIPA DC-008, 4.6.4): where the stored row 0 and column 0 belong.

    >>> stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    >>> upright(stored, 6)[..., 0].tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    turned = np.swapaxes(pixels, 0, 1) if orientation >= 5 else pixels
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)

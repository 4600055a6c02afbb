"""`cv2.resize` with INTER_LINEAR for 8 bits, as OpenCV's own code computes it, in NumPy.

OpenCV's wheels for Arm hand it to KleidiCV or Carotene, whose values differ by up to two levels in a third of the
pixels. Source: HResizeLinear, VResizeLinear and resize in modules/imgproc/src/resize.cpp of OpenCV 5.0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.harness.data.source import Pixels

_ONE = 2048  # INTER_RESIZE_COEF_SCALE: weights have 11 bits

_Ints = npt.NDArray[np.int32]


def resize_linear(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """uint8 [H, W, C] -> uint8 [height, width, C] for size = (height, width); bit for bit OpenCV's on x86."""
    height, width = size
    if pixels.shape[:2] == size:
        return pixels.copy()
    if pixels.shape[:2] == (2 * height, 2 * width):  # OpenCV takes its filter `area` for a half
        four = pixels.reshape(height, 2, width, 2, -1).astype(np.int32).sum(axis=(1, 3))
        return _levels((four + 2) >> 2)
    first, second, before, after = _line(pixels.shape[1], width, clamped=True)
    wide = pixels.astype(np.int32)
    rows = wide[:, first] * before[:, None] + wide[:, second] * after[:, None]
    rows >>= 4
    first, second, before, after = _line(pixels.shape[0], height, clamped=False)
    upper, lower = rows[first] * before[:, None, None], rows[second] * after[:, None, None]
    total = ((upper >> 16) + (lower >> 16) + 2) >> 2
    return _levels(total)


def _levels(values: _Ints) -> Pixels:
    found: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return found


def _line(side: int, new: int, *, clamped: bool) -> tuple[_Ints, _Ints, _Ints, _Ints]:
    """For every new pixel, the two old ones around it and their weights. clamped: beyond the border, the weights are
    those of the last pixel alone, as along rows.
    """
    scale = 1 / (new / side)
    places = ((np.arange(new) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.int32)
    share = places - first.astype(np.float32)
    if clamped:
        share[(first < 0) | (first >= side - 1)] = 0
    before, after = (np.rint(part * np.float32(_ONE)).astype(np.int32) for part in (np.float32(1) - share, share))
    last = side - 1
    return np.clip(first, 0, last), np.clip(first + 1, 0, last), before, after

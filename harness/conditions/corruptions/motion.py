"""ImageMagick's motion blur: a half Gaussian along a line of whole pixels."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.arithmetic import truncate
from seatrial.harness.conditions.corruptions.exact import whole
from seatrial.harness.conditions.corruptions.registry import Pixels

_BITS = 16  # of a weight; with 8 of a pixel their sums are exact in float32
_QUANTUM = 0.5 / 257  # ImageMagick rounds to 16 bits before levels are truncated to 8


def motion_blurred(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """uint8 [H, W] or [H, W, C] blurred towards one side of the line at `angle` degrees; borders repeat.

    Taps, weights and truncation are those of MotionBlurImage in ImageMagick 6: 2 * ceil(radius) + 1 taps, the i-th at i
    steps along (cos, sin) on whole pixels, weighted by exp(-i^2 / (2 sigma^2)).
    """
    taps = 2 * math.ceil(radius) + 1
    steps = np.arange(taps)
    weights = whole([math.exp(-(step**2) / (2 * sigma**2)) for step in range(taps)], _BITS)
    # In ImageMagick's order of operations, which decides where a step lies on half a pixel.
    reach_right, reach_down = taps * math.cos(math.pi * angle / 180), taps * math.sin(math.pi * angle / 180)
    length = math.hypot(reach_down, reach_right)
    right = np.ceil(steps * reach_right / length - 0.5).astype(int)
    down = np.ceil(steps * reach_down / length - 0.5).astype(int)
    blurred = _weighted_shifts(image.astype(np.float32), weights, down, right)
    blurred *= np.float32(2.0**-_BITS)
    return truncate(blurred, _QUANTUM)


def _weighted_shifts(
    values: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float64],
    down: npt.NDArray[Any],
    right: npt.NDArray[Any],
) -> npt.NDArray[np.float32]:
    height, width = values.shape[:2]
    top, left = max(0, -down.min()), max(0, -right.min())
    padded = cv2.copyMakeBorder(
        values, int(top), int(max(0, down.max())), int(left), int(max(0, right.max())), cv2.BORDER_REPLICATE
    )
    total = np.zeros_like(values)
    for weight, y, x in zip(weights, top + down, left + right, strict=True):
        cv2.scaleAdd(padded[y : y + height, x : x + width], float(weight), total, total)
    return total

"""Filters and interpolation whose results are the same on every processor.

A sum of floats depends on its order and on fused multiply-adds, and libraries choose both by the processor. Here values
and weights are whole numbers of so few bits that every product and every sum is one that its float holds exactly (24
bits in float32, 53 in float64): nothing is ever rounded, and neither matters. Rounded to so few bits, weights do not
depend on the last digit of `exp` either, in which C libraries differ.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.registry import Pixels

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_DOUBLE = 52  # bits that a float64 holds, one less than it has
_TAP_BITS = 22  # of a weight along rows and columns: with 8 of a pixel 52


def whole(weights: npt.ArrayLike, bits: int) -> Doubles:
    """Weights as whole numbers that sum to 2^bits; the largest takes what rounding leaves."""
    found = np.array(weights, np.float64)
    found = np.rint(found * ((1 << bits) / math.fsum(found)))
    found[found.argmax()] += (1 << bits) - found.sum()
    return found


@functools.lru_cache(maxsize=64)
def gaussian_weights(sigma: float, truncate_at: float, bits: int) -> Doubles:
    """A Gaussian of radius int(truncate_at * sigma + 0.5), as SciPy's gaussian_filter1d samples it, as `whole` weights;
    read-only.
    """
    radius = int(truncate_at * sigma + 0.5)
    weights = whole([math.exp(-0.5 * (step / max(sigma, 1e-12)) ** 2) for step in range(-radius, radius + 1)], bits)
    weights.flags.writeable = False
    return weights


def gaussian_levels(image: Pixels, sigma: float) -> Pixels:
    """uint8 [H, W, C] blurred by a Gaussian, truncated at 4 sigma, its borders repeated; the result is truncated to
    uint8.

    scikit-image's, but for values that lie on a whole level: there its float64 rounding may lose one.
    """
    weights = gaussian_weights(sigma, 4.0, _TAP_BITS)
    found = cv2.sepFilter2D(image, cv2.CV_64F, weights, weights, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(found * 2.0 ** (-2 * _TAP_BITS)).astype(np.uint8)


def smoothed(field: npt.NDArray[Any], sigma: float, *, bits: int, truncate_at: float, border: int) -> Doubles:
    """A Gaussian blur of a field [H, W] of whole numbers of at most `bits` bits: float64, exact.

    border: OpenCV's BORDER_REPLICATE or BORDER_REFLECT, of images larger than the radius.
    """
    share = (_DOUBLE - bits) // 2
    weights = gaussian_weights(sigma, truncate_at, share)
    found = cv2.sepFilter2D(field.astype(np.float64), cv2.CV_64F, weights, weights, borderType=border)
    return np.asarray(found * 2.0 ** (-2 * share))


def interpolated(values: Floats, across: npt.NDArray[Any], down: npt.NDArray[Any], bits: int, border: int) -> Floats:
    """Takes values bilinearly from the places (`across`, `down`), [H, W] in pixels, rounded to 1 / 2^bits px.

    values: float32 [H, W] or [H, W, C] of whole numbers below 2^(24 - 2 bits); the result is exact.
    """
    x, y = (_in_steps(place, bits) for place in (across, down))
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=border), np.float32)


def _in_steps(places: Doubles, bits: int) -> Floats:
    rounded: Floats = (np.rint(places * (1 << bits)) * 2.0**-bits).astype(np.float32)
    return rounded


def enlarged(values: Floats, factor: float, bits: int) -> Floats:
    """The middle of an image, enlarged linearly to the image's own size; `values` and `bits` as for `interpolated`.

    The crop of ceil(side / factor) pixels becomes round(crop * factor) pixels with its corners on the new corners
    (SciPy's zoom, order 1), of which the middle is kept.
    """
    height, width = values.shape[:2]
    across, down = _enlarged_places(height, width, factor, bits)
    return np.asarray(cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


@functools.lru_cache(maxsize=64)
def _enlarged_places(height: int, width: int, factor: float, bits: int) -> tuple[Floats, Floats]:
    across, down = (_in_steps(_enlarged_line(side, factor), bits) for side in (width, height))
    return np.tile(across, (height, 1)), np.ascontiguousarray(np.tile(down, (width, 1)).T)


def _enlarged_line(side: int, factor: float) -> Doubles:
    crop = math.ceil(side / factor)
    large = round(crop * factor)
    scale = (crop - 1) / (large - 1) if large > 1 else 0.0
    return np.arange(side, dtype=np.float64) * scale + ((side - crop) // 2 + (large - side) // 2 * scale)

"""What the families share: truncation as the original code's, quick random numbers and look-ups.

Pixels are the same on every processor: floats are multiplied and added one operation at a time, by NumPy, or in whole
numbers that are exact in any order (`exact`); OpenCV's and BLAS's sums of float products are neither.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.registry import Pixels

Floats = npt.NDArray[np.float32]

# The originals compute in float64 and truncate. Here it is float32, whose error is below this; it is added first, so
# that a value which belongs on an integer does not lose a level to rounding.
GUARD = 3e-4


def truncate(values: npt.NDArray[np.floating[Any]], guard: float = GUARD) -> Pixels:
    """float32 or float64 grey levels [H, W] or [H, W, C] -> uint8, clipped to 0..255 and truncated as np.uint8 does."""
    # OpenCV saturates and rounds in one pass; half a level less, rounding is truncation.
    flat = values.reshape(len(values), -1)
    rounded = cv2.addWeighted(flat, 1, flat, 0, guard - 0.5, dtype=cv2.CV_8U)
    return np.asarray(rounded, np.uint8).reshape(values.shape)


def per_channel(image: Pixels, change: Callable[[Pixels, int], Pixels]) -> Pixels:
    """Applies change(plane uint8 [H, W], channel) to each channel, so that what is added to all is made once."""
    return np.asarray(cv2.merge([change(np.asarray(plane), index) for index, plane in enumerate(cv2.split(image))]))


def as_words(image: Pixels) -> npt.NDArray[np.uint32]:
    """uint32 [H, W]: each RGB pixel as one number, which NumPy moves about faster than three."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)).view(np.uint32)[..., 0]


def from_words(words: npt.NDArray[np.uint32]) -> Pixels:
    """The inverse of `as_words`."""
    height, width = words.shape
    return np.asarray(cv2.cvtColor(words.view(np.uint8).reshape(height, width, 4), cv2.COLOR_RGBA2RGB))


def scaled(image: Pixels, factor: float) -> Floats:
    """factor * image in float32, looked up: uint8 of any shape -> float32 of the same."""
    return np.asarray(cv2.LUT(image, (np.arange(256) * factor).astype(np.float32)), np.float32)


def as_float(image: npt.NDArray[Any]) -> Floats:
    """The same grey levels in float32."""
    return image.astype(np.float32)


def random_words(rng: np.random.Generator, shape: Sequence[int]) -> npt.NDArray[np.uint16]:
    """uint16, uniform over all 65536 values."""
    return rng.integers(0, 65536, tuple(shape), dtype=np.uint16)


def random_angle(rng: np.random.Generator, low: float, width: float) -> float:
    """Degrees, uniform over the middles of 65536 steps from `low` to `low` + `width`."""
    return low + width * ((int(rng.integers(65536)) + 0.5) / 65536)


@functools.cache
def normal_quantiles() -> npt.NDArray[np.float64]:
    """float64 [65536]: the standard normal's quantiles at the middle of 65536 equally likely steps.

    Looked up with random_words, they are normal noise to within 0.01 % of its variance, cut at 4.3 sigma, several
    times faster than a transform of every sample.
    """
    inverse = NormalDist().inv_cdf
    # Rounded, because its last digits are those of a processor and a C library.
    upper = np.array([round(inverse((index + 0.5) / 65536), 10) for index in range(32768, 65536)])
    return np.concatenate([-upper[::-1], upper])


def lookup(table: npt.NDArray[Any], index: npt.NDArray[np.uint16]) -> npt.NDArray[Any]:
    """table[index] for a table of 65536 entries."""
    flat = index.reshape(index.shape[0], -1)
    return cv2.LUT(flat, table.reshape(1, -1)).reshape(index.shape)


def four_channels(image: Pixels) -> Floats:
    """float32 [H, W, 4] of RGB and a fourth channel of no meaning: OpenCV warps four channels faster than three."""
    return np.asarray(cv2.cvtColor(as_float(image), cv2.COLOR_RGB2RGBA))

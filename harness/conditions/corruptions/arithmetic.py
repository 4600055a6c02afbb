"""What the families share: truncation as the original code's, filters, zooms, and quick random numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from harness.conditions.corruptions.registry import Pixels

Floats = npt.NDArray[np.float32]

# The originals compute in float64 and truncate. Here it is float32, whose error is below this; it is added first, so
# that a value which belongs on an integer does not lose a level to rounding.
GUARD = 3e-4


def truncate(values: Floats, guard: float = GUARD) -> Pixels:
    """float32 grey levels [H, W] or [H, W, C] -> uint8, clipped to 0..255 and truncated as np.uint8 does."""
    # OpenCV saturates and rounds in one pass; half a level less, rounding is truncation.
    flat = values.reshape(len(values), -1)
    rounded = cv2.addWeighted(flat, 1, flat, 0, guard - 0.5, dtype=cv2.CV_8U)
    return np.asarray(rounded, np.uint8).reshape(values.shape)


def blend(first: npt.NDArray[Any], weight: float, second: npt.NDArray[Any], second_weight: float) -> Pixels:
    """weight * first + second_weight * second, clipped and truncated; uint8 or float32 of one shape."""
    return np.asarray(cv2.addWeighted(first, weight, second, second_weight, GUARD - 0.5, dtype=cv2.CV_8U))


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


def as_float(image: npt.NDArray[Any]) -> Floats:
    """The same grey levels in float32."""
    return image.astype(np.float32)


def random_words(rng: np.random.Generator, shape: Sequence[int]) -> npt.NDArray[np.uint16]:
    """uint16, uniform over all 65536 values."""
    return rng.integers(0, 65536, tuple(shape), dtype=np.uint16)


@functools.cache
def normal_quantiles() -> npt.NDArray[np.float64]:
    """float64 [65536]: the standard normal's quantiles at the middle of 65536 equally likely steps.

    Looked up with random_words, they are normal noise to within 0.01 % of its variance, cut at 4.3 sigma, several
    times faster than a transform of every sample.
    """
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse((index + 0.5) / 65536) for index in range(32768, 65536)])
    return np.concatenate([-upper[::-1], upper])


def lookup(table: npt.NDArray[Any], index: npt.NDArray[np.uint16]) -> npt.NDArray[Any]:
    """table[index] for a table of 65536 entries."""
    flat = index.reshape(index.shape[0], -1)
    return cv2.LUT(flat, table.reshape(1, -1)).reshape(index.shape)


def gaussian_weights(sigma: float, truncate_at: float) -> npt.NDArray[np.float64]:
    """A normalised Gaussian of radius int(truncate_at * sigma + 0.5), as SciPy's gaussian_filter1d samples it."""
    radius = int(truncate_at * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / max(sigma, 1e-12)) ** 2)
    return np.asarray(weights / weights.sum())


def gaussian(values: npt.NDArray[Any], sigma: float) -> Floats:
    """A Gaussian blur as scikit-image's, truncated at 4 sigma, the border repeated: uint8 or float32 -> float32."""
    weights = gaussian_weights(sigma, 4.0)
    return np.asarray(cv2.sepFilter2D(values, cv2.CV_32F, weights, weights, borderType=cv2.BORDER_REPLICATE))


def four_channels(image: Pixels) -> Floats:
    """float32 [H, W, 4] of RGB and a fourth channel of no meaning: OpenCV warps four channels faster than three."""
    return np.asarray(cv2.cvtColor(as_float(image), cv2.COLOR_RGB2RGBA))


def zoomed(values: Floats, factor: float) -> Floats:
    """The middle of an image, enlarged linearly to the image's own size.

    The crop of ceil(side / factor) pixels becomes round(crop * factor) pixels with its corners on the new corners
    (SciPy's zoom, order 1), of which the middle is kept.
    """
    height, width = values.shape[:2]
    (scale_y, begin_y), (scale_x, begin_x) = _zoom_line(height, factor), _zoom_line(width, factor)
    matrix = np.array([[scale_x, 0, begin_x], [0, scale_y, begin_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(values, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _zoom_line(side: int, factor: float) -> tuple[float, float]:
    crop = math.ceil(side / factor)
    enlarged = round(crop * factor)
    scale = (crop - 1) / (enlarged - 1) if enlarged > 1 else 0.0
    return scale, (side - crop) // 2 + (enlarged - side) // 2 * scale

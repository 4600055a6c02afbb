"""Elastic distortion: a random affine map, then a smooth random displacement of every pixel."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from harness.conditions.corruptions.arithmetic import Floats, gaussian_weights

# Up to this radius a filter is faster than a matrix product; OpenCV also reflects only once.
_WIDEST_FILTER = 15


def jittered(values: Floats, jitter: float, rng: np.random.Generator) -> Floats:
    """Maps the image so that three points around its middle move by up to `jitter` pixels each way."""
    height, width = values.shape[:2]
    middle = np.array((height, width), np.float32) // 2
    reach = min(height, width) // 3
    before = np.array(
        [middle + reach, (middle[0] + reach, middle[1] - reach), middle - reach],
        np.float32,
    )
    after = before + rng.uniform(-jitter, jitter, before.shape).astype(np.float32)
    if reach == 0:  # three points in one place give no map; such an image is a pixel or two wide
        return values
    matrix = cv2.getAffineTransform(before, after)
    return np.asarray(cv2.warpAffine(values, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101))


def displaced(values: Floats, strength: float, smoothness: float, rng: np.random.Generator) -> Floats:
    """Takes every pixel from a place that is `strength` times smoothed noise (uniform in -1..1) away."""
    height, width = values.shape[:2]
    if strength == 0:
        return values
    across = smooth_noise(height, width, smoothness, rng)
    down = smooth_noise(height, width, smoothness, rng)
    across *= np.float32(strength)
    down *= np.float32(strength)
    across += np.arange(width, dtype=np.float32)
    down += np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def smooth_noise(height: int, width: int, sigma: float, rng: np.random.Generator) -> Floats:
    """float32 [height, width]: uniform noise in -1..1, blurred by `sigma` pixels, its borders reflected."""
    noise = rng.random((height, width), dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(2)
    weights = gaussian_weights(sigma, 3.0)
    if len(weights) // 2 <= min(_WIDEST_FILTER, height - 1, width - 1):
        return np.asarray(cv2.sepFilter2D(noise, cv2.CV_32F, weights, weights, borderType=cv2.BORDER_REFLECT))
    return np.asarray(_smoothing_matrix(height, sigma) @ noise @ _smoothing_matrix(width, sigma).T, np.float32)


@functools.lru_cache(maxsize=16)
def _smoothing_matrix(side: int, sigma: float) -> npt.NDArray[np.float32]:
    # [side, side]: the Gaussian as a matrix, its tails folded back at both borders as often as it takes.
    weights = gaussian_weights(sigma, 3.0)
    radius = len(weights) // 2
    place = np.arange(side)[:, None] + np.arange(-radius, radius + 1)
    folded = place % (2 * side)
    folded = np.where(folded < side, folded, 2 * side - 1 - folded)
    matrix = np.zeros((side, side))
    np.add.at(matrix, (np.arange(side)[:, None], folded), weights)
    return matrix.astype(np.float32)

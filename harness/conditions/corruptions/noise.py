"""Noise: sensor and transmission faults, independent at every value.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.arithmetic import lookup, normal_quantiles, random_words, truncate
from seatrial.harness.conditions.corruptions.registry import Pixels, corruption

_POISSON_BITS = 12


@corruption(
    "noise",
    {
        224: (0.08, 0.12, 0.18, 0.26, 0.38),
        64: (0.04, 0.08, 0.12, 0.15, 0.18),
        32: (0.04, 0.06, 0.08, 0.09, 0.10),
    },
)
def gaussian_noise(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Adds normal noise of standard deviation `sigma` (of 1.0 = 255) to every value; clipped, truncated.

    Truncating image + noise is adding the noise's floor, so all is done in integers.
    """
    noise = lookup(_normal_levels(sigma), random_words(rng, image.shape))
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U))


@functools.lru_cache(maxsize=32)
def _normal_levels(sigma: float) -> npt.NDArray[np.int16]:
    levels: npt.NDArray[np.int16] = np.floor(normal_quantiles() * (255 * sigma)).astype(np.int16)
    return levels


@corruption(
    "noise",
    {
        224: (60, 25, 12, 5, 3),
        64: (250, 100, 50, 30, 15),
        32: (500, 250, 100, 75, 50),
    },
)
def shot_noise(image: Pixels, photons: float, rng: np.random.Generator) -> Pixels:
    """Counts photons: x becomes Poisson(x * photons) / photons, x in 0..1; clipped, truncated."""
    index = image.astype(np.uint32)
    index <<= _POISSON_BITS
    index |= random_words(rng, image.shape) >> (16 - _POISSON_BITS)
    return np.take(poisson_levels(photons), index)


@functools.lru_cache(maxsize=32)
def poisson_levels(photons: float) -> npt.NDArray[np.uint8]:
    """uint8 [256 * 4096]: for every grey level, the levels of 4096 quantiles of its Poisson distribution."""
    steps = 1 << _POISSON_BITS
    middles = (np.arange(steps) + 0.5) / steps
    levels = np.zeros((256, steps), np.uint8)
    most = int(photons + 10 * math.sqrt(photons) + 10)
    counts = np.arange(most + 1)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    # Truncated after clipping; the guard keeps counts that stand for a whole level from falling below it.
    values = np.minimum(counts / photons, 1) * 255 + 1e-9
    for level in range(1, 256):
        mean = level / 255 * photons
        cumulated = np.cumsum(np.exp(counts * math.log(mean) - mean - log_factorials))
        found = np.minimum(np.searchsorted(cumulated, middles), most)
        levels[level] = values[found].astype(np.uint8)
    return levels.reshape(-1)


@corruption(
    "noise",
    {
        224: (0.03, 0.06, 0.09, 0.17, 0.27),
        64: (0.01, 0.02, 0.05, 0.08, 0.14),
        32: (0.01, 0.02, 0.03, 0.05, 0.07),
    },
)
def impulse_noise(image: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    """Salt and pepper: every value turns 0 or 255 with probability `amount` / 2 each.

    The same as scikit-image's random_noise, mode "s&p".
    """
    draw = random_words(rng, image.shape)
    half = round(amount * 32768)
    salted = cv2.max(image, (draw < half).view(np.uint8) * np.uint8(255))
    return np.asarray(cv2.min(salted, (draw < 65536 - half).view(np.uint8) * np.uint8(255)))


@corruption(
    "noise",
    {
        224: (0.15, 0.20, 0.35, 0.45, 0.60),
        64: (0.15, 0.20, 0.25, 0.30, 0.35),
        32: (0.06, 0.10, 0.12, 0.16, 0.20),
    },
)
def speckle_noise(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Multiplies every value by 1 + normal noise of standard deviation `sigma`; clipped, truncated."""
    noisy = lookup(_normal_factors(sigma), random_words(rng, image.shape))
    noisy *= image
    return truncate(noisy)


@functools.lru_cache(maxsize=32)
def _normal_factors(sigma: float) -> npt.NDArray[np.float32]:
    factors: npt.NDArray[np.float32] = (1 + normal_quantiles() * sigma).astype(np.float32)
    return factors

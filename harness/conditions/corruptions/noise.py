"""Noise: sensor and transmission faults, independent at every value.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import numpy as np

from harness.conditions.corruptions.registry import Pixels, corruption


@corruption(
    "noise",
    {
        224: (0.08, 0.12, 0.18, 0.26, 0.38),
        64: (0.04, 0.08, 0.12, 0.15, 0.18),
        32: (0.04, 0.06, 0.08, 0.09, 0.10),
    },
)
def gaussian_noise(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Adds normal noise of standard deviation `sigma` (of 1.0 = 255) to every value; clipped, truncated."""
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= np.float32(255 * sigma)
    noisy += image
    np.clip(noisy, 0, 255, out=noisy)
    return noisy.astype(np.uint8)


@corruption(
    "noise",
    {
        224: (0.03, 0.06, 0.09, 0.17, 0.27),
        64: (0.01, 0.02, 0.05, 0.08, 0.14),
        32: (0.01, 0.02, 0.03, 0.05, 0.07),
    },
)
def impulse_noise(image: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    """Salt and pepper: every value turns 0 or 255 with probability `amount` / 2 each (scikit-image's random_noise,
    "s&p").
    """
    draw = rng.random(image.shape, dtype=np.float32)
    noisy = image.copy()
    noisy[draw < amount] = 255
    noisy[draw < amount / 2] = 0
    return noisy

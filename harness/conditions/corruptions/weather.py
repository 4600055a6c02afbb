"""Weather: what light and sky do to a photograph.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from harness.conditions.corruptions.registry import Pixels, corruption


@corruption(
    "weather",
    {
        224: (0.1, 0.2, 0.3, 0.4, 0.5),
        64: (0.1, 0.2, 0.3, 0.4, 0.5),
        32: (0.05, 0.1, 0.15, 0.2, 0.3),
    },
)
def brightness(image: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    """Raises the value V of HSV by `amount`, up to 1, at the same hue and saturation.

    At constant H and S, a channel c of a pixel whose largest is v becomes c * v' / v: a function of (v, c), looked up.
    """
    table = _brightened(amount)
    value = image.max(axis=2)
    index = value.astype(np.uint16) << 8
    raised: Pixels = table[index[..., None] | image]
    return raised


@functools.lru_cache(maxsize=32)
def _brightened(amount: float) -> npt.NDArray[np.uint8]:
    # uint8 [65536], indexed by 256 * v + c. The order of the float64 operations is the one of the HSV round trip
    # (s = (v - c) / v, then v' * (1 - s)), so that values which land on an integer are truncated the same way.
    value, channel = np.divmod(np.arange(65536), 256)
    v, c = value / 255.0, channel / 255.0
    saturation = np.divide(v - c, v, out=np.zeros_like(v), where=v > 0)
    raised = np.clip(v + amount, 0, 1)
    table: npt.NDArray[np.uint8] = (np.clip(raised * (1 - saturation), 0, 1) * 255).astype(np.uint8)
    return table

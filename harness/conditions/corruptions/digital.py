"""Digital: what storing and scaling do to a photograph.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from harness.conditions.corruptions.registry import Pixels, corruption


@corruption(
    "digital",
    {
        224: (0.6, 0.5, 0.4, 0.3, 0.25),
        64: (0.9, 0.8, 0.7, 0.6, 0.5),
        32: (0.95, 0.9, 0.85, 0.75, 0.65),
    },
)
def pixelate(image: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    """Shrinks both sides to int(side * factor) with a box filter, and enlarges again with a box filter."""
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize(
        (max(1, int(width * factor)), max(1, int(height * factor))), Image.Resampling.BOX
    )
    return np.asarray(small.resize((width, height), Image.Resampling.BOX))


@corruption(
    "digital",
    {
        224: (25, 18, 15, 10, 7),
        64: (65, 58, 50, 40, 25),
        32: (80, 65, 58, 50, 40),
    },
)
def jpeg_compression(image: Pixels, quality: int, rng: np.random.Generator) -> Pixels:
    """Writes a JPEG of that quality (Pillow, 4:2:0) and reads it back."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded)

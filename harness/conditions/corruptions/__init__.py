"""ImageNet-C's corruptions: pure functions of a uint8 image, a severity and a random generator."""

from __future__ import annotations

import math

import numpy as np

import harness.conditions.corruptions.digital
import harness.conditions.corruptions.noise
import harness.conditions.corruptions.weather  # noqa: F401  (a family's module registers its corruptions)
from harness.conditions.corruptions.registry import CORRUPTIONS, SCALES, SEVERITIES, Corruption, Pixels
from shipcheck.errors import UsageError

# ImageNet-C's own order: the fifteen of mCE, then the four held out.
_CANONICAL = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    *("speckle_noise", "gaussian_blur", "spatter", "saturate"),
)

__all__ = ["CORRUPTIONS", "SCALES", "SEVERITIES", "Corruption", "corrupt", "names", "scale_for"]


def corrupt(image: Pixels, name: str, severity: int, *, rng: np.random.Generator, scale: int | None = None) -> Pixels:
    """Corrupts one image.

    image: uint8 [H, W, 3], RGB, left as it is. severity: 1 to 5. scale: 224, 64 or 32, the table of constants to use;
    None takes the one of `scale_for`. Returns uint8 [H, W, 3]. Raises UsageError for an unknown name, severity or
    scale, ValueError for another array.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    if severity not in SEVERITIES:
        raise UsageError(f"Severity {severity} does not exist; there are 1 to 5.")
    if scale is None:
        scale = scale_for(image.shape[0], image.shape[1])
    elif scale not in SCALES:
        raise UsageError(f"There are no constants for {scale} px; there are for {', '.join(map(str, SCALES))}.")
    chosen = CORRUPTIONS[name]
    return chosen.apply(image, chosen.table[scale][severity - 1], rng)


def names() -> list[str]:
    """The registered corruptions in ImageNet-C's order; others follow by name."""
    return sorted(CORRUPTIONS, key=lambda name: (name not in _CANONICAL, (*_CANONICAL, name).index(name), name))


def scale_for(height: int, width: int) -> int:
    """The table of constants for an image: the one of 224, 64 and 32 px whose ratio to the short side is nearest to 1.

    The borders are therefore at the geometric means, 45.3 and 119.7 px.
    """
    short = min(height, width)
    return min(SCALES, key=lambda scale: abs(math.log(short / scale)))

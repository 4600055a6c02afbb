"""ImageNet-C's corruptions: pure functions of a uint8 image, a severity and a random generator."""

from __future__ import annotations

import math

import cv2
import numpy as np

import seatrial.harness.conditions.corruptions.blur
import seatrial.harness.conditions.corruptions.digital
import seatrial.harness.conditions.corruptions.noise
import seatrial.harness.conditions.corruptions.weather  # noqa: F401  (a family's module registers its corruptions)
from seatrial.errors import UsageError
from seatrial.harness.conditions.corruptions.frost_textures import describe_textures, using_frost_textures
from seatrial.harness.conditions.corruptions.registry import CORRUPTIONS, SCALES, SEVERITIES, Corruption, Pixels

# ImageNet-C's own order: the fifteen of mCE, then the four held out.
MCE_CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
HELD_OUT = ("speckle_noise", "gaussian_blur", "spatter", "saturate")

__all__ = [
    "CORRUPTIONS",
    "HELD_OUT",
    "MCE_CORRUPTIONS",
    "SCALES",
    "SEVERITIES",
    "Corruption",
    "corrupt",
    "describe_textures",
    "names",
    "scale_for",
    "using_frost_textures",
]


def corrupt(image: Pixels, name: str, severity: int, *, rng: np.random.Generator, scale: int | None = None) -> Pixels:
    """Corrupts one image.

    image: uint8 [H, W, 3], RGB, or one gray channel, [H, W] or [H, W, 1]; it is left as it is. severity: 1 to 5.
    scale: 224, 64 or 32, the table of constants to use; None takes the one of `scale_for`. Returns uint8 of the image's
    shape. Raises UsageError for an unknown name, severity or scale, ValueError for another array.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)) or not image.size:
        raise ValueError(f"expected uint8 [H, W, 3], [H, W, 1] or [H, W], got {image.dtype} {list(image.shape)}")
    if severity not in SEVERITIES:
        raise UsageError(f"Severity {severity} does not exist; there are 1 to 5.")
    if scale is None:
        scale = scale_for(image.shape[0], image.shape[1])
    elif scale not in SCALES:
        raise UsageError(f"There are no constants for {scale} px; there are for {', '.join(map(str, SCALES))}.")
    chosen = CORRUPTIONS[name]
    colours = image if image.shape[2:] == (3,) else np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    corrupted = chosen.apply(colours, chosen.table[scale][severity - 1], rng)
    return corrupted if image.shape[2:] == (3,) else _gray(corrupted, chosen.family).reshape(image.shape)


def names() -> list[str]:
    """The registered corruptions in ImageNet-C's order; others follow by name."""
    order = (*MCE_CORRUPTIONS, *HELD_OUT)
    return sorted(CORRUPTIONS, key=lambda name: (name not in order, (*order, name).index(name), name))


def scale_for(height: int, width: int) -> int:
    """The table of constants for an image: the one of 224, 64 and 32 px whose ratio to the short side is nearest to 1.

    The borders are therefore at the geometric means, 45.3 and 119.7 px.
    """
    short = min(height, width)
    return min(SCALES, key=lambda scale: abs(math.log(short / scale)))


def _gray(image: Pixels, family: str) -> Pixels:
    # A sensor with one channel has the noise of one; elsewhere colour is what a gray camera makes of it (ITU-R 601).
    return image[..., 0] if family == "noise" else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))

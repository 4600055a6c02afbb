"""Digital: what processing, storing and scaling do to a photograph.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from seatrial.harness.conditions.corruptions.arithmetic import (
    as_float,
    as_words,
    four_channels,
    from_words,
    lookup,
    truncate,
)
from seatrial.harness.conditions.corruptions.elastic import displaced, jittered
from seatrial.harness.conditions.corruptions.registry import Pixels, corruption

# The original's unit for elastic at 224 px is 244: a slip of the pen that shapes the published images.
_L = 244


@corruption(
    "digital",
    {
        224: (0.4, 0.3, 0.2, 0.1, 0.05),
        64: (0.4, 0.3, 0.2, 0.1, 0.05),
        32: (0.75, 0.5, 0.4, 0.3, 0.15),
    },
)
def contrast(image: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    """Shrinks every channel's distance from its mean by `factor`; clipped, truncated."""
    means = np.array(cv2.mean(image)[:3]) / 255
    levels = np.arange(256)[:, None] / 255
    table = (np.clip((levels - means) * factor + means, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(1, 256, 3)))


@corruption(
    "digital",
    {
        224: (
            (2 * _L, 0.7 * _L, 0.1 * _L),
            (2 * _L, 0.08 * _L, 0.2 * _L),
            (0.05 * _L, 0.01 * _L, 0.02 * _L),
            (0.07 * _L, 0.01 * _L, 0.02 * _L),
            (0.12 * _L, 0.01 * _L, 0.02 * _L),
        ),
        64: (
            (0, 0, 0.08 * 64),
            (0.05 * 64, 0.3 * 64, 0.06 * 64),
            (0.1 * 64, 0.08 * 64, 0.06 * 64),
            (0.1 * 64, 0.03 * 64, 0.03 * 64),
            (0.16 * 64, 0.03 * 64, 0.02 * 64),
        ),
        32: (
            (0, 0, 0.08 * 32),
            (0.05 * 32, 0.2 * 32, 0.07 * 32),
            (0.08 * 32, 0.06 * 32, 0.06 * 32),
            (0.1 * 32, 0.04 * 32, 0.05 * 32),
            (0.1 * 32, 0.03 * 32, 0.03 * 32),
        ),
    },
)
def elastic_transform(image: Pixels, constant: tuple[float, float, float], rng: np.random.Generator) -> Pixels:
    """Distorts: strength and smoothness of the displacement, jitter of the affine map before it, all in pixels."""
    strength, smoothness, jitter = constant
    distorted = displaced(jittered(four_channels(image), jitter, rng), strength, smoothness, rng)
    return np.asarray(cv2.cvtColor(truncate(distorted), cv2.COLOR_RGBA2RGB))


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
    down, across = _box_places(small.height, height), _box_places(small.width, width)
    if down is None or across is None:
        return np.asarray(small.resize((width, height), Image.Resampling.BOX))
    return from_words(as_words(np.asarray(small)).take(across, axis=1).take(down, axis=0))


@functools.lru_cache(maxsize=1024)
def _box_places(small: int, large: int) -> npt.NDArray[np.intp] | None:
    # Enlarging with a box copies pixels: which one each new pixel is; None where the middle of a new pixel falls
    # between two old ones, which Pillow then mixes.
    ramp = Image.fromarray(np.arange(small, dtype=np.float32)[None])
    places = np.asarray(ramp.resize((large, 1), Image.Resampling.BOX))[0]
    whole = places.astype(np.intp)
    return whole if np.array_equal(places, whole) else None


@corruption(
    "digital",
    {
        224: (25, 18, 15, 10, 7),
        64: (65, 58, 50, 40, 25),
        32: (80, 65, 58, 50, 40),
    },
)
def jpeg_compression(image: Pixels, quality: int, rng: np.random.Generator) -> Pixels:
    """Writes a JPEG of that quality (4:2:0) and reads it back: by OpenCV, with libjpeg-turbo as Pillow."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))


@corruption(
    "digital",
    {
        224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    },
)
def saturate(image: Pixels, constant: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Turns HSV's saturation s into s * constant[0] + constant[1], up to 1, at the same hue and value.

    At constant H and V, a channel c of a pixel with largest v and smallest u becomes v - k (v - c), where k = s' / s
    depends on (v, u) alone and is looked up. A gray pixel has no hue: HSV calls it red.
    """
    red, green, blue = cv2.split(image)
    value, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    ratio = lookup(_saturation_ratio(*constant), cv2.merge([least, value]).view("<u2")[..., 0].astype(np.uint16))
    top = as_float(value)
    planes = [top - ratio * cv2.subtract(top, as_float(channel)) for channel in (red, green, blue)]
    if constant[1]:
        gray = value == least
        for plane in planes[1:]:
            plane[gray] = top[gray] * np.float32(1 - constant[1])
    return truncate(np.asarray(cv2.merge(planes), np.float32))


@functools.lru_cache(maxsize=32)
def _saturation_ratio(factor: float, offset: float) -> npt.NDArray[np.float32]:
    # float32 [65536], indexed by 256 * v + u; 0 where v = u.
    value, least = np.divmod(np.arange(65536), 256)
    coloured = value > least
    saturation = np.divide(value - least, value, out=np.zeros(65536), where=coloured)
    changed = np.clip(saturation * factor + offset, 0, 1)
    ratio: npt.NDArray[np.float32] = np.divide(changed, saturation, out=np.zeros(65536), where=coloured)
    return ratio.astype(np.float32)

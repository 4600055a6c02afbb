"""Weather: what sky, light and water do to a photograph.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.arithmetic import (
    Floats,
    as_float,
    lookup,
    normal_quantiles,
    per_channel,
    random_angle,
    random_words,
    scaled,
    truncate,
)
from seatrial.harness.conditions.corruptions.exact import enlarged, smoothed
from seatrial.harness.conditions.corruptions.frost_textures import random_crop
from seatrial.harness.conditions.corruptions.motion import motion_blurred
from seatrial.harness.conditions.corruptions.plasma import plasma
from seatrial.harness.conditions.corruptions.registry import Pixels, corruption
from seatrial.harness.ipp import without_ipp

_WATER = (175.0, 238.0, 238.0)  # pale turquoise, RGB
_MUD = (63.0, 42.0, 20.0)  # brown, RGB
_GRAY = (0.299, 0.587, 0.114)  # ITU-R 601, RGB
# Noise is kept in steps of 1/8 level and enlarged at places in steps of 1/64 px.
_FLAKE_STEPS, _FLAKE_BITS = 8, 6
# Steps of 1.0 in which the liquid's noise is kept, and the bits that this takes.
_LIQUID_STEPS, _LIQUID_BITS = 1 << 14, 17


@corruption(
    "weather",
    {
        224: (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        64: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        32: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    },
)
def snow(
    image: Pixels, constant: tuple[float, float, float, float, float, float, float], rng: np.random.Generator
) -> Pixels:
    """Pales the image towards white and lays blown flakes over it.

    constant: mean and deviation of the flakes' noise, its enlargement, the threshold of a flake, radius and sigma of
    the motion blur at -135 to -45 degrees, weight of the image against its paled copy.
    """
    mean, deviation, enlargement, threshold, radius, sigma, weight = constant
    steps = 255 * _FLAKE_STEPS
    flakes = enlarged(_normal_field(image.shape[:2], mean, deviation, steps, rng), enlargement, _FLAKE_BITS)
    flakes[flakes < threshold * steps] = 0
    flakes *= np.float32(1 / _FLAKE_STEPS)
    layer = motion_blurred(truncate(flakes), radius, sigma, angle=random_angle(rng, -135, 90))
    twice = as_float(layer) + as_float(layer[::-1, ::-1])
    red, green, blue = (scaled(image[..., channel], 1.5 * share) for channel, share in enumerate(_GRAY))
    paled = red + green + blue
    paled += np.float32(127.5)

    def under_snow(plane: Pixels, _: int) -> Pixels:
        snowed = np.maximum(as_float(plane), paled)
        snowed *= np.float32(1 - weight)
        snowed += scaled(plane, weight)
        snowed += twice
        return truncate(snowed)

    return per_channel(image, under_snow)


@corruption(
    "weather",
    {
        224: ((1, 0.4, 1.0), (0.8, 0.6, 1.0), (0.7, 0.7, 1.0), (0.65, 0.7, 1.0), (0.6, 0.75, 1.0)),
        64: ((1, 0.3, 0.3), (0.9, 0.4, 0.3), (0.8, 0.45, 0.3), (0.75, 0.5, 0.3), (0.7, 0.55, 0.3)),
        32: ((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
    },
)
def frost(image: Pixels, constant: tuple[float, float, float], rng: np.random.Generator) -> Pixels:
    """Adds a random part of one of five frost textures: weights of image and texture, and the texture's shrinking."""
    weight, texture_weight, shrink = constant
    texture = random_crop(image.shape[0], image.shape[1], shrink, rng)
    return truncate(scaled(image, weight) + scaled(texture, texture_weight))


@corruption(
    "weather",
    {
        224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    },
)
def fog(image: Pixels, constant: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Adds a plasma fractal of `constant[0]` at most, decaying by `constant[1]`, and scales back to the image's
    maximum.
    """
    strength, decay = constant
    height, width = image.shape[:2]
    side = max(2, 1 << (max(height, width) - 1).bit_length())
    haze = plasma(side, decay, rng)[:height, :width]
    brightest = int(image.max()) / 255
    shrink = brightest / (brightest + strength)
    haze *= np.float32(255 * strength * shrink)
    return per_channel(image, lambda plane, _: truncate(scaled(plane, shrink) + haze))


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
    red, green, blue = cv2.split(image)
    value = cv2.max(cv2.max(red, green), blue)
    # Six bytes a pixel, (red, v, green, v, blue, v), are three 16-bit indices 256 * v + c.
    index = cv2.merge([red, value, green, value, blue, value]).view("<u2").astype(np.uint16, copy=False)
    return lookup(_brightened(amount), index)


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


@corruption(
    "weather",
    {
        224: (
            (0.65, 0.3, 4, 0.69, 0.6, False),
            (0.65, 0.3, 3, 0.68, 0.6, False),
            (0.65, 0.3, 2, 0.68, 0.5, False),
            (0.65, 0.3, 1, 0.65, 1.5, True),
            (0.67, 0.4, 1, 0.65, 1.5, True),
        ),
        64: (
            (0.62, 0.1, 0.7, 0.7, 0.6, False),
            (0.65, 0.1, 0.8, 0.7, 0.6, False),
            (0.65, 0.3, 1, 0.69, 0.6, False),
            (0.65, 0.1, 0.7, 0.68, 0.6, True),
            (0.65, 0.1, 0.5, 0.67, 0.6, True),
        ),
        32: (
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
    },
)
def spatter(
    image: Pixels, constant: tuple[float, float, float, float, float, bool], rng: np.random.Generator
) -> Pixels:
    """Drops of water or mud on the lens.

    constant: mean and deviation of the liquid's noise, its smoothing, the threshold of a drop, then the water's
    strength or the mud's smoothing, and which of the two.
    """
    mean, deviation, smoothing, threshold, last, is_mud = constant
    noise = _normal_field(image.shape[:2], mean, deviation, _LIQUID_STEPS, rng)
    liquid = _smooth(noise, smoothing, _LIQUID_BITS)
    dry = liquid < threshold * _LIQUID_STEPS
    if is_mud:
        cover = _smooth(~dry, last, 1).astype(np.float32)
        cover[cover < 0.8] = 0
        free = 1 - cover
        return per_channel(image, lambda plane, index: truncate(plane * free + cover * np.float32(_MUD[index])))
    liquid[dry] = 0
    with without_ipp():  # its distances to an edge end in other digits
        sheen = _sheen(truncate((liquid * (255 / _LIQUID_STEPS)).astype(np.float32)))
    strongest = float(sheen.max())
    if strongest == 0:  # no drop at all
        return image.copy()
    sheen *= np.float32(last / strongest)
    return per_channel(image, lambda plane, index: truncate(sheen * np.float32(_WATER[index]) + plane))


def _smooth(field: npt.NDArray[Any], sigma: float, bits: int) -> npt.NDArray[np.float64]:
    return smoothed(field, sigma, bits=bits, truncate_at=4.0, border=cv2.BORDER_REPLICATE)


def _sheen(liquid: Pixels) -> Floats:
    # Light gathers along the drops' edges: distance to the edge, equalised, embossed, smoothed.
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(distance, np.float32(20)), (3, 3)).astype(np.uint8)
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    embossed = cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, emboss)
    return as_float(liquid) * cv2.blur(embossed, (3, 3))


def _normal_field(
    shape: tuple[int, ...], mean: float, deviation: float, steps: int, rng: np.random.Generator
) -> Floats:
    """Normal noise in whole numbers of 1 / `steps`."""
    return np.asarray(lookup(_shifted_quantiles(mean, deviation, steps), random_words(rng, shape)))


@functools.lru_cache(maxsize=32)
def _shifted_quantiles(mean: float, deviation: float, steps: int) -> Floats:
    quantiles: Floats = np.rint((normal_quantiles() * deviation + mean) * steps).astype(np.float32)
    return quantiles

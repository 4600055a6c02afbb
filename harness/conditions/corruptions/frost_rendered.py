"""Five frost textures of our own, for use where ImageNet-C's photographs are not at hand.

A drawing (frost_crystals) gives the look. Its brightness is then shaped until the numbers of a recipe hold: radial
power spectrum, percentiles, gradients over the whole texture, colour. The numbers were measured on ImageNet-C's
photographs, the spectra then adjusted until random crops agree with those of the photographs;
tests/unit/harness/conditions/test_frost_rendered.py checks how closely.

Cosine transforms, tanh and the like end in other digits on another processor, so that what is used are the files beside
this one, which `python -m harness.conditions.corruptions.frost_rendered` wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from seatrial.harness.conditions.corruptions.arithmetic import Floats
from seatrial.harness.conditions.corruptions.frost_crystals import Drawing, blades, creases, droplets, ferns
from seatrial.harness.conditions.corruptions.frost_textures import texture_file
from seatrial.harness.conditions.corruptions.registry import Pixels

# Where spectra are given: cycles per pixel x 32, so that 16 is the highest frequency along a row.
_KNOTS = np.array([0.03, 0.07, 0.15, 0.3, 0.6, 1, 1.6, 2.5, 4, 6, 8, 10.5, 13, 16, 19, 22])
# The steps in which a spectrum is changed, from below the lowest frequency of a texture to the highest.
_OCTAVES = np.linspace(-7, 4.6, 512)
_FREQUENCIES = 2**_OCTAVES
# Where histograms are given, in percent.
_PERCENT = np.array([0, 0.5, 2, 5, 15, 30, 50, 70, 85, 95, 98, 99.5, 100])
_SAMPLED = 5  # one value in so many is enough for a percentile
_ROUNDS = 3


@dataclass(frozen=True)
class Component:
    """One direction in colour space and what the texture does along it; all in grey levels."""

    colour: tuple[float, float, float]  # RGB, unit length
    deviation: float
    power: tuple[float, ...]  # log10 of the mean square of the orthonormal cosine transform, at _KNOTS
    percentiles: tuple[float, ...]  # of (value - mean) / deviation, at _PERCENT
    gradients: tuple[float, ...] = (0, 0, 0, 0, 0)  # of y, x, y^2 - 1/3, x^2 - 1/3, x y; y and x from -1 to 1


@dataclass(frozen=True)
class Recipe:
    """What one texture is made of."""

    height: int
    width: int
    drawing: Drawing
    seed: int
    mean: tuple[float, float, float]
    light: Component
    tint: Component


_SHEET = Recipe(
    height=600,
    width=900,
    drawing=creases,
    seed=5,
    mean=(77.7, 149.1, 165.7),
    light=Component(
        colour=(0.795, 0.481, 0.368),
        deviation=32.48,
        power=(6.87, 7.12, 5.92, 5.08, 4.57, 3.84, 3.35, 3.07, 2.93, 2.84, 2.7, 2.5, 2.18, 1.83, 1.38, 1.03),
        percentiles=(-2.52, -1.88, -1.67, -1.44, -1.03, -0.62, -0.12, 0.46, 1.07, 1.84, 2.34, 2.92, 4.82),
        gradients=(-12, 1, 13, -2, -3),
    ),
    tint=Component(
        colour=(-0.57, 0.388, 0.724),
        deviation=13.22,
        power=(5.9, 6.28, 5.53, 4.54, 3.73, 3.11, 2.66, 2.4, 2.2, 2.08, 1.93, 1.7, 1.37, 1, 0.52, 0.17),
        percentiles=(-2.71, -1.81, -1.56, -1.36, -1.04, -0.69, -0.15, 0.52, 1.16, 1.78, 2.21, 2.78, 3.88),
        gradients=(3, -1, 3, 2, -3),
    ),
)
_BLADES = Recipe(
    height=316,
    width=560,
    drawing=blades,
    seed=5,
    mean=(200.8, 205.4, 214.5),
    light=Component(
        colour=(0.56, 0.58, 0.592),
        deviation=38.05,
        power=(7.04, 7.13, 5.51, 5.04, 4.61, 4.4, 4.17, 3.8, 3.36, 3.13, 2.85, 2.6, 2.23, 1.78, 1.25, 0.55),
        percentiles=(-6.83, -3.48, -2.53, -1.86, -1, -0.39, 0.16, 0.6, 0.96, 1.34, 1.58, 1.85, 2.12),
        gradients=(-36, -20, 2, 30, -7),
    ),
    tint=Component(
        colour=(-0.688, -0.073, 0.722),
        deviation=2.2,
        power=(2.4, 4.47, 3.78, 2.96, 2.54, 2.14, 1.8, 1.35, 0.82, 0.33, -0.05, -0.4, -0.69, -0.99, -1.19, -1.27),
        percentiles=(-11.04, -3.64, -2.47, -1.78, -1.04, -0.37, 0.19, 0.53, 0.95, 1.34, 1.58, 1.91, 4.04),
    ),
)
_PANE = Recipe(
    height=350,
    width=528,
    drawing=droplets,
    seed=24,
    mean=(137.6, 152.8, 165.2),
    light=Component(
        colour=(0.568, 0.569, 0.595),
        deviation=50.04,
        power=(6.93, 7.36, 5.62, 4.9, 4.65, 4.46, 4.26, 3.96, 3.69, 3.45, 3.26, 3.03, 2.69, 2.28, 1.74, 1.47),
        percentiles=(-4.45, -2.78, -2.08, -1.66, -0.96, -0.48, 0.01, 0.46, 0.94, 1.62, 2.29, 3.18, 3.52),
        gradients=(-20, -1, 21, -95, -1),
    ),
    tint=Component(
        colour=(-0.501, -0.335, 0.798),
        deviation=2.89,
        power=(4.09, 3.79, 3.32, 2.79, 2.54, 2.28, 2.15, 1.87, 1.51, 1.12, 0.66, 0.43, 0.18, -0.04, -0.5, -0.57),
        percentiles=(-7.84, -3.5, -2.1, -1.52, -0.99, -0.42, 0.14, 0.49, 0.82, 1.37, 2.05, 3.12, 7.35),
    ),
)
_FERNS = Recipe(
    height=496,
    width=660,
    drawing=ferns,
    seed=9,
    mean=(112.4, 123.4, 134.8),
    light=Component(
        colour=(0.595, 0.579, 0.558),
        deviation=74.67,
        power=(8.03, 7.34, 6.11, 5.66, 5.52, 5.15, 4.7, 4.32, 3.96, 3.63, 3.36, 3.14, 2.95, 2.84, 2.66, 2.57),
        percentiles=(-2.27, -1.9, -1.7, -1.47, -1.04, -0.6, -0.1, 0.47, 1.06, 1.85, 2.36, 2.86, 3.05),
        gradients=(-63, -1, 66, 46, -15),
    ),
    tint=Component(
        colour=(-0.667, -0.032, 0.744),
        deviation=2.06,
        power=(4.94, 3.77, 3.07, 2.71, 2.4, 2.02, 1.66, 1.27, 0.9, 0.54, 0.26, 0, -0.18, -0.32, -0.52, -0.62),
        percentiles=(-6.5, -3.79, -2.65, -1.88, -0.94, -0.32, 0.16, 0.56, 0.91, 1.33, 1.61, 2.01, 3.76),
    ),
)
# ImageNet-C's second and third photographs are the same one; here they differ, with equal numbers.
_RECIPES = (_SHEET, _BLADES, replace(_BLADES, seed=9), _PANE, _FERNS)


def render_texture(index: int) -> Pixels:
    """The texture of that index, 0 to 4: uint8 [H, W, 3], RGB, the same at every call on one machine.

    The sides are those of ImageNet-C's photograph of the same index to a pixel. Raises IndexError for another index.
    """
    if index < 0:
        raise IndexError(f"there is no frost texture {index}")
    return _rendered(_RECIPES[index])


def _rendered(recipe: Recipe) -> Pixels:
    drawn = recipe.drawing(np.random.Generator(np.random.PCG64(recipe.seed)), recipe.height, recipe.width)
    pixels = np.full((recipe.height, recipe.width, 3), recipe.mean, np.float32)
    for values, component in zip(drawn, (recipe.light, recipe.tint), strict=True):
        pixels += _shaped(values, component)[..., None] * np.array(component.colour, np.float32)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _shaped(values: Floats, component: Component) -> Floats:
    # The three demands disturb each other a little, hence the rounds.
    rings = _rings(*values.shape)
    for _ in range(_ROUNDS):
        values = _with_spectrum(values, component, rings)
        values = _with_gradients(values, component)
        values = _with_percentiles(values, component)
    values -= values.mean()
    return values * np.float32(component.deviation / values.std())


def _rings(height: int, width: int) -> npt.NDArray[np.int16]:
    """[height, width]: for every coefficient of a cosine transform, the index of its frequency in _FREQUENCIES."""
    down = np.arange(height, dtype=np.float32)[:, None] * np.float32(16 / height)
    across = np.arange(width, dtype=np.float32) * np.float32(16 / width)
    octaves = np.log2(np.maximum(down * down + across * across, np.float32(1e-9))) / 2
    steps = np.rint((octaves - np.float32(_OCTAVES[0])) / np.float32(_OCTAVES[1] - _OCTAVES[0]))
    rings: npt.NDArray[np.int16] = np.clip(steps, 0, len(_OCTAVES) - 1).astype(np.int16)
    return rings


def _with_spectrum(values: Floats, component: Component, rings: npt.NDArray[np.int16]) -> Floats:
    coefficients = np.asarray(cv2.dct(values), np.float32)
    coefficients[0, 0] = 0
    missing = np.array(component.power) - _knot_power(coefficients, rings)
    gain = 10 ** (np.interp(np.log(_FREQUENCIES), np.log(_KNOTS), missing) / 2)
    coefficients *= gain.astype(np.float32)[rings]
    return np.asarray(cv2.idct(coefficients), np.float32)


def _knot_power(coefficients: Floats, rings: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """log10 of the mean square of the coefficients around each of the knots."""
    flat = rings.ravel()
    power = np.bincount(flat, (coefficients * coefficients).ravel(), len(_OCTAVES))
    # A knot stands for all that is nearer to it than to another, on a logarithmic scale.
    starts = np.concatenate([[0], np.searchsorted(_FREQUENCIES, np.sqrt(_KNOTS[1:] * _KNOTS[:-1]))])
    counts = np.add.reduceat(np.bincount(flat, minlength=len(_OCTAVES)), starts)
    return np.asarray(np.log10(np.add.reduceat(power, starts) / counts))


def _gradient_fields(height: int, width: int) -> tuple[Floats, ...]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return y, x, y * y - np.float32(1 / 3), x * x - np.float32(1 / 3), y * x


def _with_gradients(values: Floats, component: Component) -> Floats:
    values = values - values.mean()
    for field, wanted in zip(_gradient_fields(*values.shape), component.gradients, strict=True):
        found = (values * field).mean() / (field * field).mean()
        values += field * np.float32(wanted - found)
    return values


def _with_percentiles(values: Floats, component: Component) -> Floats:
    own = np.percentile(values.ravel()[::_SAMPLED], _PERCENT)
    return np.interp(values, own, np.array(component.percentiles) * component.deviation).astype(np.float32)


def main() -> None:
    """Writes the textures, without loss."""
    for index in range(len(_RECIPES)):
        Image.fromarray(render_texture(index)).save(texture_file(index), "WEBP", lossless=True, quality=100, method=6)


if __name__ == "__main__":
    main()

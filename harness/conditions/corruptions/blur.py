"""Blur: optics, panes and movement.

Constants: make_imagenet_c.py (224), make_tinyimagenet_c.py (64) and make_cifar_c.py (32) of hendrycks/robustness
@8190fe32.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.arithmetic import (
    as_words,
    four_channels,
    from_words,
    lookup,
    random_angle,
    random_words,
    truncate,
)
from seatrial.harness.conditions.corruptions.exact import Doubles, enlarged, gaussian_levels
from seatrial.harness.conditions.corruptions.motion import motion_blurred
from seatrial.harness.conditions.corruptions.registry import Pixels, corruption

_SMALL = 5  # taps a side
# With these the original's kernel, in OpenCV's float32, sums to a little less than 1, and flat areas lose a level.
_LOSES_A_LEVEL = ((4, 0.5), (6, 0.5))
_ZOOM_BITS = 10  # places are rounded to 1/1024 px, for pixels in halves of 4 bits


@corruption(
    "blur",
    {
        224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    },
)
def defocus_blur(image: Pixels, constant: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Averages over a disk of `constant[0]` pixels radius, its edge smoothed by `constant[1]` pixels."""
    kernel, unit = _disk(*constant)
    # A sum is a whole number of units, give or take what a Fourier transform leaves, which OpenCV takes for large
    # kernels; half a unit more, it is truncated to the same level.
    total: Doubles = np.asarray(cv2.filter2D(image.astype(np.float64), cv2.CV_64F, kernel, delta=0.5), np.float64)
    total *= unit
    return np.clip(total, 0, 255, out=total).astype(np.uint8)


@functools.lru_cache(maxsize=32)
def _disk(radius: float, edge: float) -> tuple[Doubles, float]:
    """The kernel in whole numbers of a unit, and the unit in grey levels."""
    reach, half = (8, 1) if radius <= 8 else (int(radius), 2)
    offsets = np.arange(-reach, reach + 1)
    inside = (offsets**2 + offsets[:, None] ** 2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    samples = [math.exp(-0.5 * (step / edge) ** 2) for step in range(-half, half + 1)]
    weights = [float(np.float32(sample / math.fsum(samples))) for sample in samples]
    blurred = inside.astype(np.float64)
    for _ in range(2):  # along one axis, then along the other
        padded = np.pad(blurred, ((half, half), (0, 0)), "reflect")
        shifted = [weight * padded[step : step + len(offsets)] for step, weight in enumerate(weights)]
        blurred = functools.reduce(np.add, shifted).T
    # float32 as the original's: its rounding decides on which side of a level a flat area comes to lie.
    kernel = blurred.astype(np.float32).astype(np.float64)
    used = np.flatnonzero(kernel.any(axis=0))
    kernel = kernel[used[0] : used[-1] + 1, used[0] : used[-1] + 1]
    # 8 + 40 bits fit into a float64; beside the error of a Fourier transform, 8 + 32.
    bits = 40 if len(kernel) <= _SMALL else 32
    numbers = np.rint(kernel * 2.0**bits)
    if (radius, edge) in _LOSES_A_LEVEL:
        numbers[len(numbers) // 2, len(numbers) // 2] += 2.0**bits - 64 - numbers.sum()
    return numbers, 2.0**-bits


@corruption(
    "blur",
    {
        224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    },
)
def glass_blur(image: Pixels, constant: tuple[float, int, int], rng: np.random.Generator) -> Pixels:
    """Blurs, moves pixels about at random, blurs again: sigma, largest step in pixels, rounds."""
    sigma, step, rounds = constant
    height, width = image.shape[:2]
    pixels = as_words(gaussian_levels(image, sigma))
    source = np.arange(height * width)
    for _ in range(rounds):
        source = source.take(one_round(height, width, step, rng))
    return gaussian_levels(from_words(pixels.take(source).reshape(height, width)), sigma)


def one_round(height: int, width: int, step: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """int [height * width]: from which pixel each pixel's value comes in one round of glass blur."""
    # The original visits the pixels from the last to the first and means to swap each with a neighbour; what its NumPy
    # views really do is copy the neighbour onto it. A neighbour that comes later was visited before and has its new
    # value by then, an earlier one still its old. So a value comes from the end of a chain of later neighbours, whose
    # last link copied an earlier one. All chains are followed at once, by doubling; half of the rest ends with every
    # turn.
    source = np.arange(height * width).reshape(height, width)
    inner = source[step + 1 : height - step + 1, step + 1 : width - step + 1]
    if not inner.size:
        return source.reshape(-1)
    follows = source.copy().reshape(-1)
    offset = lookup(_steps(step, width), random_words(rng, inner.shape))
    linked = inner.reshape(-1).take(np.flatnonzero(offset > 0))
    inner += offset
    flat = source.reshape(-1)
    follows[linked] = flat.take(linked)
    waiting = linked
    while waiting.size:
        before = follows.take(waiting)
        after = follows.take(before)
        follows[waiting] = after
        waiting = waiting.take(np.flatnonzero(after != before))
    result = flat.copy()
    result[linked] = flat.take(follows.take(linked))
    return result


@functools.lru_cache(maxsize=64)
def _steps(step: int, width: int) -> npt.NDArray[np.int32]:
    # int32 [65536]: for 65536 equally likely words, the distances in memory of the (2 step)^2 neighbours.
    choice = np.arange(65536) * (2 * step) ** 2 // 65536
    down, right = np.divmod(choice, 2 * step)
    distances: npt.NDArray[np.int32] = ((down - step) * width + right - step).astype(np.int32)
    return distances


@corruption(
    "blur",
    {
        224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    },
)
def motion_blur(image: Pixels, constant: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """ImageMagick's motion blur (radius, sigma) at an angle from -45 to 45 degrees."""
    return motion_blurred(image, *constant, angle=random_angle(rng, -45, 90))


@corruption(
    "blur",
    {
        224: ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        64: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        32: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    },
)
def zoom_blur(image: Pixels, constant: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Averages the image and its enlargements by np.arange(1, stop, step), the constant being stop and step."""
    stop, step = constant
    # As np.arange computes them; in C, where a processor may fuse the two operations.
    count, step = math.ceil((stop - 1) / step), (1 + step) - 1
    values = four_channels(image)
    total = 2 * values  # the image itself, and its enlargement by 1
    halves = [four_channels(image & np.uint8(part)) for part in (0xF0, 0x0F)]
    for index in range(1, count):
        for half in halves:
            cv2.add(total, enlarged(half, 1 + index * step, _ZOOM_BITS), dst=total)
    total *= np.float32(1 / (count + 1))
    return np.asarray(cv2.cvtColor(truncate(total), cv2.COLOR_RGBA2RGB))


@corruption(
    "blur",
    {
        224: (1, 2, 3, 4, 6),
        64: (0.5, 0.75, 1, 1.25, 1.5),
        32: (0.4, 0.6, 0.7, 0.8, 1),
    },
)
def gaussian_blur(image: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Convolves with a Gaussian of `sigma` pixels, truncated at 4 sigma, the border repeated."""
    return gaussian_levels(image, sigma)

"""Fractal value noise, the base of clouds, leaves, walls, asphalt and dirt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane = npt.NDArray[np.float32]


def fractal(
    rng: np.random.Generator, size: tuple[int, int], cells: float, octaves: int, roughness: float = 0.5
) -> Plane:
    """Return float32 [height, width] noise about 0.5, nearly all of it in [0, 1].

    size: (width, height) in pixels. cells: grid cells along the width in the coarsest octave; each further
    octave doubles them and has `roughness` times the amplitude.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    amplitude, weight = 1.0, 0.0
    for octave in range(octaves):
        step = cells * 2**octave / width
        grid = rng.random((max(2, int(height * step)), max(2, int(width * step))), dtype=np.float32)
        layer = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))
        total += np.float32(amplitude) * layer
        weight += amplitude
        amplitude *= roughness
    return total * np.float32(1.0 / weight)


def ramp(plane: Plane, low: npt.ArrayLike, high: npt.ArrayLike) -> Plane:
    """Map a [height, width] plane to colours [height, width, 3]: 0 becomes `low`, 1 becomes `high`."""
    start = np.asarray(low, np.float32)
    return start + plane[..., None] * (np.asarray(high, np.float32) - start)


def contrast(plane: Plane, middle: float, gain: float) -> Plane:
    """Steepen a plane about `middle` and clip it to [0, 1]; a large gain gives a soft threshold."""
    steep: Plane = np.clip((plane - np.float32(middle)) * np.float32(gain) + np.float32(0.5), 0.0, 1.0)
    return steep

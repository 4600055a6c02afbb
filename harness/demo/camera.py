"""Camera: defocus, motion blur, vignetting, tone curve and sensor noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from seatrial.harness.demo.noise import Plane

Rng = np.random.Generator


def expose(rng: Rng, light: Plane) -> Image.Image:
    """Turn the lit scene, float32 [height, width, 3] in 0..255, into the RGB image a small camera stores."""
    short = min(light.shape[:2])
    pixels = light
    if rng.random() < 0.25:
        pixels = _motion(rng, pixels, short)
    pixels = _vignette(rng, pixels)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    # Relative to the image, so that large and small images are equally hard.
    defocus = short * float(rng.gamma(1.5, 0.0075))
    image = image.filter(ImageFilter.GaussianBlur(min(defocus, 0.034 * short)))
    return _noise(rng, image)


def _motion(rng: Rng, pixels: Plane, short: int) -> Plane:
    """Average shifted copies along a line: the camera moves while the shutter is open."""
    steps = max(2, round(short * rng.uniform(0.015, 0.07)))
    dx, dy = rng.uniform(-1, 1), rng.uniform(-0.5, 0.5)
    longest = max(abs(dx), abs(dy))
    total = np.zeros_like(pixels)
    for i in range(steps):
        shift = (round(i * dy / longest), round(i * dx / longest))
        total += np.roll(pixels, shift, axis=(0, 1))
    return total * np.float32(1 / steps)


def _vignette(rng: Rng, pixels: Plane) -> Plane:
    height, width = pixels.shape[:2]
    depth = np.float32(rng.uniform(0, 0.18))
    rows = np.linspace(-1, 1, height, dtype=np.float32) ** 2
    columns = np.linspace(-1, 1, width, dtype=np.float32) ** 2
    return pixels * (1 - depth * (rows[:, None] + columns[None, :]))[..., None]


def _noise(rng: Rng, image: Image.Image) -> Image.Image:
    """Add read noise and shot noise; the variance of shot noise grows with the signal."""
    pixels = np.asarray(image).astype(np.float32)
    read = np.float32(rng.gamma(1.5, 3.2))
    shot = np.float32(rng.gamma(1.5, 0.25))
    deviation = np.sqrt(read * read + shot * pixels)
    pixels += deviation * rng.standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8))

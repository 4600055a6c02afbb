"""Light: cast shadows, gradients, a low sun, exposure and colour cast."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from seatrial.harness.demo.noise import Plane, contrast, fractal

Rng = np.random.Generator


def illuminate(rng: Rng, scene: Image.Image) -> Plane:
    """Return the lit scene as float32 [height, width, 3], nominally in 0..255 but not clipped."""
    pixels: Plane = np.asarray(scene).astype(np.float32)
    size = scene.size
    if rng.random() < 0.4:
        pixels *= _shadow(rng, size)[..., None]
    if rng.random() < 0.5:
        pixels *= (1 + np.float32(rng.uniform(0.1, 0.45)) * _slope(rng, size))[..., None]
    gain = 2.0 ** float(np.clip(rng.normal(-0.1, 0.55), -1.8, 0.9))
    warmth = rng.normal(0, 0.09)
    cast = np.array([1 + warmth, 1 + rng.normal(0, 0.025), 1 - warmth])
    pixels *= (gain * cast).astype(np.float32)
    if rng.random() < 0.16:
        pixels += _glare(rng, size)
    if rng.random() < 0.12:
        veil = np.float32(rng.uniform(0.15, 0.55))  # mist: everything moves towards a light grey
        pixels += veil * (np.float32(rng.uniform(150, 215)) - pixels)
    return pixels


def _slope(rng: Rng, size: tuple[int, int]) -> Plane:
    """Return a plane that rises from -1 to 1 across the image in a random direction."""
    angle = rng.uniform(0, 2 * math.pi)
    across = np.linspace(-1, 1, size[0], dtype=np.float32) * np.float32(math.cos(angle))
    down = np.linspace(-1, 1, size[1], dtype=np.float32) * np.float32(math.sin(angle))
    plane = across[None, :] + down[:, None]
    plane *= np.float32(1 / (abs(math.cos(angle)) + abs(math.sin(angle))))
    return plane


def _shadow(rng: Rng, size: tuple[int, int]) -> Plane:
    """Return factors for the shadow of a house (one edge) or of a tree (blotches)."""
    depth = np.float32(rng.uniform(0.3, 0.7))
    if rng.random() < 0.5:
        return 1 - depth * contrast(fractal(rng, size, rng.uniform(3, 7), 3), 0.5, rng.uniform(4, 14))
    width, height = size
    mask = Image.new("L", size, 0)
    angle = rng.uniform(0, 2 * math.pi)
    x, y = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7)
    ux, uy, far = math.cos(angle), math.sin(angle), 2.0 * (width + height)
    corners = [(x + far * ux, y + far * uy), (x - far * ux, y - far * uy)]
    corners += [(px - far * uy, py + far * ux) for px, py in reversed(corners)]
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    soft = mask.filter(ImageFilter.BoxBlur(float(rng.uniform(0.5, 4))))
    return 1 - depth * (np.asarray(soft).astype(np.float32) / np.float32(255))


def _glare(rng: Rng, size: tuple[int, int]) -> Plane:
    """Return the light that a low sun outside or at the rim of the picture scatters in the lens."""
    width, height = size
    angle = rng.uniform(-math.pi, 0)
    x = width * (0.5 + 0.6 * math.cos(angle))
    y = height * (0.5 + 0.6 * math.sin(angle))
    columns = (np.arange(width, dtype=np.float32) - np.float32(x)) / np.float32(width)
    rows = (np.arange(height, dtype=np.float32) - np.float32(y)) / np.float32(width)
    distance2 = columns[None, :] ** 2 + rows[:, None] ** 2
    spread = np.float32(rng.uniform(0.05, 0.3))
    glow = spread / (spread + distance2)
    colour = np.array([255, 232, 190]) * rng.uniform(0.35, 0.95)
    return glow[..., None] * colour.astype(np.float32)

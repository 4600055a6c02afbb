"""Backgrounds: what stands behind a sign at the roadside. Colours are floats in 0..255."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from seatrial.harness.demo.noise import Plane, contrast, fractal, ramp

Size = tuple[int, int]
Rng = np.random.Generator


def paint(rng: Rng, size: Size) -> Image.Image:
    """Return an RGB image of `size` (width, height) that shows one of the scenes."""
    scene = SCENES[rng.integers(len(SCENES))]
    image = Image.fromarray(np.clip(scene(rng, size), 0, 255).astype(np.uint8))
    if rng.random() < 0.6:
        _clutter(rng, image)
    return image


def _sky(rng: Rng, size: Size) -> Plane:
    width, height = size
    overcast = rng.random()
    zenith = np.array([80, 130, 200]) * (1 - overcast) + np.array([165, 170, 178]) * overcast
    horizon = np.array([185, 205, 225]) * (1 - overcast) + np.array([215, 215, 215]) * overcast
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    clouds = contrast(fractal(rng, size, 3, 4, 0.55), rng.uniform(0.5, 0.65), 4)
    sky: Plane = ramp(down, zenith, horizon) * (1 - 0.6 * clouds[..., None]) + 0.6 * 240 * clouds[..., None]
    return sky


def _leaves(rng: Rng, size: Size) -> Plane:
    autumn = rng.random() < 0.2
    paints = ([105, 75, 35], [150, 105, 60]) if autumn else ([55, 75, 30], [105, 118, 65])
    green = rng.uniform(*paints)
    crowns = fractal(rng, size, rng.uniform(2, 5), 2)
    detail = fractal(rng, size, rng.uniform(14, 28), 3, 0.85)
    return ramp(contrast(0.45 * crowns + 0.55 * detail, 0.5, 3.2), green * 0.18, green * 1.45)


def _wall(rng: Rng, size: Size) -> Plane:
    tone = rng.uniform(90, 220) * rng.uniform([0.95, 0.82, 0.68], [1.05, 1.0, 1.0])
    wall = ramp(fractal(rng, size, 5, 4, 0.8), tone * 0.8, tone * 1.15)
    if rng.random() < 0.45:
        _bricks(rng, wall)
    if rng.random() < 0.7:
        _windows(rng, wall)
    return wall


def _bricks(rng: Rng, wall: Plane) -> None:
    height, width = wall.shape[:2]
    row, brick = int(rng.integers(5, 10)), int(rng.integers(12, 24))
    mortar = np.float32(rng.uniform(0.7, 1.25))
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    odd = (rows // row) % 2
    joint = (rows % row == 0) | ((columns + odd * (brick // 2)) % brick == 0)
    shade = rng.uniform(0.82, 1.12, (height // row + 1, width // brick + 2)).astype(np.float32)
    wall *= shade[rows // row, (columns + odd * (brick // 2)) // brick][..., None]
    wall[joint] *= mortar


def _windows(rng: Rng, wall: Plane) -> None:
    height, width = wall.shape[:2]
    pitch_x, pitch_y = rng.integers(26, 60), rng.integers(30, 64)
    share_x, share_y = rng.uniform(0.4, 0.7, 2)
    pane = rng.uniform(30, 140) * rng.uniform([0.75, 0.9, 0.95], [1.0, 1.0, 1.2])
    frame = rng.uniform(60, 245)
    for top in range(int(rng.integers(-20, 10)), height, int(pitch_y)):
        for left in range(int(rng.integers(-20, 10)), width, int(pitch_x)):
            bottom, right = top + int(pitch_y * share_y), left + int(pitch_x * share_x)
            wall[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = frame
            glass = wall[max(top + 2, 0) : max(bottom - 2, 0), max(left + 2, 0) : max(right - 2, 0)]
            glass[...] = pane * rng.uniform(0.7, 1.3)


def _ground(rng: Rng, size: Size) -> Plane:
    grey = rng.uniform(70, 150) * rng.uniform([0.95, 0.95, 0.92], [1.03, 1.0, 1.05])
    return ramp(fractal(rng, size, 12, 4, 0.9), grey * 0.65, grey * 1.3)


def _below(rng: Rng, upper: Plane, lower: Plane, height: float, rough: float) -> Plane:
    """Put `lower` beneath a skyline at `height`, uneven by `rough`; both relative to the image height."""
    rows, columns = upper.shape[:2]
    line = fractal(rng, (columns, 2), 4, 4, 0.6)[0]
    edge = rows * (height + rough * (line - 0.5))
    mask = np.clip(np.arange(rows, dtype=np.float32)[:, None] - edge[None, :] + 0.5, 0, 1)[..., None]
    joined: Plane = upper + mask * (lower - upper)
    return joined


def _open_road(rng: Rng, size: Size) -> Plane:
    trees = _below(rng, _sky(rng, size), _leaves(rng, size), rng.uniform(0.15, 0.6), rng.uniform(0.1, 0.5))
    return _below(rng, trees, _ground(rng, size), rng.uniform(0.65, 0.95), 0.03)


def _under_sky(rng: Rng, size: Size) -> Plane:
    return _below(rng, _sky(rng, size), _leaves(rng, size), rng.uniform(0.5, 1.1), rng.uniform(0.1, 0.5))


def _street(rng: Rng, size: Size) -> Plane:
    town = _below(rng, _sky(rng, size), _wall(rng, size), rng.uniform(-0.2, 0.4), 0.02)
    return _below(rng, town, _ground(rng, size), rng.uniform(0.7, 1.0), 0.02)


SCENES: tuple[Callable[[Rng, Size], Plane], ...] = (_open_road, _under_sky, _leaves, _wall, _street, _street)


def _paint_colour(rng: Rng) -> tuple[int, int, int]:
    """Draw a colour of any hue, mostly close to grey, as painted things outdoors are."""
    grey, saturation = rng.uniform(20, 235), rng.beta(1, 2.5)
    red, green, blue = (int(grey + saturation * (v - grey)) for v in rng.uniform(15, 240, 3))
    return red, green, blue


def _clutter(rng: Rng, image: Image.Image) -> None:
    """Add posts, wires, cars and boards: hard edges and paints like those of the signs."""
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(int(rng.integers(1, 5))):
        colour = _paint_colour(rng)
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        kind = rng.integers(4)
        if kind == 0:
            foot = (x + int(rng.normal(0, 6)), height)
            draw.line([(x, 0), foot], fill=colour, width=int(rng.integers(2, 7)))
        elif kind == 1:
            end = (width, y + int(rng.normal(0, 20)))
            draw.line([(0, y), end], fill=colour, width=int(rng.integers(1, 4)))
        elif kind == 2:
            draw.rectangle([x, y, x + int(rng.integers(8, 50)), y + int(rng.integers(6, 30))], fill=colour)
        else:
            radius = int(rng.integers(4, 22))
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

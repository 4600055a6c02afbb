"""Things between the camera and the sign: branches, a post in front, stickers on it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Rng = np.random.Generator


def occlude(rng: Rng, scene: Image.Image, x: float, y: float, side: float) -> None:
    """Cover a part of the sign at (x, y), `side` pixels wide, in about one image of three."""
    chance = rng.random()
    if chance < 0.16:
        _branch(rng, scene, x, y, side)
    elif chance < 0.22:
        _pole(rng, scene, x, side)
    elif chance < 0.32:
        _sticker(rng, scene, x, y, side)


def _branch(rng: Rng, scene: Image.Image, x: float, y: float, side: float) -> None:
    """Hang leaves into the sign from one side of its rim."""
    draw = ImageDraw.Draw(scene)
    angle = rng.uniform(0, 2 * math.pi)
    green = rng.uniform([40, 70, 10], [110, 135, 50])
    for _ in range(int(rng.integers(6, 22))):
        reach = side * rng.uniform(0.12, 0.6)
        bearing = angle + rng.normal(0, 0.45)
        leaf_x, leaf_y = x + reach * math.cos(bearing), y + reach * math.sin(bearing)
        length, turn = side * rng.uniform(0.04, 0.11), rng.uniform(0, math.pi)
        along = (length * math.cos(turn), length * math.sin(turn))
        across = (-0.45 * along[1], 0.45 * along[0])
        shade = green * rng.uniform(0.4, 1.3)
        draw.polygon(
            [
                (leaf_x + along[0], leaf_y + along[1]),
                (leaf_x + across[0], leaf_y + across[1]),
                (leaf_x - along[0], leaf_y - along[1]),
                (leaf_x - across[0], leaf_y - across[1]),
            ],
            fill=_rgb(shade),
        )


def _pole(rng: Rng, scene: Image.Image, x: float, side: float) -> None:
    draw = ImageDraw.Draw(scene)
    middle = x + side * rng.uniform(0.2, 0.5) * rng.choice([-1, 1])
    half = side * rng.uniform(0.03, 0.09)
    lean = rng.normal(0, 0.05) * side
    outline = [(middle - half, 0), (middle + half, 0)]
    outline += [(middle + half + lean, scene.height), (middle - half + lean, scene.height)]
    draw.polygon(outline, fill=_rgb(np.full(3, rng.uniform(30, 150))))


def _sticker(rng: Rng, scene: Image.Image, x: float, y: float, side: float) -> None:
    draw = ImageDraw.Draw(scene)
    left, top = x + rng.uniform(-0.35, 0.2) * side, y + rng.uniform(-0.35, 0.2) * side
    right, bottom = left + rng.uniform(0.1, 0.34) * side, top + rng.uniform(0.1, 0.34) * side
    box = [left, top, right, bottom]
    colour = _rgb(rng.uniform(20, 245) * rng.uniform(0.6, 1.0, 3))
    if rng.random() < 0.5:
        draw.ellipse(box, fill=colour)
    else:
        draw.rectangle(box, fill=colour)


def _rgb(colour: npt.NDArray[np.float64]) -> tuple[int, int, int]:
    red, green, blue = (int(min(max(v, 0), 255)) for v in colour)
    return red, green, blue

"""Ice drawn from noise, lines and polygons: creases, blades, droplets and ferns.

Each drawing returns two float32 [height, width] fields of any mean and scale, its light and its tint; what they become
as pixels is left to the recipes in frost_rendered.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.corruptions.arithmetic import Floats
from seatrial.harness.conditions.corruptions.registry import Pixels

Points = npt.NDArray[np.float64]
Drawing = Callable[[np.random.Generator, int, int], tuple[Floats, Floats]]

_SUBPIXEL = 4  # bits of the fraction in a drawn point's coordinates


def creases(rng: np.random.Generator, height: int, width: int) -> tuple[Floats, Floats]:
    """A crumpled sheet of ice, lit by a white lamp from one side and by a blue one from another."""
    drift = [_noise(rng, height, width, cell) * (cell / 5) for cell in (40, 7) for _ in range(2)]
    across = np.arange(width, dtype=np.float32) + drift[0] + drift[2]
    down = np.arange(height, dtype=np.float32)[:, None] + drift[1] + drift[3]
    relief = np.zeros((height, width), np.float32)
    for cell, depth in ((70, 20), (26, 7), (11, 3.5), (6, 2.2), (3.2, 1.5)):
        relief += np.float32(depth) * np.abs(_noise(rng, height, width, cell))
    bent = np.asarray(cv2.remap(relief, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
    slope_y, slope_x = np.gradient(bent)
    strength = np.exp(np.float32(0.35) * _noise(rng, height, width, 70))
    lamp = np.tanh((slope_y + np.float32(0.5) * slope_x) * np.float32(0.7)) * strength
    other = np.tanh((slope_x - np.float32(0.5) * slope_y) * np.float32(0.7)) * strength
    return lamp + _noise(rng, height, width, 110), other + _noise(rng, height, width, 80)


def blades(rng: np.random.Generator, height: int, width: int) -> tuple[Floats, Floats]:
    """Fans of long flat blades lying over each other, with grainy dark gaps."""
    canvas = _to_bytes(_noise(rng, height, width, 1.6) * 18 + _noise(rng, height, width, 7) * 18 + 115)
    for seat in rng.uniform((0, 0), (width, height), (height * width // 480, 2)):
        heading, tone = rng.uniform(0, 2 * math.pi), rng.normal(150, 18)
        for _ in range(int(rng.integers(3, 10))):
            along, side = _axes(heading + rng.normal(0, 0.2))
            length, breadth = 6 + rng.gamma(3, 13), rng.uniform(0.6, 3)
            root = seat + side * rng.normal(0, 5) + along * rng.normal(0, 8)
            tip, belly = root + along * length, root + along * length * rng.uniform(0.3, 0.7)
            shade = tone + rng.normal(0, 14)
            _fill(canvas, np.array([root, belly + side * breadth, tip, belly - side * breadth]), shade)
            _trace(canvas, np.array([root, belly + side * breadth, tip]), shade + rng.uniform(5, 50))
            _trace(canvas, np.array([root, belly - side * breadth, tip]), shade - rng.uniform(5, 45))
    grain = _noise(rng, height, width, 1.2) * np.float32(6) + _noise(rng, height, width, 3) * np.float32(6)
    return (canvas + grain).astype(np.float32), _noise(rng, height, width, 60) + _noise(
        rng, height, width, 3
    ) * np.float32(0.3)


def droplets(rng: np.random.Generator, height: int, width: int) -> tuple[Floats, Floats]:
    """Frozen droplets in vertical runs, with leaves of ice between them."""
    runs = _noise(rng, height, width, 4, 60)
    thick = _noise(rng, height, width, 70)
    canvas = _to_bytes(runs * 10 + _noise(rng, height, width, 2) * 16 + 125)
    count = height * width // 11
    seats = rng.uniform((0, 0), (width, height), (count, 1, 2))
    corners = seats + rng.normal(0, 1, (count, 3, 2)) * rng.gamma(2, 0.55, (count, 1, 1))
    levels = rng.choice((75.0, 165.0, 205.0), count) + rng.normal(0, 25, count)
    column, row = seats.reshape(count, 2).astype(int).T
    frozen = thick[row, column] * 0.5 + runs[row, column] * 0.9 > rng.normal(0.1, 0.7, count)
    for outline, level in zip(corners[frozen], levels[frozen], strict=True):
        _fill(canvas, outline, level)
    for seat in rng.uniform((0, 0), (width, height), (height * width // 900, 2)):
        if thick[int(seat[1]), int(seat[0])] < rng.normal(-0.3, 0.4):
            _leaves(canvas, rng, seat)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fade = np.float32(1.2) - np.float32(0.35) * (down**2 + np.linspace(-1, 1, width, dtype=np.float32) ** 2)
    grain = canvas + _noise(rng, height, width, 1.3) * np.float32(8)
    return (grain - np.float32(130)) * fade, _noise(rng, height, width, 8)


def _leaves(canvas: Pixels, rng: np.random.Generator, seat: Points) -> None:
    heading, spread = rng.uniform(0, 2 * math.pi), rng.uniform(0.35, 0.7)
    light = rng.normal(140, 20)
    for leaf in range(int(rng.integers(2, 7))):
        along, side = _axes(heading + leaf * spread + rng.normal(0, 0.1))
        length = rng.gamma(4, 4.5)
        breadth = length * rng.uniform(0.08, 0.2)
        belly, tip = seat + along * length * rng.uniform(0.4, 0.65), seat + along * length
        # Two halves, folded along the middle, catch the light differently.
        _fill(canvas, np.array([seat, belly + side * breadth, tip]), light + 35 * side[1] + rng.normal(0, 15))
        _fill(canvas, np.array([seat, belly - side * breadth, tip]), light - 35 * side[1] + rng.normal(0, 15))
        _trace(canvas, np.array([seat, belly + side * breadth, tip]), light + 50)


def ferns(rng: np.random.Generator, height: int, width: int) -> tuple[Floats, Floats]:
    """Feathers with barbs on both sides of a bent stem, over darkness and over each other."""
    flow = _noise(rng, height, width, 130) * np.float32(1.6)
    light = _noise(rng, height, width, 60)
    canvas = _to_bytes(_noise(rng, height, width, 25) * 10 + _noise(rng, height, width, 4) * 6 + 62)
    for seat in rng.uniform((0, 0), (width, height), (height * width // 520, 2)):
        here = int(seat[1]), int(seat[0])
        heading = float(flow[here]) - math.pi / 2
        bright = 140 + 30 * float(light[here]) + rng.normal(0, 20)
        for _ in range(int(rng.integers(2, 7))):
            _feather(canvas, rng, seat + rng.normal(0, 5, 2), heading + rng.normal(0, 0.9), bright + rng.normal(0, 15))
    specks = np.maximum(_noise(rng, height, width, 1.4) - np.float32(1.5), 0) * np.float32(40)
    return canvas + specks, _noise(rng, height, width, 12)


def _feather(canvas: Pixels, rng: np.random.Generator, root: Points, heading: float, bright: float) -> None:
    length = 10 + rng.gamma(3, 7)
    steps = np.arange(0, length, rng.uniform(2.2, 3.4))
    turn = heading + rng.normal(0, 0.3) * steps / length
    stem = root + _axes(turn)[0] * steps[:, None]
    # Barbs lean forward and are longest at a third of the stem.
    reach = length * rng.uniform(0.16, 0.34) * np.clip(1.05 - steps / length, 0, 1) ** 0.7
    reach *= np.minimum(1, steps / length * 3 + 0.3)
    tips = []
    for hand in (-1, 1):
        lean = _axes(turn + hand * rng.uniform(0.6, 1.0))[0]
        tips.append(stem + lean * (reach * rng.uniform(0.5, 1.1, len(steps)))[:, None])
    _fill(canvas, np.concatenate([tips[0], tips[1][::-1]]), bright * rng.uniform(0.35, 0.7), convex=False)
    barbs = np.concatenate([np.stack([stem, tip], 1) for tip in tips])
    _trace(canvas, barbs, bright)
    _trace(canvas, stem[None], bright + 40)


def _axes(turn: npt.ArrayLike) -> tuple[Points, Points]:
    """Unit vectors (x, y) along and across one or several directions, in radians."""
    along = np.array([np.cos(turn), np.sin(turn)])
    return along.T, np.array([-along[1], along[0]]).T


def _noise(rng: np.random.Generator, height: int, width: int, cell: float, cell_down: float | None = None) -> Floats:
    """Smooth noise of about unit variance, its bumps some `cell` pixels wide and `cell_down` (or `cell`) high."""
    cell_down = cell if cell_down is None else cell_down
    rows, columns = math.ceil(height / cell_down) + 3, math.ceil(width / cell) + 3
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    fine = cv2.resize(coarse, (round(columns * cell), round(rows * cell_down)), interpolation=cv2.INTER_CUBIC)
    top, left = int(cell_down), int(cell)
    return np.asarray(fine[top : top + height, left : left + width])


def _to_bytes(values: Floats) -> Pixels:
    return np.clip(values, 0, 255).astype(np.uint8)


def _fixed(places: Points) -> npt.NDArray[np.int32]:
    return np.rint(places * (1 << _SUBPIXEL)).astype(np.int32)


def _fill(canvas: Pixels, outline: Points, level: float, *, convex: bool = True) -> None:
    """Paints a polygon, [corners, 2]."""
    level = min(max(level, 0), 255)
    if convex:
        cv2.fillConvexPoly(canvas, _fixed(outline), level, cv2.LINE_AA, _SUBPIXEL)
    else:
        cv2.fillPoly(canvas, [_fixed(outline)], level, cv2.LINE_AA, _SUBPIXEL)


def _trace(canvas: Pixels, paths: Points, level: float) -> None:
    """Draws one path, [points, 2], or several, [paths, points, 2], a pixel wide."""
    paths = paths if paths.ndim == 3 else paths[None]
    cv2.polylines(canvas, list(_fixed(paths)), False, min(max(level, 0), 255), 1, cv2.LINE_AA, _SUBPIXEL)

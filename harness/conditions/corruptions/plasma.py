"""A plasma fractal: fog's height map, by the diamond-square algorithm on a torus."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Heights = npt.NDArray[np.float32]


def plasma(side: int, decay: float, rng: np.random.Generator) -> Heights:
    """float32 [side, side] in 0..1; side is a power of two, from 2.

    Every new point is the mean of four neighbours plus a uniform random term, whose width falls by `decay` squared
    from one halving of the step to the next.
    """
    heights = np.zeros((side, side), np.float32)
    step, wobble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        centres = _new_points(pairs + np.roll(pairs, -1, axis=1), wobble, rng)
        heights[half::step, half::step] = centres
        above = centres + np.roll(centres, 1, axis=0)
        heights[::step, half::step] = _new_points(above + corners + np.roll(corners, -1, axis=1), wobble, rng)
        beside = centres + np.roll(centres, 1, axis=1)
        heights[half::step, ::step] = _new_points(beside + corners + np.roll(corners, -1, axis=0), wobble, rng)
        step, wobble = half, wobble / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def _new_points(sums: Heights, wobble: float, rng: np.random.Generator) -> Heights:
    points = rng.random(sums.shape, dtype=np.float32)
    points -= np.float32(0.5)
    points *= np.float32(2 * wobble * wobble)
    points += sums * np.float32(0.25)
    return points

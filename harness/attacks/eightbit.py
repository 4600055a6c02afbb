"""Adversarial images as a device gets them: rounded to 8 bits, and within the radius after rounding, not before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.data.source import Pixels

Array = npt.NDArray[Any]

# Of a radius that is a product of floats, such as 8 / 255 * 255.
_RADIUS_SLACK = 1e-9
# In levels of 0 to 255: less is rounding of float32 arithmetic in an attack, not a change that it asked for.
_NO_CHANGE = 1e-3
# log2 of scales: how far the first step goes from the guess, where the search ends, and the largest scale.
_FIRST_STEP, _FINE, _LARGEST = 1 / 64, 1 / 1024, 20.0


def to_pixels(adversarial: npt.NDArray[np.float32], clean: Pixels, norm: str, radius: float) -> Pixels:
    """Rounds adversarial images to uint8 [N, H, W, 3], each within the radius of its clean image in exact integers.

    adversarial: float32 [N, H, W, 3] in [0, 1]. clean: uint8, of the same shape. norm: `linf`, `l2` or `l1`. radius: in
    units of pixels in [0, 1]. For L-inf every value is rounded to the nearest and then limited. L2 and L1: `rounded`.
    """
    if norm == "linf":
        return rounded(np.rint(adversarial * np.float32(255)) - clean, clean, norm, radius * 255)
    return rounded(adversarial * np.float32(255) - clean, clean, norm, radius * 255)


def rounded(change: npt.NDArray[np.float32], clean: Pixels, norm: str, levels: float | Array) -> Pixels:
    """The uint8 images that `change` is rounded to: clean + change as integers, within `levels` of clean.

    change: float32 [N, H, W, 3], in levels of 0 to 255. levels: the radius in levels, one or float64 [N].

    For L2 and L1, rounding every value to the nearest may leave the ball, and on large images, where most changes are
    below half a level, loses nearly all of them. So for each image the change is first scaled: by the largest factor,
    above or below 1, with which clean + change, rounded and clipped to 0..255, still is inside. The distance never
    falls as the factor grows, so bisection finds it. Values that the next factor would round further, all at once, are
    taken while they fit. A shorter change thus becomes as long as the ball allows; float32 noise stays none.
    """
    limit = _limits(norm, np.broadcast_to(levels, len(clean)))
    low, high = -clean.astype(np.float32), np.float32(255) - clean
    if norm == "linf":
        farthest = limit.astype(np.float32)[:, None, None, None]
        step = np.clip(np.rint(change), np.maximum(low, -farthest), np.minimum(high, farthest))
    else:
        flat = np.where(np.abs(change) < _NO_CHANGE, np.float32(0), change).reshape(len(clean), -1)
        step = _filled(flat, low.reshape(flat.shape), high.reshape(flat.shape), norm, limit).reshape(clean.shape)
    pixels: Pixels = (clean + step).astype(np.uint8)
    return pixels


def integer_limit(norm: str, levels: float) -> int:
    """The largest max |d| (L-inf), sum of d^2 (L2) or sum of |d| (L1) of integer changes d within a radius in levels.

    >>> integer_limit("linf", 8 / 255 * 255), integer_limit("l2", 2.5), integer_limit("l1", 2.5)
    (8, 6, 2)
    """
    return int(_limits(norm, np.asarray(levels, np.float64)))


def check_within(pixels: Pixels, clean: Pixels, norm: str, radius: float) -> None:
    """ValueError that names the first of the uint8 images [N, H, W, 3] that lies outside the radius of its clean one.

    radius: in units of pixels in [0, 1].
    """
    if pixels.dtype != np.uint8 or clean.dtype != np.uint8 or pixels.shape != clean.shape:
        raise ValueError(f"expected two arrays uint8 of one shape, got {pixels.dtype} {pixels.shape} and {clean.shape}")
    limit = integer_limit(norm, radius * 255)
    outside = np.flatnonzero(lengths(pixels, clean, norm) > limit)
    if len(outside):
        index = int(outside[0])
        measured = float(distances(pixels[index : index + 1], clean[index : index + 1], norm)[0])
        asked = radius * 255 if norm == "linf" else radius
        raise ValueError(f"image {index} lies {measured:g} from its clean image, outside {norm} {asked:g}")


def distances(images: Array, clean: Pixels, norm: str) -> npt.NDArray[np.float64]:
    """How far each image lies from its clean one, [N], in the units of condition ids: 255ths for L-inf, pixels in
    [0, 1] for L2 and L1.

    images: [N, H, W, 3] in levels of 0 to 255, uint8 or float32.
    """
    found = lengths(images, clean, norm)
    return {"linf": found, "l2": np.sqrt(found) / 255, "l1": found / 255}[norm]


def lengths(images: Array, clean: Pixels, norm: str) -> npt.NDArray[np.float64]:
    """max |d| (L-inf), sum of d^2 (L2) or sum of |d| (L1) of each image's change d, in levels: float64 [N], exact for
    uint8 images.
    """
    found = np.empty(len(images))
    for index, (image, original) in enumerate(zip(images, clean, strict=True)):
        change = np.abs(image.astype(np.float64) - original).reshape(-1)
        found[index] = change.max() if norm == "linf" else change @ change if norm == "l2" else change.sum()
    return found


def _limits(norm: str, levels: Array) -> Array:
    found: Array = np.floor((levels * levels if norm == "l2" else levels) * (1 + _RADIUS_SLACK))
    return found


def _filled(change: Array, low: Array, high: Array, norm: str, limit: Array) -> Array:
    """float32 [N, D], integers: `change` by its best factor, rounded, within [low, high] and the limits [N]."""
    result = np.zeros_like(change)
    rows = np.flatnonzero(change.any(axis=1) & (limit > 0))
    if not len(rows):
        return result
    change, low, high, limit = change[rows], low[rows], high[rows], limit[rows]

    def at(scales: Array, part: Array) -> Array:
        scaled = change[part] * np.exp2(scales).astype(np.float32)[:, None]
        np.rint(scaled, out=scaled)
        np.maximum(scaled, low[part], out=scaled)
        return np.minimum(scaled, high[part], out=scaled)

    inside, outside = _bracket(lambda scales, part: _costs(at(scales, part), norm) <= limit[part], change, norm, limit)
    everything = np.arange(len(rows))
    best, following = at(inside, everything), at(outside, everything)
    result[rows] = _more(best, following, norm, limit)
    return result


def _bracket(fits: Any, change: Array, norm: str, limit: Array) -> tuple[Array, Array]:
    """log2 of a scale that is inside and of the next one that is not, for each image; the same where none is outside.

    fits: (log2 of scales [n], images [n]) -> bool [n].
    """
    size = _costs(change, norm)
    guess = np.log2(limit / size) / (2 if norm == "l2" else 1)
    inside, outside = np.full(len(change), -np.inf), np.full(len(change), np.inf)
    step = _FIRST_STEP
    todo, trial = np.arange(len(change)), np.minimum(guess, _LARGEST)
    while len(todo):
        good = fits(trial, todo)
        inside[todo[good]], outside[todo[~good]] = trial[good], trial[~good]
        outside[todo[good & (trial >= _LARGEST)]] = _LARGEST
        gap = outside[todo] - inside[todo]
        todo = todo[gap > _FINE]
        lower, upper = inside[todo], outside[todo]
        with np.errstate(invalid="ignore"):  # where one is still infinite
            middle = (lower + upper) / 2
        outwards = np.where(np.isinf(upper), np.minimum(lower + step, _LARGEST), upper - step)
        trial = np.where(np.isfinite(middle), middle, outwards)
        step *= 2
    return inside, outside


def _more(best: Array, following: Array, norm: str, limit: Array) -> Array:
    """`best`, and of the values that differ in `following` as many as the limit allows.

    They are as good as each other, and taken in steps of the golden ratio so that they do not all lie in one corner.
    """
    count = best.shape[1]
    stride = next(one for one in range(max(1, round(count * 0.618)), count + 2) if math.gcd(one, count) == 1)
    order = np.arange(count) * stride % count
    left = limit - _costs(best, norm)
    for index in np.flatnonzero((best != following).any(axis=1)):
        differing = order[(best[index] != following[index])[order]]
        old, new = np.abs(best[index, differing]), np.abs(following[index, differing])
        price = (new * new - old * old if norm == "l2" else new - old).cumsum(dtype=np.float64)
        taken = differing[price <= left[index]]
        best[index, taken] = following[index, taken]
    return best


def _costs(step: Array, norm: str) -> Array:
    """float64 [N]: sums of squares or of sizes, exact for integers."""
    sums: Array
    if norm == "l2":
        sums = np.einsum("nd,nd->n", step, step, dtype=np.float64)
    else:
        sums = np.abs(step).sum(axis=1, dtype=np.float64)
    return sums

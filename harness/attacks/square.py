"""Square Attack (Andriushchenko, Croce, Flammarion, Hein 2020, arXiv 1912.00049): random search by scores."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.eightbit import integer_limit, rounded
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Found, Images, Search

Array = npt.NDArray[Any]

# The share of an image's pixels that the first square covers (Croce and Hein 2020, AutoAttack, arXiv 2003.01690), and
# the shares of the budget after which it is halved (the authors' code: 10, 50, 200, ... of 10,000 queries).
_FIRST_SHARE = 0.8
_HALVED_AFTER = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
# L2 starts from a grid of five by five windows; its windows are at least three pixels wide (the authors' code).
_GRID, _SMALLEST = 5, 3
# Random numbers are drawn for so many queries at once.
_BLOCK = 64


@BLACK_BOX_ATTACKS.register("square-linf")
def square_linf(search: Search) -> Found:
    """L-inf: squares of clean +- radius, one sign for each channel; starts from vertical stripes."""
    levels = integer_limit("linf", search.levels) if search.eight_bit else search.levels
    return _search(search, _LInf(float(levels))) if levels else _clean_only(search)


@BLACK_BOX_ATTACKS.register("square-l2")
def square_l2(search: Search) -> Found:
    """L2: one window's norm moves to another, which takes a new peak; starts from a grid of them."""
    possible = not search.eight_bit or integer_limit("l2", search.levels)
    return _search(search, _L2(search.levels, search.eight_bit)) if possible else _clean_only(search)


def share(asked: int, budget: int) -> float:
    """The share of the image that the next square covers after `asked` of `budget` queries: p of the paper.

    >>> [share(asked, 10_000) for asked in (10, 11, 51, 8001)]
    [0.8, 0.4, 0.2, 0.0015625]
    """
    done = asked / budget
    halved = sum(done > after for after in _HALVED_AFTER)
    return _FIRST_SHARE / (1 << halved)


@dataclasses.dataclass(frozen=True)
class _LInf:
    """Changes are what is added to the clean image, in levels."""

    levels: float
    numbers: int = 4  # random ones for each query

    def start(self, clean: Array, draws: Draws) -> Array:
        """Stripes of one column's width, a sign for each column and channel."""
        _, _, width, channels = clean.shape
        up = np.stack([one.random((1, width, channels)) < 0.5 for one in draws.generators])
        return self._limited(np.where(up, self.levels, -self.levels), clean)

    def candidate(self, change: Array, clean: Array, share: float, numbers: Array) -> Array:
        """A square of one of eight colours; where that changes nothing, of one of the seven others."""
        count, height, width, channels = clean.shape
        side = _side(share, height, width)
        tops, lefts = _corner(numbers[:, 0], height - side), _corner(numbers[:, 1], width - side)
        colors = 2**channels
        color = (numbers[:, 2] * colors).astype(np.int64)
        other = color ^ (1 + (numbers[:, 3] * (colors - 1)).astype(np.int64))
        new = change.copy()
        for index in range(count):
            window = (index, slice(tops[index], tops[index] + side), slice(lefts[index], lefts[index] + side))
            for chosen in (color[index], other[index]):
                value = np.where(chosen >> np.arange(channels) & 1, self.levels, -self.levels)
                new[window] = self._limited(value.astype(np.float32), clean[window])
                if not np.array_equal(new[window], change[window]):
                    break
        return new

    def images(self, change: Array, clean: Array) -> Array:
        """What the engine is asked about."""
        return clean + change

    @staticmethod
    def _limited(change: Array, clean: Array) -> Array:
        return np.clip(change, -clean, 255 - clean).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class _L2:
    """Changes are floats whose norm is the radius before they are clipped and rounded."""

    levels: float
    eight_bit: bool
    numbers: int = 8  # four of windows, one turns the peak, a sign for each of at most three channels

    def start(self, clean: Array, draws: Draws) -> Array:
        """Peaks on a grid in the middle of the image."""
        _, height, width, channels = clean.shape
        side = min(max(min(height, width) // _GRID, _SMALLEST), height, width)
        change = np.zeros(clean.shape, np.float32)
        rows, columns = height // side, width // side
        top, left = (height - rows * side) // 2, (width - columns * side) // 2
        numbers = np.stack([one.random((rows * columns, 1 + channels)) for one in draws.generators])
        for cell in range(rows * columns):
            y, x = top + cell // columns * side, left + cell % columns * side
            change[:, y : y + side, x : x + side] = _peaks(side, numbers[:, cell])
        return self._normalized(change, clean)

    def candidate(self, change: Array, clean: Array, share: float, numbers: Array) -> Array:
        """Algorithm 3: the second window is emptied, and the first takes its norm, what was left of the radius, and a
        new peak beside what it had.
        """
        count, height, width, channels = clean.shape
        side = _side(share, height, width, _SMALLEST)
        side = min(side + (side + 1) % 2, height, width)
        corners = [_corner(numbers[:, place], (height, width)[place % 2] - side) for place in range(4)]
        peaks = _peaks(side, numbers[:, 4 : 5 + channels])
        unused = np.maximum(self.levels**2 - np.einsum("nhwc,nhwc->n", change, change, dtype=np.float64), 0)
        new = change.copy()
        for index in range(count):
            y, x, other_y, other_x = (int(corner[index]) for corner in corners)
            window = (index, slice(y, y + side), slice(x, x + side))
            other = (index, slice(other_y, other_y + side), slice(other_x, other_x + side))
            had = change[window]
            new[window] = 0
            taken = _squares(had) + _squares(new[other])  # each channel's, of both windows together
            new[other] = 0
            mixed = peaks[index] + had / np.sqrt(_squares(had) + 1e-12)
            available = np.sqrt(unused[index] / channels + taken)
            new[window] = mixed / np.sqrt(_squares(mixed) + 1e-12) * available
        return self._normalized(new, clean)

    def images(self, change: Array, clean: Array) -> Array:
        """What the engine is asked about."""
        return rounded(change, clean.astype(np.uint8), "l2", self.levels) if self.eight_bit else clean + change

    def _normalized(self, change: Array, clean: Array) -> Array:
        """Scaled to the radius, then clipped, which only shortens it."""
        norm = np.sqrt(np.einsum("nhwc,nhwc->n", change, change, dtype=np.float64))
        scaled = change * (self.levels / np.maximum(norm, 1e-12)).astype(np.float32)[:, None, None, None]
        clipped: Array = np.clip(scaled, -clean, 255 - clean)
        return clipped


def _search(search: Search, shape: _LInf | _L2) -> Found:
    """Keeps what lowers the margin, or leaves it: an integer engine's scores are rounded, and a search that refuses
    equal ones stays where it is until one query alone moves a score by a whole step.
    """
    dtype = np.uint8 if search.eight_bit else np.float32
    clean = search.images.astype(np.float32)
    best: Images = search.images.astype(dtype)
    queries = np.ones(len(best), np.int32)
    _, wrong = _margins(search.oracle(best), search.labels)
    active = np.flatnonzero(~wrong)
    changes = np.zeros_like(clean)
    margins = np.full(len(best), np.inf, np.float32)
    numbers = np.zeros((len(best), 0, shape.numbers))
    for asked in range(1, search.budget):
        if not len(active):
            break
        draws = search.draws.part(active.tolist())
        if asked == 1:
            new = shape.start(clean[active], draws)
        else:
            place = (asked - 2) % _BLOCK
            if place == 0:
                numbers = np.zeros((len(best), _BLOCK, shape.numbers))
                numbers[active] = [one.random((_BLOCK, shape.numbers)) for one in draws.generators]
            new = shape.candidate(changes[active], clean[active], share(asked, search.budget), numbers[active, place])
        images = shape.images(new, clean[active]).astype(dtype)
        found, wrong = _margins(search.oracle(images), search.labels[active])
        queries[active] += 1
        better = wrong | (found <= margins[active])
        kept = active[better]
        best[kept], changes[kept], margins[kept] = images[better], new[better], found[better]
        active = active[~wrong]
    return Found(best, queries)


def _clean_only(search: Search) -> Found:
    """No 8-bit image but the clean one lies within the radius."""
    return Found(search.images.copy(), np.ones(len(search.images), np.int32))


def _margins(scores: Array, labels: Array) -> tuple[Array, Array]:
    """The label's score minus the largest other one [N], and whether another class is predicted (the first of equal
    ones is, as everywhere in a run).
    """
    rows = np.arange(len(labels))
    others = scores.astype(np.float32)
    own = others[rows, labels]
    others[rows, labels] = -np.inf
    return own - others.max(axis=1), scores.argmax(axis=1) != labels


def _side(share: float, height: int, width: int, smallest: int = 1) -> int:
    return min(max(round(math.sqrt(share * height * width)), smallest), height, width)


def _corner(numbers: Array, room: int) -> Array:
    """Uniform in 0..room."""
    return (numbers * (room + 1)).astype(np.int64)


def _squares(window: Array) -> Array:
    """Sums of squares of each channel of [H, W, C]."""
    sums: Array = np.einsum("hwc,hwc->c", window, window)
    return sums


def _peaks(side: int, numbers: Array) -> Array:
    """float32 [N, side, side, C] of norm 1 in each channel: turned by the first number, signs by the others."""
    peak = _peak(side)
    turned = np.where(numbers[:, 0, None, None] < 0.5, peak.T, peak)
    signs = np.where(numbers[:, 1:] < 0.5, -1, 1)
    return (turned[..., None] * signs[:, None, None]).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _peak(side: int) -> Array:
    """The distribution eta of the L2 attack: a positive half above a negative one, sums of rectangles in its middle."""
    half = side // 2
    peak: Array = np.concatenate([_rectangles(half, side), -_rectangles(side - half, side)])
    return peak / float(np.linalg.norm(peak))


def _rectangles(height: int, width: int) -> Array:
    """Rectangle k, 2 k + 1 pixels wide and high and cut at the border, adds 1 / (k + 1)^2.

    The largest half, n = max(height, width) // 2, covers everything.
    """
    y, x = np.arange(height)[:, None], np.arange(width)
    ring = np.maximum(np.abs(y - height // 2), np.abs(x - width // 2))
    count = max(height, width) // 2 + 1
    rings: Array = np.sum([(ring <= k) / (k + 1) ** 2 for k in range(count)], axis=0)
    return rings

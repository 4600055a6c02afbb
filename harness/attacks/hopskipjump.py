"""HopSkipJump (Chen, Jordan, Wainwright 2020, arXiv 1904.02144), L2: walks along a decision boundary by labels alone.

It works on 8-bit images throughout, so what it finds is what the engine was asked about. The paper's probes around a
point of the boundary are finer than one level (at distance s in d dimensions they lie s / d away): here they are the
finest noise that 8 bits carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.eightbit import integer_limit, lengths, rounded
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Found, Search
from seatrial.harness.data.source import Pixels

Array = npt.NDArray[Any]

# Probes of the first step, B_0; step t takes sqrt(t) times as many (algorithm 2 and the authors' code).
_PROBES = 100
# Random images that are tried until one is misclassified, and further ones that are tried for a nearer start.
_STARTS, _FURTHER = 50, 10
# How much nearer a further start must be; below so many probes a step is not worth its queries.
_NEARER, _FEWEST_PROBES = 0.9, 10
# In levels: how near to the boundary a search along a line comes, and the shortest step from it.
_NEAR, _SHORTEST = 0.5, 2.0
# What is kept of the budget for a step and the way back to the boundary.
_RESERVE = 15
# Images the oracle is asked about at once, and the values they hold together.
_WIDTH, _VALUES = 512, 1 << 24


@BLACK_BOX_ATTACKS.register("hopskipjump-l2")
def hopskipjump_l2(search: Search) -> Found:
    """Stops for an image once a misclassified one lies within the radius; the clean image where none was found.

    ValueError where the search is not one of 8-bit images.
    """
    if not search.eight_bit:
        raise ValueError("HopSkipJump asks about 8-bit images only")
    walk = _Walk(search)
    walk.start()
    step = 1
    while len(rows := walk.able(_FEWEST_PROBES + _RESERVE)):
        probes = np.minimum(int(_PROBES * step**0.5), walk.left(rows) - _RESERVE)
        walk.jump(rows, walk.directions(rows, probes), step)
        step += 1
    return walk.found()


class _Walk:
    """points: uint8 [N, H, W, 3], each image's place on the boundary, misclassified; size: float64 [N], its distance in
    levels, infinite while there is none.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._clean = search.images
        self._limit = integer_limit("l2", search.levels)
        self.queries = np.zeros(len(search.images), np.int32)
        self._best = search.images.copy()
        self._nearest = np.full(len(search.images), np.inf)  # squares of distances
        self._points, self._sizes = search.images.copy(), np.full(len(search.images), np.inf)

    def found(self) -> Found:
        """The nearest misclassified images, where they lie within the radius."""
        inside = (self._nearest <= self._limit)[:, None, None, None]
        return Found(np.where(inside, self._best, self._clean), self.queries)

    def left(self, rows: Array) -> Array:
        """Queries that the budget still allows."""
        return self._search.budget - self.queries[rows]

    def able(self, queries: int) -> Array:
        """Images on their way that may be asked about so many times more."""
        todo = np.isfinite(self._sizes) & (self._nearest > self._limit)
        return np.flatnonzero(todo & (self._search.budget - self.queries >= queries))

    def start(self) -> None:
        """Random images until one is misclassified, and from there to the boundary; then a query for each further one
        tells whether the boundary towards it is nearer.

        The paper draws every value uniformly. Networks take such noise for one and the same class, so of the tries
        some have larger cells of one colour.
        """
        rows = np.arange(len(self._clean))
        rows = rows[~self._ask(rows, self._clean)]
        if not self._limit:
            return
        for trial in range(_STARTS):
            rows = rows[np.isinf(self._sizes[rows]) & (self.left(rows) > 0)]
            if not len(rows):
                break
            images = self._noise(rows, trial)
            wrong = self._ask(rows, images)
            self._points[rows[wrong]] = images[wrong]
            self._sizes[rows[wrong]] = np.sqrt(lengths(images[wrong], self._clean[rows[wrong]], "l2"))
        rows = np.flatnonzero(np.isfinite(self._sizes))
        self._approach(rows, self._points[rows])
        for trial in range(_FURTHER):
            rows = self.able(1)
            if not len(rows):
                break
            change: Array = self._noise(rows, trial) - self._clean[rows].astype(np.float32)
            images = rounded(change, self._clean[rows], "l2", _NEARER * self._sizes[rows])
            wrong = self._ask(rows, images)
            self._approach(rows[wrong], images[wrong])

    def directions(self, rows: Array, probes: Array) -> Array:
        """float32 [n, H, W, 3] of norm 1: where the margin grows: the paper's Monte Carlo estimate, with the mean
        sign as its baseline.

        Probes differ from the point by -1, 0, 0 or 1 in every value, as far as 0..255 allows.
        """
        shape = self._clean.shape[1:]
        size = int(np.prod(shape))
        moved = np.zeros((len(rows), size), np.float32)  # sums of signs times changes
        drift = np.zeros((len(rows), size), np.float32)  # sums of changes
        signs = np.zeros(len(rows))
        for chunk in _chunks(probes, size):
            changes = [self._changes(rows[place], count) for place, count in chunk]
            points = np.repeat(
                self._points[rows[[place for place, _ in chunk]]].reshape(len(chunk), -1),
                [count for _, count in chunk],
                axis=0,
            )
            images = (points + np.concatenate(changes)).astype(np.uint8)
            asked = np.repeat([rows[place] for place, _ in chunk], [count for _, count in chunk])
            wrong = self._ask(asked, images.reshape(-1, *shape), keep=False)
            start = 0
            for (place, count), change in zip(chunk, changes, strict=True):
                sign = np.where(wrong[start : start + count], 1, -1).astype(np.float32)
                values = change.astype(np.float32)
                moved[place] += sign @ values
                drift[place] += values.sum(axis=0)
                signs[place] += sign.sum()
                start += count
        mean = signs / probes
        mean[np.abs(mean) == 1] = 0
        found = moved - mean.astype(np.float32)[:, None] * drift
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found.reshape(-1, *shape)

    def jump(self, rows: Array, directions: Array, step: int) -> None:
        """From the boundary along the direction, by less and less until still misclassified, and back to it."""
        reach = self._sizes[rows] / step**0.5
        while len(rows):
            images = rounded(
                directions * reach[:, None, None, None].astype(np.float32), self._points[rows], "l2", reach
            )
            wrong = self._ask(rows, images)
            self._approach(rows[wrong], images[wrong])
            reach = reach / 2
            again = ~wrong & (reach >= _SHORTEST) & (self.left(rows) > 0)
            rows, directions, reach = rows[again], directions[again], reach[again]

    def _approach(self, rows: Array, outer: Pixels) -> None:
        """Bisection between the clean and a misclassified image (algorithm 1) makes the points."""
        change = outer.astype(np.float32) - self._clean[rows]
        size = np.sqrt(lengths(outer, self._clean[rows], "l2"))
        low, high = np.zeros(len(rows)), size.copy()
        self._points[rows], self._sizes[rows] = outer, size
        todo = np.arange(len(rows))
        while True:
            open_ = (high - low)[todo] > _NEAR
            open_ &= (self.left(rows[todo]) > 0) & (self._nearest[rows[todo]] > self._limit)
            todo = todo[open_]
            if not len(todo):
                return
            middle = (low[todo] + high[todo]) / 2
            images = rounded(change[todo], self._clean[rows[todo]], "l2", middle)
            wrong = self._ask(rows[todo], images)
            low[todo[~wrong]], high[todo[wrong]] = middle[~wrong], middle[wrong]
            there = rows[todo[wrong]]
            self._points[there], self._sizes[there] = images[wrong], middle[wrong]

    def _ask(self, rows: Array, images: Pixels, keep: bool = True) -> Array:
        """Whether each image is misclassified: bool [n]. keep: whether it may be the nearest one."""
        width = max(1, min(_WIDTH, _VALUES // int(np.prod(images.shape[1:]))))
        labels = self._search.labels[rows]
        wrong = np.concatenate(
            [
                self._search.oracle(images[start : start + width]).argmax(axis=1) != labels[start : start + width]
                for start in range(0, len(rows), width)
            ]
        )
        np.add.at(self.queries, rows, 1)
        if keep:
            far = np.where(wrong, lengths(images, self._clean[rows], "l2"), np.inf)
            nearer = far < self._nearest[rows]
            self._best[rows[nearer]], self._nearest[rows[nearer]] = images[nearer], far[nearer]
        return wrong

    def _noise(self, rows: Array, trial: int) -> Pixels:
        """Uniform in 0..255, in cells of 1, 2, 4, ... pixels by turns: [n, H, W, 3]."""
        height, width, channels = self._clean.shape[1:]
        cell = 1 << trial % max(1, (min(height, width) // 2).bit_length())
        shape = (-(-height // cell), -(-width // cell), channels)
        draws = self._search.draws.part(rows.tolist())
        small = np.stack([one.integers(0, 256, shape, np.uint8) for one in draws.generators])
        return small.repeat(cell, axis=1).repeat(cell, axis=2)[:, :height, :width]

    def _changes(self, row: int, count: int) -> Array:
        """int16 [count, values]: differences of two random bits, drawn by probe so that chunks do not matter."""
        point = self._points[row].reshape(-1).astype(np.int16)
        draw = self._search.draws.generators[row]
        octets = -(-2 * point.size // 8)
        drawn = np.stack([np.frombuffer(draw.bytes(octets), np.uint8) for _ in range(count)])
        bits = np.unpackbits(drawn, axis=1, count=2 * point.size).view(np.int8)
        noise: Array = np.clip(bits[:, : point.size] - bits[:, point.size :], -point, 255 - point)
        return noise


def _chunks(counts: Array, size: int) -> Iterator[list[tuple[int, int]]]:
    """(place, how many of its probes) lists, each of at most one oracle's batch."""
    width = max(1, min(_WIDTH, _VALUES // size))
    chunk: list[tuple[int, int]] = []
    room = width
    for place, count in enumerate(counts.tolist()):
        while count:
            taken = min(count, room)
            chunk.append((place, taken))
            count, room = count - taken, room - taken
            if not room:
                yield chunk
                chunk, room = [], width
    if chunk:
        yield chunk

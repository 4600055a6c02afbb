"""Latency samples as far as a drawing can show them: as many points as it has pixels, and every extreme among them."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Columns of a drawing's time, about a pixel each; points of a distribution, enough that nobody sees the corners.
COLUMNS = 480
_POINTS = 200


@dataclasses.dataclass(frozen=True)
class Track:
    """Of a target in a scenario. queries: of the rounds that are kept. shares, taken_ms: float64 [P], the share of
    these queries that is answered within a time, ascending; the last is the slowest query. at_s, low_ms, half_ms,
    high_ms: float64 [C], of all queries, those that begin within `width_s` from `at_s`: the fastest, the median and
    the slowest.
    """

    queries: int
    shares: Floats
    taken_ms: Floats
    at_s: Floats
    width_s: float
    low_ms: Floats
    half_ms: Floats
    high_ms: Floats


def track(begin: Integers, taken: Integers, kept: npt.NDArray[np.bool_]) -> Track:
    """begin: int64 [Q] nanoseconds since the scenario began. taken: int64 [Q] nanoseconds. kept: bool [Q], whether the
    query's round counts; where none does, all queries are shown. ValueError without queries.
    """
    if not len(taken):
        raise ValueError("no queries")
    counted = np.sort(taken[kept] if kept.any() else taken)
    shares = _shares(len(counted))
    ranks = np.maximum(np.ceil(shares * len(counted) - 1e-9).astype(np.int64), 1) - 1
    width = max((int(begin.max()) + COLUMNS) // COLUMNS, 1)
    column = begin // width
    order = np.lexsort((taken, column))
    column, ordered = column[order], taken[order] / 1e6
    first = np.flatnonzero(np.diff(column, prepend=-1))
    last = np.append(first[1:], len(column)) - 1
    return Track(
        queries=int(kept.sum()),
        shares=shares,
        taken_ms=counted[ranks] / 1e6,
        at_s=column[first] * width / 1e9,
        width_s=width / 1e9,
        low_ms=ordered[first],
        half_ms=ordered[(first + last) // 2],
        high_ms=ordered[last],
    )


def _shares(queries: int) -> Floats:
    """Closer together where few are left: the slowest queries are what is looked for."""
    left = np.geomspace(1, 1 / queries, _POINTS) if queries > 1 else np.ones(1)
    found: Floats = np.unique(np.append(1 - left, 1.0))
    return found[found > 0]

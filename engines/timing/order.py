"""Which sample a query asks, and when it arrives: by its number and the seed alone, so that blocks go on where others
end.

Numbers are drawn by counter: number n of a stream is the n-th value of SplitMix64 (Steele, Lea, Flood, "Fast splittable
pseudorandom number generators", 2014), so none has to be drawn before it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.block import Nanoseconds

Integers = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SAMPLES, _GAPS = 1, 2
_AT_ONCE = 1 << 14


def samples_of(seed: int, numbers: Integers, samples: int, kept: int) -> Integers:
    """int64 [Q, samples]: of queries of these numbers, [Q], the samples, each of `kept` as likely as the others."""
    places = numbers[:, None] * samples + np.arange(samples)
    return (_drawn(seed, _SAMPLES, places) % np.uint64(kept)).astype(np.int64)


def arrivals(seed: int, first: int, queries: int, seconds: float, *, rate: float) -> Nanoseconds:
    """int64 nanoseconds, [at most `queries`], rising: a Poisson process of `rate` queries per second, from query
    `first` on, for so many seconds; the gaps are exponential, as those of MLPerf's load generator.
    """
    found: list[Nanoseconds] = []
    begin, count = 0.0, 0
    while count < queries and begin <= seconds:
        numbers = np.arange(first + count, first + min(queries, count + _AT_ONCE))
        # 53 bits and a half: neither 0 nor 1.
        uniform = ((_drawn(seed, _GAPS, numbers) >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53)
        times = begin + np.cumsum(-np.log(uniform)) / rate
        found.append((times[times <= seconds] * 1e9).astype(np.int64))
        begin, count = float(times[-1]), count + len(numbers)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _drawn(seed: int, stream: int, places: Integers) -> _Words:
    words = np.asarray([seed & 0xFFFFFFFFFFFFFFFF], np.uint64)
    key = _mixed(_mixed(words) + np.asarray([stream], np.uint64) * _GOLDEN)
    return _mixed(key + (places.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def _mixed(words: _Words) -> _Words:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))

"""Single-stream latency: configurations take turns, and every sample is kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from seatrial.harness.single_stream import BLOCK, single_stream


class Clock:
    """Answers its turns with a constant time, and notes them."""

    def __init__(self, name="a", turns=None, nanoseconds=1000):
        self.name, self.turns, self.nanoseconds = name, [] if turns is None else turns, nanoseconds

    def time(self, block):
        self.turns.append((self.name, block.first, block.first + block.queries))
        return SimpleNamespace(taken=np.full(block.queries, self.nanoseconds, np.int64))


def test_configurations_take_turns_in_blocks():
    turns = []
    samples = single_stream({name: Clock(name, turns) for name in "ab"}, samples=70)
    assert {name: len(values) for name, values in samples.items()} == {"a": 70, "b": 70}
    edges = [(0, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK, 70)]
    assert turns == [(name, *edge) for edge in edges for name in "ab"]


def test_samples_are_those_of_the_clock():
    samples = single_stream({"slow": Clock(nanoseconds=2_000_000)}, samples=20)["slow"]
    assert samples.dtype == np.int64
    assert samples.tolist() == [2_000_000] * 20


def test_it_stops_early_with_what_it_has():
    samples = single_stream({name: Clock(nanoseconds=10**9) for name in "ab"}, max_s=40)
    assert {name: len(values) for name, values in samples.items()} == {"a": 2 * BLOCK, "b": 2 * BLOCK}


def test_progress_counts_all_samples():
    seen = []
    single_stream({name: Clock() for name in "ab"}, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 2 * 662


def test_an_exception_of_the_engine_comes_through():
    class Broken:
        def time(self, block):
            raise RuntimeError("engine")

    with pytest.raises(RuntimeError, match="engine"):
        single_stream({"a": Broken()})

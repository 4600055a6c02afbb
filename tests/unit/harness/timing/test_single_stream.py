"""Single-stream latency: configurations take turns, and every sample is kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from seatrial.harness.timing.single_stream import BLOCK, single_stream


class Clock:
    """Answers its turns with a constant time, and notes them."""

    def __init__(self, name="a", turns=None, nanoseconds=1000):
        self.name, self.turns, self.nanoseconds = name, [] if turns is None else turns, nanoseconds

    def time(self, block):
        self.turns.append((self.name, block.first, block.first + block.queries))
        return SimpleNamespace(taken=np.full(block.queries, self.nanoseconds, np.int64))


def test_configurations_take_turns_in_blocks_forwards_and_backwards():
    turns = []
    samples = single_stream({name: Clock(name, turns) for name in "ab"}, samples=70, max_s=60)
    assert {name: len(values) for name, values in samples.items()} == {"a": 70, "b": 70}
    first, second, third = (0, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK, 70)
    assert turns == [
        *(("a", *first), ("b", *first)),
        *(("b", *second), ("a", *second)),
        *(("a", *third), ("b", *third)),
    ]


def test_samples_are_those_of_the_clock():
    samples = single_stream({"slow": Clock(nanoseconds=2_000_000)}, samples=20, max_s=60)["slow"]
    assert samples.dtype == np.int64
    assert samples.tolist() == [2_000_000] * 20


def test_it_stops_early_with_what_it_has():
    samples = single_stream({name: Clock(nanoseconds=10**9) for name in "ab"}, samples=662, max_s=40)
    assert {name: len(values) for name, values in samples.items()} == {"a": 2 * BLOCK, "b": 2 * BLOCK}


def test_an_exception_of_the_engine_comes_through():
    class Broken:
        def time(self, block):
            raise RuntimeError("engine")

    with pytest.raises(RuntimeError, match="engine"):
        single_stream({"a": Broken()}, samples=1, max_s=1)

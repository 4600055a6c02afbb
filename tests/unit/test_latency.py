"""Single-stream latency: it times the calls it says, in turn."""

import time

import numpy as np
import pytest

from harness.latency import BLOCK, single_stream


def test_configurations_take_turns_in_blocks():
    calls = []
    inputs = [np.full((1,), n, np.float32) for n in range(3)]
    samples = single_stream(
        {name: lambda image, name=name: calls.append((name, float(image[0]))) for name in "ab"},
        dict.fromkeys("ab", inputs),
        samples=70,
    )
    assert {name: len(values) for name, values in samples.items()} == {"a": 70, "b": 70}
    measured = [name for name, _ in calls]
    measured = measured[measured.index("b") :]
    last_warmup = next(i for i, name in enumerate(measured) if name == "a")
    turns = [name for i, name in enumerate(measured[last_warmup:]) if i == 0 or measured[last_warmup + i - 1] != name]
    assert turns == ["a", "b"] * 3
    assert BLOCK * 2 < 70 <= BLOCK * 3
    assert {image for _, image in calls} == {0.0, 1.0, 2.0}


def test_the_time_is_that_of_the_call():
    def slow(image):
        time.sleep(0.002)

    samples = single_stream({"slow": slow}, {"slow": [np.zeros(1, np.float32)]}, samples=20)["slow"]
    assert samples.dtype == np.int64
    assert (samples >= 2_000_000).all()


def test_progress_counts_all_samples():
    seen = []
    inputs = {name: [np.zeros(1, np.float32)] for name in "ab"}
    single_stream({"a": lambda image: None, "b": lambda image: None}, inputs, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 2 * 662


def test_an_exception_of_the_engine_comes_through():
    def broken(image):
        raise RuntimeError("engine")

    with pytest.raises(RuntimeError, match="engine"):
        single_stream({"a": broken}, {"a": [np.zeros(1, np.float32)]})

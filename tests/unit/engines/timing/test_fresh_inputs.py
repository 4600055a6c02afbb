"""A fresh input is one that was never asked, and hardly another one."""

import numpy as np
import pytest

from seatrial.engines.timing.fresh import Freshener

SAMPLES = {
    "uint8": np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8),
    "float16": np.random.default_rng(0).standard_normal((5, 3, 4, 4)).astype(np.float16),
    "float32": np.random.default_rng(0).standard_normal((5, 3, 4, 4), np.float32),
    "float16 far from zero": (1000 + np.random.default_rng(0).random((5, 3, 4, 4))).astype(np.float16),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_one_value_changes_in_its_type_and_range(name):
    samples = SAMPLES[name]
    freshener = Freshener(samples)
    for _ in range(200):
        changed = samples[0].copy()
        freshener.change(changed.reshape(-1))
        assert changed.dtype == samples.dtype
        assert np.count_nonzero(changed != samples[0]) == 1
        assert samples.min() <= changed.min() <= changed.max() <= samples.max()


@pytest.mark.parametrize("name", ["uint8", "float32"])
def test_no_input_comes_twice(name):
    samples = SAMPLES[name]
    freshener = Freshener(samples)
    seen = {samples[0].tobytes()}
    for _ in range(5 * samples[0].size):
        changed = samples[0].copy()
        freshener.change(changed.reshape(-1))
        seen.add(changed.tobytes())
    assert len(seen) == 1 + 5 * samples[0].size


def test_the_first_changes_are_the_smallest_and_lie_all_over():
    samples = SAMPLES["float32"]
    freshener = Freshener(samples)
    spread = float(samples.max() - samples.min())
    places = []
    for _ in range(samples[0].size):
        changed = samples[1].copy()
        freshener.change(changed.reshape(-1))
        places.append(int(np.flatnonzero(changed != samples[1])[0]))
        assert np.abs(changed - samples[1]).max() <= spread / 4000
    assert sorted(places) == list(range(samples[0].size))
    assert np.abs(np.diff(places)).min() > 1


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_inputs_that_are_all_alike_change_too(value, dtype):
    samples = np.full((2, 1, 1, 1), value, dtype)
    changed = samples[0].copy()
    Freshener(samples).change(changed.reshape(-1))
    assert changed != samples[0]
    assert abs(float(changed[0, 0, 0]) - value) <= 1

"""The way from the source to the engine, step by step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar

from seatrial.harness.metrics.decomposition import decompose
from seatrial.harness.metrics.paired import paired_interval

NAMES = ("export", "pipeline", "quantization", "engine")


@given(st.lists(st.tuples(*[st.booleans()] * 5), min_size=1, max_size=60))
def test_the_steps_sum_to_the_whole(rows):
    stages = [np.array(column) for column in zip(*rows, strict=True)]
    steps = decompose(stages[0], dict(zip(NAMES, stages[1:], strict=True)))
    assert [one.step for one in steps] == list(NAMES)
    assert sum(one.delta for one in steps) == pytest.approx(stages[-1].mean() - stages[0].mean())
    assert all(one.ci95[0] <= one.delta <= one.ci95[1] for one in steps)


def test_a_step_is_compared_with_the_one_before():
    rng = np.random.default_rng(0)
    first = rng.random(4000) < 0.9
    same, worse = first.copy(), first & (rng.random(4000) < 0.97)
    steps = decompose(first, {"export": same, "quantization": worse, "engine": worse})
    assert steps[0].delta == steps[2].delta == 0
    assert steps[0].ci95 == paired_interval(0, 0, 4000)
    lost = int((first & ~worse).sum())
    assert steps[1].ci95[1] < 0
    assert mcnemar([[0, lost], [0, 0]], exact=True).pvalue < 0.05


def test_stages_need_the_same_images():
    some = np.ones(3, bool)
    with pytest.raises(ValueError, match="same images"):
        decompose(some, {"export": some[:2]})
    with pytest.raises(ValueError, match="same images"):
        decompose(some[:0], {"export": some[:0]})
    assert decompose(some, {}) == ()

"""What an engine does only while it is timed shows in what is timed."""

import numpy as np
import pytest

from seatrial.engines.places import build
from seatrial.engines.timing.block import Block

SINGLE = Block("single-stream", queries=300, seconds=20)


def timed(name, request, queries, block=SINGLE):
    with build(name, request) as engine:
        engine.prepare(queries, 0.01)
        return engine.time(block), engine.unsteady()


def test_a_stale_output_is_another_answer(untrue, request_small, queries):
    found, unsteady = timed("stale", request_small, queries)
    assert unsteady.sum() >= 4
    # A fifth of the queries asks the same as the one before.
    assert found.wrong > 0.3 * found.checked > 0
    assert found.worst > 0.1


def test_an_answer_kept_by_its_address_is_another_one(untrue, request_small, queries):
    found, unsteady = timed("remembers-addresses", request_small, queries)
    assert unsteady.sum() == 4
    assert found.wrong > 0.5 * found.checked > 0


def test_an_answer_kept_by_its_input_is_none_of_a_fresh_one(untrue, request_small, queries):
    found, unsteady = timed("remembers-inputs", request_small, queries)
    assert not unsteady.any()
    assert (found.checked, found.wrong) == (300, 0)
    assert found.taken[found.fresh].min() > 2_000_000
    assert np.median(found.taken[~found.fresh]) < 2_000_000


def test_an_engine_that_is_hasty_when_asked_often_is_wrong(untrue, request_small, queries):
    found, unsteady = timed("hasty", request_small, queries)
    assert not unsteady.any()
    assert found.wrong >= 90


def test_sleeping_in_a_hundredth_of_the_queries_leaves_the_median(untrue, request_small, queries):
    found, _ = timed("stalls", request_small, queries)
    assert 3 <= np.count_nonzero(found.taken >= 20_000_000) <= 30
    assert np.median(found.taken) < 20_000_000
    assert found.wrong == 0


@pytest.mark.parametrize("name", ["drifts", "strains"])
def test_what_only_slows_down_answers_right(untrue, request_small, queries, name):
    found, unsteady = timed(name, request_small, queries, Block("offline", samples=1, workers=2, queries=50))
    assert not unsteady.any()
    assert (found.checked, found.wrong) == (50, 0)


def test_the_machine_is_told_where_the_engine_runs(request_small, queries):
    with build("onnxruntime", request_small) as engine:
        engine.prepare(queries, 0.01)
        before = engine.memory_bytes()
        counters = engine.time(SINGLE).counters
        # The probes' own arrays are not the engine's: 36 MB.
        assert before is None or engine.memory_bytes() < before + (20 << 20)
        assert engine.machine()["cores"] >= 1
        assert set(engine.idle_watts(0.01)) <= set(counters.joules)
        assert engine.device_memory_bytes() is None or engine.device_memory_bytes() >= 0
        assert min(engine.probe(), *counters.probe_ns, *counters.memory_ns) > 0
        assert counters.wall_s * counters.own > 0


@pytest.mark.parametrize("fixed_batch", [None, 1])
@pytest.mark.parametrize("scenario", [{"samples": 8}, {"samples": 8, "workers": 2}, {"rate": 400.0}])
def test_a_true_engine_is_never_wrong(request_small, queries, fixed_batch, scenario):
    import dataclasses

    request = dataclasses.replace(request_small, fixed_batch=fixed_batch)
    name = "server" if "rate" in scenario else "multi-stream"
    found, unsteady = timed("onnxruntime", request, queries, Block(name, queries=60, seconds=20, **scenario))
    assert not unsteady.any()
    assert (found.checked, found.wrong) == (60, 0)
    assert found.fresh.tolist() == [False, True] * 30

"""MLPerf's load generator in an engine's own process: what happens there is told here."""

import importlib.util

import numpy as np
import pytest

from seatrial.engines.places import Limits, build
from seatrial.engines.timing.block import Block
from seatrial.errors import DeviceError, UnsupportedError

HERE = importlib.util.find_spec("mlperf_loadgen") is not None
needed = pytest.mark.skipif(not HERE, reason="mlcommons-loadgen has no wheel for this machine, or is not installed")
SINGLE = Block("single-stream", queries=300, seconds=0.1)


@needed
def test_it_asks_our_engine_and_its_logs_come_back(request_small, queries):
    with build("onnxruntime", request_small) as engine:
        engine.prepare(queries, 0.01)
        found = engine.loadgen(SINGLE, bound_ms=15)
        assert found.queries == found.checked == len(found.service) >= 300
        assert found.wrong == 0
        # Its clock runs around ours.
        assert found.milliseconds["p50"] >= np.percentile(found.service, 45) / 1e6
        assert found.milliseconds["p90"] <= found.bounds_ms["p90"]
        assert (
            f"90.00 percentile latency (ns)   : {round(found.milliseconds['p90'] * 1e6)}"
            in found.logs["mlperf_log_summary.txt"]
        )
        # The next question is answered as before.
        assert engine.time(Block("single-stream", queries=20)).wrong == 0


@needed
def test_a_wrong_answer_is_found(untrue, request_small, queries):
    with build("hasty", request_small) as engine:
        engine.prepare(queries, 0.01)
        assert engine.loadgen(SINGLE, bound_ms=15).wrong > 100


@needed
@pytest.mark.parametrize(("name", "says"), [("exits", "status 7"), ("gives-nan", "NaN")])
def test_what_an_engine_does_meanwhile_is_told(unruly, request_small, queries, name, says):
    """Queries of eight images are the first that it misbehaves at."""
    with build(name, request_small, Limits(call_s=5)) as engine:
        engine.prepare(queries, 0.01)
        with pytest.raises(DeviceError, match=says):
            engine.loadgen(Block("multi-stream", samples=8, queries=20, seconds=0.1), bound_ms=15)


def test_what_cannot_be_asked_is_told(request_small, queries):
    with build("null", request_small) as engine:
        engine.prepare(queries, 0.01)
        if HERE:
            with pytest.raises(UnsupportedError, match="no scenario 'sustained'"):
                engine.loadgen(Block("sustained", queries=20, seconds=0.1), bound_ms=15)
        else:
            with pytest.raises(UnsupportedError, match=r"seatrial\[loadgen\]"):
                engine.loadgen(SINGLE, bound_ms=15)

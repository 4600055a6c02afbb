"""Timing on a 64-bit Arm board, which has Python and NumPy alone. How fast an emulated one is, says nothing."""

import numpy as np
import pytest
from conftest import ROOT, make_model

from seatrial.engines import BuildRequest
from seatrial.engines.places import PipedPlace, build
from seatrial.engines.timing.block import Block


@pytest.fixture(scope="module")
def engine(arm_python, tmp_path_factory):
    serve = "from seatrial.engines.places import server; server.over_pipes()"
    command = [str(arm_python), "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {serve}"]
    path = make_model(tmp_path_factory.mktemp("model") / "small.onnx")
    request = BuildRequest(path.read_bytes(), "input", "logits", (3, 16, 16), 4)
    with build("null", request, place=PipedPlace("arm", command)) as found:
        queries = np.zeros((4, 1, *request.input_shape), np.float32)
        assert found.prepare(list(queries), 0.01) > 0
        yield found


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "offline", "server"])
def test_every_scenario_is_timed_there(engine, scenario):
    rate = 50.0 if scenario == "server" else None
    timed = engine.time(Block(scenario, queries=8, seconds=5.0, samples=2, rate=rate))
    assert len(timed.taken) == 8
    assert (timed.taken > 0).all()
    assert timed.wrong == 0
    assert timed.counters.probe_ns[0] > 0


def test_the_board_tells_of_itself(engine):
    assert engine.there.processor.machine == "aarch64"
    found = engine.machine()
    assert found["cores"] >= 1
    assert found["memory"]["total_bytes"] > 0
    assert engine.memory_bytes() > 1 << 20
    assert engine.probe() > 0
    assert engine.idle_watts(0.01) == {}

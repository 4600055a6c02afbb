"""A board of another kind: its Python, its processor and its ONNX Runtime are Arm's, and there is nothing else."""

import numpy as np
import pytest

from seatrial import engines
from seatrial.engines.boards.places import Places
from seatrial.engines.places import LOCAL, Limits, build
from seatrial.errors import UnsupportedError


@pytest.fixture(scope="module")
def place(arm_board, ssh_server):
    with Places({"arm": arm_board}) as places:
        yield places.of("arm")
    assert ssh_server.wait_until_empty(10) == []


def test_it_says_what_it_is(place):
    facts = place.facts()
    assert facts.processor.machine == "aarch64"
    assert facts.processor != LOCAL.facts().processor
    assert place.engine("onnxruntime").version == LOCAL.engine("onnxruntime").version
    assert not place.engine("openvino").installed
    with pytest.raises(UnsupportedError, match="Engine 'openvino' is not installed"):
        place.check_offered("openvino", "fp32", "cpu")


def test_its_answers_are_those_of_this_machine_but_for_rounding(place, request_small):
    batch = np.random.default_rng(0).standard_normal((6, 3, 16, 16), dtype=np.float32)
    with (
        engines.build("onnxruntime", request_small) as here,
        build("onnxruntime", request_small, Limits(), place=place) as there,
    ):
        ours, theirs = here.infer(batch), there.infer(batch)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)
        assert there.there.processor.machine == "aarch64"
        assert there.audit().realized() == here.audit().realized()

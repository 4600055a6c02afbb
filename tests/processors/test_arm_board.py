"""A board of another kind: its Python, its processor and its ONNX Runtime are Arm's, and there is nothing else."""

import numpy as np
import pytest

from seatrial import engines
from seatrial.engines.boards.places import Places
from seatrial.engines.places import LOCAL, Limits, Pixels, build
from seatrial.engines.timing.block import Block
from seatrial.errors import UnsupportedError
from seatrial.exporters.contract import InputContract


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
    images = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)
    contract = InputContract((16, 16), mean=(0.4,), std=(0.2,))
    batch = contract.normalise(images)
    sent = Pixels(images, contract.value_table(), contract.color, contract.layout, contract.dtype)
    with (
        engines.build("onnxruntime", request_small) as here,
        build("onnxruntime", request_small, Limits(), place=place) as there,
    ):
        np.testing.assert_allclose(there.infer(batch), here.infer(batch), rtol=1e-4, atol=1e-5)
        assert there.infer(sent).tobytes() == there.infer(batch).tobytes()  # the same tensor, on another processor
        assert there.there.processor.machine == "aarch64"
        assert there.audit().realized() == here.audit().realized()
        values = here.intermediates(batch, ["r1", "pooled"])
        for name, value in there.intermediates(sent, ["r1", "pooled"]).items():
            np.testing.assert_allclose(value, values.pop(name), rtol=1e-4, atol=1e-5)
        assert not values
        there.prepare([batch[:1], batch[1:2]], 0.01)
        assert (there.time(Block("single-stream", queries=4)).taken > 0).all()
        assert there.machine()["cores"] >= 1
        assert there.memory_bytes() > 1 << 20
        assert there.probe() > 0

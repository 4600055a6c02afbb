"""Engine `kserve` against a real MLServer: a ResNet-20 in int8 is answered to the bits that ONNX Runtime gives here."""

import dataclasses
import logging

import mlservers
import numpy as np
import pytest

from seatrial import calib, engines, exporters
from seatrial.engines import BuildRequest
from seatrial.engines.kserve.credentials import ENDPOINT
from seatrial.harness.plan.request import build_request

LIMIT = 64


class Images:
    """Calibration images."""

    digest = "test"

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


@pytest.fixture(scope="module")
def resnet20(shared):
    """The int8 file, and what it is asked."""
    model = exporters.load(
        shared / "models/cifar10_resnet20.onnx", contract=exporters.ContractOptions(preset="cifar10")
    )
    with np.load(shared / "data/cifar10/calib.npz") as data:
        images = data["images"][:LIMIT]
    with np.load(shared / "data/cifar10/test.npz") as data:
        batch = model.contract.normalise(data["images"][:LIMIT])
    return calib.quantize(model, "int8", engine="onnxruntime", images=Images(images)), batch


@pytest.fixture(scope="module")
def served(resnet20, tmp_path_factory):
    if not mlservers.COMMAND.is_file():
        pytest.skip(f"no MLServer at {mlservers.COMMAND}: run make mlserver")
    folder = tmp_path_factory.mktemp("mlserver")
    file = folder / "int8.onnx"
    file.write_bytes(resnet20[0].onnx_bytes)
    with mlservers.mlserver(file, folder / "models") as found:
        yield dict(zip(("http", "grpc"), found, strict=True))


@pytest.fixture(scope="module")
def expected(resnet20):
    model, batch = resnet20
    with engines.build("onnxruntime", build_request(model, precision="int8")) as engine:
        return engine.infer(batch)


@pytest.mark.parametrize(("protocol", "data"), [("http", "json"), ("grpc", "binary")])
def test_the_bits_are_those_of_onnx_runtime_here(resnet20, served, expected, protocol, data, monkeypatch, caplog):
    model, batch = resnet20
    monkeypatch.setenv(ENDPOINT, served[protocol])
    request: BuildRequest = dataclasses.replace(build_request(model, precision="int8"), device=protocol)
    engines.ENGINES["kserve"].check_device(protocol)
    with caplog.at_level(logging.WARNING, logger="seatrial"), engines.build("kserve", request) as engine:
        np.testing.assert_array_equal(engine.infer(batch), expected)
        np.testing.assert_array_equal(engine.infer(batch[:5]), expected[:5])
        assert engine.version().startswith("mlserver 1.7.1, m, metadata ")
        assert engine.describe()["data"] == data
        assert engine.standing()["answered_by"] == "m version 1"
        assert engine.phases(batch[:1]) == {}
    assert any("refuses binary data" in one.message for one in caplog.records) == (data == "json")

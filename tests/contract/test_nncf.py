"""NNCF as a quantizer: its files are int8 where OpenVINO runs them, and its accuracy control gives layers back."""

import importlib.util
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from calibration_images import ArrayImages as Images
from conftest import ROOT, make_model
from PIL import Image

from seatrial import calib, engines, exporters
from seatrial.calib import QuantizeOptions
from seatrial.engines import BuildRequest
from seatrial.errors import UnsupportedError, UsageError
from seatrial.exporters.contract import read_contract

if importlib.util.find_spec("nncf") is None:
    pytest.skip("NNCF is not installed", allow_module_level=True)

SMALL = exporters.ContractOptions(size=(16, 16))


@pytest.fixture
def images():
    return Images(np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8))


def quantized(model, images, quantizer="nncf", engine="openvino", **options):
    return calib.quantize(
        model, "int8", engine=engine, images=images, options=QuantizeOptions(quantizer=quantizer, **options)
    )


def request_of(model, precision="int8"):
    return BuildRequest(
        model.onnx_bytes, model.input_name, model.output_name, (3, *model.contract.size), model.classes, precision
    )


def signs(shared, split, count):
    paths = sorted((shared / "data/gtsrb" / split).rglob("*.png"))
    chosen = paths[:: len(paths) // count][:count]
    return np.stack(
        [np.asarray(Image.open(path).convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)) for path in chosen]
    ), np.array([int(path.parent.name) for path in chosen])


def sign_model(shared):
    options = exporters.ContractOptions(size=(64, 64), mean=(0.5,) * 3, std=(0.5,) * 3)
    return exporters.load(shared / "models/gtsrbnet64.onnx", contract=options)


def test_its_file_runs_in_int8_and_is_as_accurate(shared):
    model = sign_model(shared)
    result = quantized(model, Images(signs(shared, "calib", 40)[0]))
    tests, labels = signs(shared, "test", 440)
    with engines.build("openvino", request_of(model, "fp32")) as ov, engines.build("ov", request_of(result)) as int8:
        expected, found = (engine.infer(model.contract.normalise(tests)).argmax(1) for engine in (ov, int8))
        audit = int8.audit()
    print(f"{audit.realized()}; right {(expected == labels).sum()} and {(found == labels).sum()} of {len(labels)}")
    assert audit.share_as_requested() >= 0.95
    assert (found == labels).sum() >= (expected == labels).sum() - 0.005 * len(labels)
    assert (result.precision, result.scores) == ("int8", model.scores)
    assert read_contract(result.proto) == model.contract


def test_accuracy_control_gives_layers_back_to_float_until_answers_agree(shared, monkeypatch):
    """A network whose int8 form answers otherwise on some images; nothing may drop."""
    monkeypatch.setattr("seatrial.calib.nncf.MAX_DROP", 0.0)
    model = sign_model(shared)
    # Noise is nothing that the network decides on: int8 answers otherwise there.
    hard = Images(np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), dtype=np.uint8))
    plain, controlled = (quantized(model, hard, kind) for kind in ("nncf", "nncf-accuracy"))
    tensor = model.contract.normalise(hard.images)
    with (
        engines.build("ov", request_of(model, "fp32")) as ov,
        engines.build("ov", request_of(plain)) as all_int8,
        engines.build("ov", request_of(controlled)) as some_int8,
    ):
        expected, before, after = (engine.infer(tensor).argmax(1) for engine in (ov, all_int8, some_int8))
        shares = [engine.audit().share_as_requested() for engine in (all_int8, some_int8)]
    print(f"answers changed: {(before != expected).sum()}, then {(after != expected).sum()} of 24; int8: {shares}")
    assert (before != expected).sum() > (after != expected).sum()
    assert shares[1] < shares[0]


def test_layers_asked_for_stay_float(model_file, images):
    model = exporters.load(model_file, contract=SMALL)
    with engines.build("ov", request_of(quantized(model, images, keep_float=("conv2",)))) as engine:
        assert {layer.name: layer.realized for layer in engine.audit().layers} == {
            "conv1": "int8",
            "conv2": "fp32",
            "fc": "int8",
        }
    with pytest.raises(UsageError, match="no node 'conv3'"):
        quantized(model, images, keep_float=("conv3",))


def test_a_frozen_batch_is_fed_whole(tmp_path, images):
    def freeze(proto):
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
        proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4

    model = exporters.load(make_model(tmp_path / "m.onnx", change=freeze), contract=SMALL)
    assert quantized(model, images).fixed_batch == 4
    assert quantized(model, images, "nncf-accuracy").precision == "int8"


def test_what_it_cannot_do_is_refused(model_file, images):
    model = exporters.load(model_file, contract=SMALL)
    with pytest.raises(UnsupportedError, match="NNCF takes no ranges"):
        quantized(model, images, ranges="entropy")
    with pytest.raises(UnsupportedError, match=r"uint8 activations.*tensorrt-int8"):
        quantized(model, images, engine="tensorrt")


def test_a_missing_package_gives_the_install_line(model_file, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'seatrial\[nncf\]'"):
        quantized(exporters.load(model_file, contract=SMALL), images)


def test_it_prints_nothing_reports_nothing_and_leaves_loggers_alone(model_file, tmp_path):
    code = f"""
import logging, sys
import numpy as np
from seatrial import calib, exporters
class Images:
    digest = "test"
    def __len__(self): return 4
    def batches(self, size):
        for _ in range(4): yield np.zeros((1, 16, 16, 3), np.uint8) + np.arange(16, dtype=np.uint8)[:, None]
model = exporters.load({str(model_file)!r}, contract=exporters.ContractOptions(size=(16, 16)))
options = calib.QuantizeOptions(quantizer="nncf")
calib.quantize(model, "int8", engine="openvino", images=Images(), options=options)
assert "nncf" in sys.modules and "openvino_telemetry" not in sys.modules
assert logging.getLoggerClass() is logging.Logger
"""
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert not (tmp_path / "intel").exists()
    assert logging.getLoggerClass() is logging.Logger

"""NVIDIA Model Optimizer as quantizer: what it makes of our models and images is a file of ours, and builds."""

import importlib.util

import numpy as np
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from onnx_files import changed, set_batch
from tensorrt_plans import build

from seatrial import calib, exporters
from seatrial.calib.modelopt import INSTALL
from seatrial.errors import BuildError, UnsupportedError
from seatrial.exporters.own_precision import own_precision

SMALL = exporters.ContractOptions(size=(16, 16))
installed = pytest.mark.skipif(
    importlib.util.find_spec("modelopt") is None, reason=f"Model Optimizer is not installed: {'; '.join(INSTALL)}"
)


class Images:
    def __init__(self, count=40, size=16):
        self.images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
        self.digest = "images"

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


def quantize(model, precision, images=None, **options):
    options = calib.QuantizeOptions(quantizer="modelopt", **options)
    return calib.quantize(model, precision, engine="tensorrt", images=images, options=options)


def scores(model, images):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(None, {model.input_name: model.contract.normalise(images)})[0]


def builds(model, capability="SM89"):
    tensorrt_rtx = pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx")
    return isinstance(build(tensorrt_rtx, model.onnx_bytes, capability), int)


@installed
@pytest.mark.parametrize("precision", ["int8", "fp8", pytest.param("int4", marks=pytest.mark.long)])
def test_a_quantized_model_of_ours_comes_back_and_builds(shared, tmp_path, precision):
    """A real one: of small layers Model Optimizer makes no float8."""
    options = exporters.ContractOptions(size=(64, 64), mean=(0.5,) * 3, std=(0.5,) * 3)
    model = exporters.load(shared / "models/gtsrbnet64.onnx", contract=options)
    images = Images(40, 64)
    made = quantize(model, precision, images)
    assert made.precision == own_precision(made.proto, tmp_path) == precision
    (tmp_path / "q.onnx").write_bytes(made.onnx_bytes)
    again = exporters.load(tmp_path / "q.onnx")
    assert (again.contract, again.precision) == (model.contract, precision)
    expected = scores(model, images.images)
    error = np.abs(scores(made, images.images) - expected).max() / np.abs(expected).max()
    assert 0 < error < 0.3
    assert builds(made)


@installed
def test_ranges_come_from_our_images_and_named_layers_and_frozen_batches_are_honoured(tmp_path):
    """And ONNX Runtime's quantizer, which Model Optimizer patches, is left alone in this process."""
    from onnxruntime.quantization.calibrate import MinMaxCalibrater

    before = MinMaxCalibrater.collect_data
    model = exporters.load(changed(tmp_path / "m.onnx", set_batch(3)), contract=SMALL)
    first, second = (node for node in model.proto.graph.node if node.op_type == "Conv")
    images = Images(8)
    images.images //= 4
    made = quantize(model, "int8", images, keep_float=(second.name,), rest="fp32")
    assert MinMaxCalibrater.collect_data is before
    assert made.fixed_batch == 3
    makers = {name: node.op_type for node in made.proto.graph.node for name in node.output}
    kept = {node.name: makers.get(node.input[1]) for node in made.proto.graph.node if node.op_type == "Conv"}
    assert kept[second.name] is None
    assert kept[first.name] == "DequantizeLinear"
    (node,) = (node for node in made.proto.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "input")
    scale = next(numpy_helper.to_array(t) for t in made.proto.graph.initializer if t.name == node.input[1])
    assert float(scale) == pytest.approx(float(np.abs(model.contract.normalise(images.images)).max()) / 127, rel=0.01)


@installed
def test_a_model_without_matrices_has_no_int4(tmp_path):
    def convolutions_only(model):
        del model.graph.node[-1]
        model.graph.node[-1].output[0] = "logits"
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 32

    model = exporters.load(changed(tmp_path / "m.onnx", convolutions_only), contract=SMALL)
    with pytest.raises(BuildError, match="found nothing in m to quantize to int4"):
        quantize(model, "int4", int4_method="rtn")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"equalize": True}, "knows no equalize"),
        ({"bias_correction": True}, "knows no bias correction"),
        ({"keep_float_below_db": 20.0}, "knows no keep float below db"),
        ({"ranges": "mse"}, "has no method 'mse'"),
    ],
)
def test_options_that_it_does_not_have_are_refused(model_file, options, words):
    model = exporters.load(model_file, contract=SMALL)
    with pytest.raises(UnsupportedError, match=words):
        quantize(model, "int8", Images(4), **options)


def test_where_it_is_missing_the_install_lines_are_said(model_file, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"not installed.*pip install --no-deps nvidia-modelopt==0\.47\.0"):
        quantize(exporters.load(model_file, contract=SMALL), "int8", Images(4))


@installed
def test_where_a_part_of_it_is_missing_that_is_said(model_file, tmp_path, monkeypatch):
    (tmp_path / "onnx_graphsurgeon.py").write_text("raise ImportError('half of an installation')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match=r"half of an installation.*Mend it: .*--no-deps onnx[-_]graphsurgeon"):
        quantize(exporters.load(model_file, contract=SMALL), "int8", Images(4))

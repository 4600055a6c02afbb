"""Whether ONNX Runtime really multiplies by the 4-bit weights, with activations in float, and how well."""

import dataclasses

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import numpy_helper

from seatrial import calib, engines, exporters
from seatrial.calib.blocked import round_to_nearest
from seatrial.calib.gptq import Moments, gptq, reconstruction_error
from seatrial.calib.int4 import plan, quantize_int4
from seatrial.calib.observe import session_for, showing
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.engines import BuildRequest
from seatrial.exporters.presets import PRESETS

RECIPE = calib.recipe_for("onnxruntime", "int4")
RTN = QuantizeOptions(int4_method="rtn")


class Cifar:
    """The first calibration images of CIFAR-10."""

    def __init__(self, shared, count=64):
        with np.load(shared / "data/cifar10/calib.npz") as archive:
            self.images = archive["images"][:count]
        self.digest = f"cifar {count}"

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


def build(model, **changes):
    request = BuildRequest(
        model.onnx_bytes, model.input_name, model.output_name, model.contract.tensor_shape, model.classes, "int4"
    )
    return engines.build("onnxruntime", dataclasses.replace(request, **changes))


def with_float_weights(model):
    """The same graph with its 4-bit weights written as floats, dequantized by NumPy."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in [node for node in proto.graph.node if node.op_type == "DequantizeLinear"]:
        codes, scale, zero = (values[name].astype(np.float32) for name in node.input)
        rows = np.arange(len(codes)) // (len(codes) // len(scale))
        proto.graph.initializer.append(
            numpy_helper.from_array(((codes - zero[rows]) * scale[rows]).astype(np.float32), node.output[0])
        )
        proto.graph.node.remove(node)
    return dataclasses.replace(model, proto=proto)


@pytest.mark.parametrize("name", ["cifar10_resnet20", "cifar10_resnet56"])
def test_the_matrix_product_of_a_resnet_runs_in_4_bits(shared, name):
    model = exporters.load(shared / f"models/{name}.onnx", contract=PRESETS["cifar10"])
    images = Cifar(shared)
    made = calib.quantize(model, "int4", engine="onnxruntime", images=images)
    with build(made) as engine:
        audit = engine.audit()
        (layer,) = [layer for layer in audit.layers if layer.realized == "int4"]
        assert (layer.op, layer.macs) == ("MatMulNBits", 640)
        assert {layer.realized for layer in audit.layers if "Conv" in layer.op} == {"fp32"}
        found = engine.infer(model.contract.normalise(images.images))
    # Kernels that round activations to 8 bits, as ONNX Runtime's do unless told otherwise, are off by 0.1 and more.
    with build(with_float_weights(made), precision="fp32") as engine:
        np.testing.assert_allclose(found, engine.infer(model.contract.normalise(images.images)), rtol=1e-4, atol=1e-3)


def test_pointwise_convolutions_of_a_mobilenet_run_in_4_bits_when_rewritten(shared):
    model = exporters.load(shared / "models/imagenet_mobilenet_v1_075.onnx", contract=PRESETS["imagenet-inception"])
    shares = {}
    for pointwise in (False, True):
        made = quantize_int4(Request(model, RECIPE, None, RTN), pointwise=pointwise)
        with build(made) as engine:
            shares[pointwise] = engine.audit().realized()["int4"]
            assert np.isfinite(engine.infer(np.zeros((1, 3, 224, 224), np.float32))).all()
    assert shares[False] < 0.01
    assert shares[True] > 0.8
    assert len(made.onnx_bytes) < 0.2 * len(model.onnx_bytes)


@pytest.fixture(scope="module")
def last_layer(shared):
    """ResNet-20's last layer, and what 512 real images feed it."""
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])
    (layer,), _ = plan(model.proto.graph, RECIPE)
    name = layer.node.input[0]
    session = session_for(showing(model.proto, [name]))
    batches = Cifar(shared, 512).batches(64)
    rows = [session.run([name], {model.input_name: model.contract.normalise(batch)})[0] for batch in batches]
    return layer, np.concatenate(rows)


@pytest.mark.parametrize("symmetric", [True, False])
def test_gptq_reconstructs_a_real_layer_better_than_rounding_to_nearest(last_layer, symmetric):
    layer, rows = last_layer
    seen = Moments(64)
    seen.add(rows[:256])
    rounded = {
        "rtn": round_to_nearest(layer.weight, 32, symmetric).dequantized(),
        "gptq": gptq(layer.weight, seen.hessian(), 32, symmetric).dequantized(),
    }
    own = {key: reconstruction_error(layer.weight, value, seen.hessian()) for key, value in rounded.items()}
    other = {key: ((rows[256:] @ (layer.weight - value)) ** 2).mean() for key, value in rounded.items()}
    assert own["gptq"] < 0.8 * own["rtn"]
    assert other["gptq"] < other["rtn"]  # on images that it was not calibrated on


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_values_of_a_file_whose_activations_are_stored_in_4_bits_are_shown(tmp_path, batch, engine):
    pytest.importorskip(engine)

    def rounded(model):
        zero = onnx.helper.make_tensor("zero", onnx.TensorProto.UINT4, [], [0])
        model.graph.initializer.extend([numpy_helper.from_array(np.float32(0.25), "scale"), zero])
        for node in model.graph.node:
            node.input[:] = ["read" if name == "r1" else name for name in node.input]
        made = [("QuantizeLinear", "r1", "codes"), ("DequantizeLinear", "codes", "read")]
        for place, (op, source, name) in enumerate(made, 2):
            model.graph.node.insert(place, onnx.helper.make_node(op, [source, "scale", "zero"], [name]))
        model.opset_import[0].version = 21

    path = make_model(tmp_path / "m.onnx", change=rounded)
    request = BuildRequest(path.read_bytes(), "input", "logits", (3, 16, 16), 4, "sim-w4a4", optimization="disable")
    with engines.build(engine, request) as built:
        values = built.intermediates(batch)
    assert "codes" not in values
    np.testing.assert_allclose(values["read"], np.clip(np.rint(values["r1"] / 0.25), 0, 15) * 0.25, atol=1e-6)

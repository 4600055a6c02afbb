"""Weights alone on 2^X levels: the grid, its scale, its form in ONNX, and what engines make of it."""

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import changed, untidy

from seatrial import calib, engines, exporters
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.simulated_weights import on_odd_grid
from seatrial.engines import BuildRequest
from seatrial.errors import UnsupportedError
from seatrial.exporters.float_view import float_view
from seatrial.exporters.own_precision import SIMULATED_KEY, own_precision

SMALL = exporters.ContractOptions(size=(16, 16))
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
ENGINES = ("onnxruntime", "openvino", "pytorch")


def quantized(model, precision, engine="onnxruntime", **options):
    return calib.quantize(model, precision, engine=engine, images=None, options=QuantizeOptions(**options))


def scores(model, engine):
    request = BuildRequest(
        model.onnx_bytes,
        model.input_name,
        model.output_name,
        model.contract.tensor_shape,
        model.classes,
        precision=model.precision,
        optimization="disable",
    )
    with engines.build(engine, request) as built:
        return built.infer(model.contract.normalise(IMAGES)), built.audit()


def integers_of(model):
    """Name -> the integers behind each DequantizeLinear."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    return {node.output[0]: stored[node.input[0]] for node in model.proto.graph.node if node.op_type[0] == "D"}


@pytest.mark.parametrize("bits", range(1, 11))
def test_the_grid_has_two_to_the_bits_odd_levels(bits):
    rows = np.random.default_rng(bits).uniform(-1, 1, (3, 5000)).astype(np.float32)
    codes, scale = on_odd_grid(rows, bits)
    assert scale.shape == (3, 1)
    assert np.all(codes % 2 == 1)
    assert np.abs(codes).max() == 2**bits - 1
    assert len(np.unique(codes)) == 2**bits
    # Uniform values want the grid that cuts their range into equal parts: an error of a twelfth of a step squared.
    assert np.square(rows - codes * scale).mean() == pytest.approx((2 / 2**bits) ** 2 / 12, rel=0.05)


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_no_other_scale_has_a_smaller_error(bits):
    rows = np.random.default_rng(1).standard_normal((1, 400)).astype(np.float32)
    codes, scale = on_odd_grid(rows, bits)
    found = float(np.square(rows - codes * scale).sum())
    for tried in np.linspace(0.02, 4, 3000) * float(np.abs(rows).max()) / 2**bits:
        levels = np.clip(2 * np.floor(rows / (2 * tried)) + 1, 1 - 2**bits, 2**bits - 1)
        assert found <= float(np.square(rows - levels * tried).sum()) * (1 + 2e-3)


def test_one_bit_is_the_sign_at_the_mean_magnitude():
    rows = np.random.default_rng(2).standard_normal((4, 50)).astype(np.float32)
    codes, scale = on_odd_grid(rows, 1)
    np.testing.assert_array_equal(codes, np.where(rows < 0, -1, 1))
    np.testing.assert_allclose(scale, np.abs(rows).mean(axis=1, keepdims=True), rtol=1e-6)


def test_a_channel_of_zeros_stays_as_good_as_zero():
    codes, scale = on_odd_grid(np.zeros((1, 9), np.float32), 3)
    assert np.abs(codes * scale).max() < 1e-25
    assert np.isfinite(scale).all()


@pytest.mark.parametrize("bits", [1, 2, 7, 8, 10])
def test_every_weight_and_bias_is_on_its_grid_and_engines_agree(tmp_path, bits):
    model = exporters.load(changed(tmp_path / "m.onnx", untidy), contract=SMALL)
    made = quantized(model, f"sim-w{bits}")
    assert made.precision == f"sim-w{bits}"
    assert "BatchNormalization" not in {node.op_type for node in made.proto.graph.node}
    stored = integers_of(made)
    assert len(stored) == 6  # three weights, three biases
    for values in stored.values():
        assert values.dtype == (np.int8 if bits <= 7 else np.int16)
        assert np.all(values % 2 == 1)
        assert np.abs(values.astype(int)).max() <= 2**bits - 1
    assert made.proto.opset_import[0].version >= (13 if bits <= 7 else 21)
    expected = scores(float_view(made), "pytorch")[0]
    assert np.abs(expected - scores(model, "pytorch")[0]).max() > 1e-4  # something was rounded
    for engine in ENGINES:
        found, audit = scores(made, engine)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert audit.realized() == {"fp32": 1.0}


@pytest.mark.parametrize("bits", [1, 4, 7, 8, 10])
def test_the_file_is_read_as_what_it_is_without_its_metadata(tmp_path, bits):
    made = quantized(exporters.load(make_model(tmp_path / "m.onnx"), contract=SMALL), f"sim-w{bits}")
    del made.proto.metadata_props[:]
    assert own_precision(made.proto, tmp_path) == f"sim-w{bits}"
    made.proto.metadata_props.add(key=SIMULATED_KEY, value="sim-w11")  # no word: not believed
    assert own_precision(made.proto, tmp_path) == f"sim-w{bits}"


def perceptron(path, hidden=20):
    """784-20-10 as MatMul and Add, one of two with the constant first."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (784, hidden), "b1": (hidden,), "w2": (hidden, 10), "b2": (10,)}
    weights = [numpy_helper.from_array(rng.uniform(-1, 1, s).astype(np.float32) / 9, n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], name="flat"),
        helper.make_node("MatMul", ["flat", "w1"], ["p1"], name="p1"),
        helper.make_node("Add", ["p1", "b1"], ["a1"], name="a1"),
        helper.make_node("Relu", ["a1"], ["r1"], name="r1"),
        helper.make_node("MatMul", ["r1", "w2"], ["p2"], name="p2"),
        helper.make_node("Add", ["b2", "p2"], ["logits"], name="a2"),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, 28, 28])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])]
    graph = helper.make_graph(nodes, "mlp", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_network_of_products_has_its_biases_rounded_too(tmp_path):
    model = exporters.load(perceptron(tmp_path / "m.onnx"), contract=exporters.ContractOptions(preset="mnist"))
    made = quantized(model, "sim-w2")
    shapes = sorted(values.shape for values in integers_of(made).values())
    assert shapes == [(10,), (20,), (20, 10), (784, 20)]
    kept = quantized(model, "sim-w2", keep_float=("p1",))
    assert sorted(values.shape for values in integers_of(kept).values()) == [(10,), (20, 10)]


def test_what_does_not_apply_is_refused(tmp_path):
    model = exporters.load(make_model(tmp_path / "m.onnx"), contract=SMALL)
    with pytest.raises(UnsupportedError, match="sim-w3 knows no equalize"):
        quantized(model, "sim-w3", equalize=True)
    with pytest.raises(UnsupportedError, match=r"does not simulate sim-w3 on 'gpu'"):
        engines.ENGINES["openvino"].check_offered("sim-w3", "gpu")
    request = BuildRequest(model.onnx_bytes, "input", "logits", (3, 16, 16), 4, optimization="disable")
    with pytest.raises(UnsupportedError, match="only simulated precisions have disable"):
        engines.build("openvino", request)

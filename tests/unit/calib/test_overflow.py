"""16-bit sums of two products: which weights can overflow them, in every form of file, and scales that cannot."""

import itertools

import numpy as np
import onnxruntime
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from small_graphs import Images

from seatrial import calib, exporters
from seatrial.calib.narrow import narrowed
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.overflow import find_overflow, overflows, pair_range
from seatrial.calib.scales import narrow_scales, weight_scales


def worst_sum_of_two(channel):
    """By trial: every pair, every input from 0 to 255 that can matter."""
    extremes = [
        u * int(a) + v * int(b)
        for a, b in itertools.combinations(channel, 2)
        for u, v in itertools.product((0, 255), repeat=2)
    ]
    return min(extremes), max(extremes)


def test_weights_overflow_where_some_pair_of_products_leaves_16_bits():
    rng = np.random.default_rng(0)
    seen = set()
    for spread in (20, 60, 64, 70, 127):
        for _ in range(60):
            channel = rng.integers(-spread, spread + 1, 6).astype(np.int8)
            low, high = worst_sum_of_two(channel)
            expected = low < -32768 or high > 32767
            seen.add(expected)
            assert overflows(channel[None]) is expected, channel
    assert seen == {True, False}


@pytest.mark.parametrize("spread", ["normal", "laplace", "one large", "two large", "alike", "tiny"])
def test_narrow_scales_never_overflow_and_waste_no_more_than_seven_bits(spread):
    rng = np.random.default_rng(1)
    weight = {
        "normal": lambda: rng.standard_normal((200, 27)),
        "laplace": lambda: rng.laplace(size=(200, 9)),
        "one large": lambda: np.concatenate([rng.standard_normal((200, 8)), np.full((200, 1), 9.0)], axis=1),
        "two large": lambda: np.concatenate([rng.standard_normal((200, 8)), np.full((200, 2), -9.0)], axis=1),
        "alike": lambda: np.full((200, 12), 0.37),
        "tiny": lambda: rng.standard_normal((200, 5)) * 1e-30,
    }[spread]().astype(np.float32)
    scale = narrow_scales(weight)
    integers = np.rint(weight / scale[:, None]).astype(np.int64)
    assert pair_range(integers).max() <= 128
    assert np.abs(integers).max() <= 127
    assert (scale <= np.abs(weight).max(axis=1) / 64 * (1 + 1e-6)).all()
    if spread == "one large":  # the whole of 8 bits, where a channel has one large weight alone
        assert np.abs(integers).max(axis=1).mean() > 95


def test_scales_that_a_bias_widens_stay_narrow():
    rng = np.random.default_rng(2)
    weight = rng.standard_normal((50, 18)).astype(np.float32)
    scale = weight_scales(weight, "int8", 0, True, narrow=True).scale
    for factor in (1.001, 1.1, 1.7, 3.0):
        assert pair_range(np.rint(weight / (scale * np.float32(factor))[:, None])).max() <= 128


def test_one_weight_alone_and_no_weight_do_not_overflow():
    assert not overflows(np.array([[127], [-128]], np.int8))
    assert overflows(np.array([[127, 2]], np.int8))
    assert narrow_scales(np.zeros((3, 4), np.float32)).shape == (3,)


@pytest.mark.parametrize(
    ("quantizer", "engine"),
    [
        ("seatrial", "onnxruntime"),
        ("seatrial", "openvino"),
        ("onnxruntime", "onnxruntime"),
        ("nncf", "openvino"),
        ("modelopt", "onnxruntime"),
    ],
)
def test_every_quantizers_portable_file_cannot_overflow(tmp_path, quantizer, engine):
    model = exporters.load(
        make_model(tmp_path / "m.onnx", size=32), contract=exporters.ContractOptions(preset="cifar10")
    )
    images = Images(images=np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), np.uint8))
    files = {
        portable: calib.quantize(
            model,
            "int8",
            engine=engine,
            images=images,
            options=QuantizeOptions(quantizer=quantizer, portable=portable),
            saturates=False,
        )
        for portable in (False, True)
    }
    assert find_overflow(files[True].proto).layers == ()
    if quantizer != "nncf":  # which says int8 of the first layer alone, in a network as small as this
        assert len(find_overflow(files[False].proto).layers) >= 2
    assert find_overflow(files[True].proto).of == find_overflow(files[False].proto).of >= 2


def test_a_file_for_a_processor_that_saturates_is_the_portable_one(tmp_path):
    model = exporters.load(
        make_model(tmp_path / "m.onnx", size=32), contract=exporters.ContractOptions(preset="cifar10")
    )
    images = Images(images=np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8))
    made = [
        calib.quantize(model, "int8", engine="onnxruntime", images=images, options=options, saturates=saturates)
        for options, saturates in (
            (QuantizeOptions(), True),
            (QuantizeOptions(portable=True), False),
            (QuantizeOptions(), False),
        )
    ]
    weights = [[t.raw_data for t in one.proto.graph.initializer] for one in made]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize("options", [{"equalize": True}, {"bias_correction": True}])
def test_what_changes_weights_and_biases_leaves_them_narrow(tmp_path, options):
    model = exporters.load(
        make_model(tmp_path / "m.onnx", size=32), contract=exporters.ContractOptions(preset="cifar10")
    )
    images = Images(images=np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8))
    made = calib.quantize(
        model, "int8", engine="onnxruntime", images=images, options=QuantizeOptions(portable=True, **options)
    )
    assert find_overflow(made.proto).layers == ()


WIDE = np.array([[127, 127, 0, 0], [1, 2, 3, 4]], np.int8)  # the first of two output channels overflows
NARROW = np.array([[64, 64, 127, -128], [1, 2, 3, 4]], np.int8) // np.array([[1, 1, 2, 2], [1] * 4], np.int8)
SCALES = ["s", "z"]


def operator_file(kind, weight):
    """One layer with two output channels of four weights each, in the form `kind`."""
    constants = {
        "w": weight,
        "wt": np.ascontiguousarray(weight.T),
        "w4": weight.reshape(2, 1, 2, 2),
        "wd": np.ascontiguousarray(weight.reshape(2, 4, 1, 1).transpose(1, 0, 2, 3)),
        "s": np.array(0.1, np.float32),
        "z": np.array(0, np.uint8),
        "zw": np.array(0, np.int8),
        "ws": np.array([0.1, 0.1], np.float32),
        "wz": np.zeros(2, np.int8),
        "s16": np.array(0.1, np.float32),
        "z16": np.array(0, np.uint16),
    }
    q = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"])]
    qdq = [*q, helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"])]
    ms = "com.microsoft"
    nodes = {
        "Gemm": [
            *qdq,
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
            helper.make_node("Gemm", ["xd", "wf"], ["y"], transB=1),
        ],
        "MatMul": [
            *qdq,
            helper.make_node("DequantizeLinear", ["wt", "ws", "wz"], ["wf"], axis=1),
            helper.make_node("MatMul", ["xd", "wf"], ["y"]),
        ],
        "MatMul of a Transpose": [
            *qdq,
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
            helper.make_node("Transpose", ["wf"], ["wft"]),
            helper.make_node("MatMul", ["xd", "wft"], ["y"]),
        ],
        "Conv": [
            *qdq,
            helper.make_node("DequantizeLinear", ["w4", "ws", "wz"], ["wf"], axis=0),
            helper.make_node("Conv", ["xd", "wf"], ["y"]),
        ],
        "Conv behind MaxPool": [
            *qdq,
            helper.make_node("MaxPool", ["xd"], ["p"], kernel_shape=[1, 1]),
            helper.make_node("DequantizeLinear", ["w4", "ws", "wz"], ["wf"], axis=0),
            helper.make_node("Conv", ["p", "wf"], ["y"]),
        ],
        "ConvTranspose": [
            *qdq,
            helper.make_node("DequantizeLinear", ["wd", "ws", "wz"], ["wf"], axis=1),
            helper.make_node("ConvTranspose", ["xd", "wf"], ["y"]),
        ],
        "QLinearConv": [*q, helper.make_node("QLinearConv", ["xq", "s", "z", "w4", "ws", "wz", "s", "z"], ["y"])],
        "ConvInteger": [*q, helper.make_node("ConvInteger", ["xq", "w4", "z"], ["y"])],
        "QLinearMatMul": [*q, helper.make_node("QLinearMatMul", ["xq", "s", "z", "wt", "ws", "wz", "s", "z"], ["y"])],
        "MatMulInteger": [*q, helper.make_node("MatMulInteger", ["xq", "wt", "z"], ["y"])],
        "QGemm": [*q, helper.make_node("QGemm", ["xq", "s", "z", "w", "ws", "wz"], ["y"], domain=ms, transB=1)],
        "MatMulIntegerToFloat": [
            *q,
            helper.make_node("MatMulIntegerToFloat", ["xq", "wt", "s", "ws"], ["y"], domain=ms),
        ],
        "DynamicQuantizeMatMul": [helper.make_node("DynamicQuantizeMatMul", ["x", "wt", "ws"], ["y"], domain=ms)],
    }[kind]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(ms, 1)], ir_version=10
    )


FORMS = (
    *("Gemm", "MatMul", "MatMul of a Transpose", "Conv", "Conv behind MaxPool", "ConvTranspose", "QLinearConv"),
    *("ConvInteger", "QLinearMatMul", "MatMulInteger", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"),
)


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_of_an_8_bit_layer_is_read(kind):
    wide, narrow = find_overflow(operator_file(kind, WIDE)), find_overflow(operator_file(kind, NARROW))
    assert (len(wide.layers), wide.of) == (1, 1)
    assert (len(narrow.layers), narrow.of) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "layers"), [("MatMulInteger", 0), ("QLinearConv", 0), ("ConvInteger", 0), ("Gemm", 1), ("Conv", 1)]
)
def test_int8_activations_saturate_in_the_q_dq_form_alone(kind, layers):
    """ONNX Runtime turns those of Q/DQ files into uint8; its operators on int8 have exact kernels."""
    proto = operator_file(kind, WIDE)
    zero = next(tensor for tensor in proto.graph.initializer if tensor.name == "z")
    zero.CopyFrom(numpy_helper.from_array(np.array(0, np.int8), "z"))
    assert len(find_overflow(proto).layers) == layers


@pytest.mark.parametrize("kind", ["Gemm", "Conv", "MatMulInteger"])
def test_channels_are_told_from_inputs(kind):
    """Two large weights of different output channels never meet in a sum."""
    apart = np.array([[127, 0, 0, 0], [0, 127, 0, 0]], np.int8)
    assert find_overflow(operator_file(kind, apart)).layers == ()


def test_a_node_that_runs_in_float_cannot_overflow():
    proto = operator_file("Gemm", WIDE)
    (layer,) = find_overflow(proto).layers
    assert (find_overflow(proto, {layer}).layers, find_overflow(proto, {layer}).of) == ((), 0)


def test_float_layers_and_weights_of_uint8_are_no_such_layers():
    float_input = operator_file("Gemm", WIDE)
    float_input.graph.node[-1].input[0] = "x"  # weights of 8 bits, activations float
    assert find_overflow(float_input).of == 0
    assert find_overflow(operator_file("MatMulInteger", WIDE.view(np.uint8))).of == 0


@pytest.mark.parametrize("kind", ["Gemm", "MatMul", "Conv"])
def test_a_file_is_narrowed_afterwards(kind):
    proto = operator_file(kind, WIDE)
    contract = exporters.ContractOptions(preset="cifar10")
    model = exporters.DeployableModel("m", proto, contract, "x", "y", 2)
    made = narrowed(model).proto
    assert find_overflow(made).layers == ()
    assert find_overflow(proto).layers  # the given one stays as it was
    onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    reader = exporters.quantized.Reader
    name = proto.graph.node[-1].input[1]
    before, after = reader(proto.graph).value(name), reader(made.graph).value(name)
    np.testing.assert_allclose(before, after, atol=0.1 * 127 / 64 / 2 + 1e-6)

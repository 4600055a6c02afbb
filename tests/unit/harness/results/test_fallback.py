"""Why a layer fell back: each reason on a real engine, built from a file that is wrong on purpose, and not without."""

import copy
import dataclasses

import numpy as np
import onnx
import pytest
from counted_graphs import CASES
from onnx import TensorProto, helper, numpy_helper
from small_graphs import CONTRACT, Images, Net, build

from seatrial import calib, engines, exporters
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.calib.static import quantize_static
from seatrial.engines import Audit, BuildRequest, Layer
from seatrial.engines.cpu import processor
from seatrial.harness.results.fallback import UNEXPLAINED, Explanation, Where, describe_fallback, explain
from seatrial.harness.results.fallback.facts import FileFacts

ORT8 = calib.recipe_for("onnxruntime", "int8")
OPENVINO8 = calib.recipe_for("openvino", "int8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def residual(folder):
    return build("residual", folder)


@pytest.fixture(scope="module")
def good(residual):
    """The residual network as ONNX Runtime wants it."""
    return calib.quantize(residual, "int8", engine="onnxruntime", images=Images())


@pytest.fixture(scope="module")
def good_openvino(residual):
    return calib.quantize(residual, "int8", engine="openvino", images=Images())


def reasons(model, engine="onnxruntime", precision="int8", optimization="all"):
    """Name of the node -> reason, of the layers that fell back; and of how many layers."""
    request = BuildRequest(
        model.onnx_bytes,
        model.input_name,
        model.output_name,
        (3, *model.contract.size),
        model.classes,
        precision,
        optimization=optimization,
    )
    with engines.build(engine, request) as built:
        audit, options = built.audit(), built.describe()
    found = explain(audit, model, Where(engine, "cpu", processor().is_x86), options)
    fallen = {why.node: why.reason for why in found if why is not None}
    as_requested = [layer for layer in audit.layers if layer.realized == layer.requested]
    assert len(fallen) + len(as_requested) == len(audit.layers)
    return fallen


def changed(model, change, opset=None):
    """The model with its graph edited in place by `change`."""
    proto = copy.deepcopy(model.proto)
    if opset is not None:
        proto.opset_import[0].version = opset
    change(proto.graph)
    return dataclasses.replace(model, proto=proto)


def named(graph, name):
    return next(node for node in graph.node if node.name == name)


def maker(graph, value):
    return next(node for node in graph.node if value in node.output)


def add(graph, name, array):
    graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return name


def without_input_pair(graph):
    node = named(graph, "a2")
    node.input[0] = maker(graph, maker(graph, node.input[0]).input[0]).input[0]


def with_float_weights(graph):
    named(graph, "a2").input[1] = add(graph, "w", np.full((8, 8, 3, 3), 0.01, np.float32))


def with_four_bit_weights(graph):
    dequantize = maker(graph, named(graph, "a2").input[1])
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values = np.clip(constants[dequantize.input[0]] // 16, -8, 7)
    graph.initializer.append(helper.make_tensor("w4", TensorProto.INT4, values.shape, values.flatten().tolist()))
    scale = add(graph, "s4", constants[dequantize.input[1]] * np.float32(16))
    del dequantize.input[:]
    dequantize.input.extend(["w4", scale])


def with_computed_weights(graph):
    """Integers to which a zero is added that hangs on the input."""
    dequantize = maker(graph, named(graph, "a2").input[1])
    add(graph, "nothing", np.float32(0))
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["largest"], name="largest", keepdims=0),
        helper.make_node("Mul", ["largest", "nothing"], ["zero"], name="zero"),
        helper.make_node("Cast", ["zero"], ["zero8"], name="cast", to=TensorProto.INT8),
        helper.make_node("Add", [dequantize.input[0], "zero8"], ["computed"], name="sum"),
    ]
    position = list(graph.node).index(dequantize)
    dequantize.input[0] = "computed"
    for node in reversed(nodes):
        graph.node.insert(position, node)


def read_in_float_too(graph):
    graph.node.append(helper.make_node("ReduceMean", [named(graph, "a2").output[0]], ["mean"], name="m", keepdims=0))
    graph.output.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, []))


def test_a_file_in_the_right_form_has_nothing_to_explain(good, good_openvino):
    assert reasons(good) == {}
    assert reasons(good_openvino, "openvino") == {}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_float_file_is_told_of(residual, engine):
    found = reasons(residual, engine)
    assert len(found) == 7
    assert set(found.values()) == {"the file is a float model: it has no Q/DQ nodes"}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_nodes_that_calibration_left_in_float_are_told_of(residual, engine):
    kept = calib.quantize(residual, "int8", engine=engine, images=Images(), options=QuantizeOptions(keep_float=("b1",)))
    assert reasons(kept, engine)["b1"] == "left in float in the file (--keep-float)"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_input_without_a_pair_is_told_of(good, good_openvino, engine):
    wrong = changed(good if engine == "onnxruntime" else good_openvino, without_input_pair)
    assert reasons(wrong, engine)["a2"] == "no Q/DQ on its input"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_float_weights_are_told_of(good, good_openvino, engine):
    wrong = changed(good if engine == "onnxruntime" else good_openvino, with_float_weights)
    assert reasons(wrong, engine) == {"a2": "its weights are float in the file: no Q/DQ on them"}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_four_bit_weights_of_a_convolution_are_told_of(good, good_openvino, engine):
    wrong = changed(good if engine == "onnxruntime" else good_openvino, with_four_bit_weights, opset=21)
    assert reasons(wrong, engine) == {
        "a2": f"4-bit weights of a convolution: {engine} dequantizes them and computes in float"
    }


def test_weights_that_are_computed_are_told_of(good, good_openvino):
    """ONNX Runtime's integer convolution takes them as they come."""
    assert reasons(changed(good, with_computed_weights)) == {}
    found = reasons(changed(good_openvino, with_computed_weights), "openvino")
    assert found == {"a2": "its quantized weights are computed, not constants"}


def test_a_result_that_is_read_in_float_is_told_of(good):
    found = reasons(changed(good, read_in_float_too))
    assert list(found) == ["a2"]
    assert found["a2"].startswith("its result is read in float")


def test_a_file_for_another_engine_is_told_of(good_openvino):
    """OpenVINO wants no pairs behind operators, ONNX Runtime does; and its Gemm an int32 bias."""
    found = reasons(good_openvino)
    assert found["a2"].startswith("its result is read in float")
    assert found["fc"].startswith("a float bias, and a result that is read in float")


def test_the_optimisation_level_is_told_of(good):
    for level in ("disable", "basic"):
        found = reasons(good, optimization=level)
        assert len(found) == 7
        assert all(why.startswith(f"--optimization {level}: ") for why in found.values())
    assert reasons(good, optimization="extended") == {}


@pytest.mark.skipif(not processor().is_x86, reason="what ONNX Runtime does with int8 activations on x86")
def test_symmetric_activations_are_told_of(residual):
    symmetric = dataclasses.replace(ORT8, activation_type="int8", symmetric_activations=True)
    found = reasons(quantize_static(Request(residual, symmetric, Images(), QuantizeOptions())))
    # What reads a value that others read, too: the first convolution of a block, and the one on the shortcut.
    assert set(found) == {"a1", "b1", "shortcut"}
    assert all(why.startswith("int8 activations that several operators read") for why in found.values())


@pytest.mark.skipif(not processor().is_x86, reason="what ONNX Runtime does with int8 activations on x86")
def test_int8_values_with_one_reader_are_no_reason(residual):
    symmetric = dataclasses.replace(ORT8, activation_type="int8", symmetric_activations=True)
    wrong = quantize_static(Request(residual, symmetric, Images(), QuantizeOptions()))

    def own_pair_for_the_shortcut(graph):
        adder = named(graph, "add1")
        dequantize = maker(graph, adder.input[1])
        quantize = maker(graph, dequantize.input[0])
        scale = next(numpy_helper.to_array(t) for t in graph.initializer if t.name == quantize.input[1])
        own = [copy.deepcopy(quantize), copy.deepcopy(dequantize)]
        add(graph, "own_scale", scale * np.float32(1.25))
        own[0].input[1] = own[1].input[1] = "own_scale"
        own[0].output[0] = own[1].input[0] = "own_quantized"
        own[1].output[0] = adder.input[1] = "own_value"
        own[0].name, own[1].name = "own_q", "own_dq"
        position = list(graph.node).index(named(graph, "add1"))
        for node in reversed(own):
            graph.node.insert(position, node)

    assert set(reasons(changed(wrong, own_pair_for_the_shortcut))) == {"b1", "shortcut"}


def test_a_relu_that_its_zero_point_does_not_fold_is_told_of(residual):
    symmetric = dataclasses.replace(ORT8, activation_type="int8", symmetric_activations=True)
    wrong = calib.quantizers.quantizer_for(symmetric, QuantizeOptions())(
        Request(residual, symmetric, Images(), QuantizeOptions())
    )
    found = reasons(wrong)
    assert {name for name, why in found.items() if why.startswith("a Relu between it and its Q/DQ")} == {
        "stem",
        "a1",
        "b1",
    }


def test_unsigned_weights_are_told_of(residual):
    unsigned = dataclasses.replace(OPENVINO8, weight_type="uint8", symmetric_weights=False)
    wrong = quantize_static(Request(residual, unsigned, Images(), QuantizeOptions()))
    found = reasons(wrong, "openvino")
    assert len(found) == 7
    assert set(found.values()) == {"uint8 weights: OpenVINO's integer kernels take int8 ones"}


def test_openvinos_joined_kernels_are_told_of(folder):
    model = calib.quantize(build("perceptron", folder), "int8", engine="openvino", images=Images())
    found = reasons(model, "openvino")
    joined = {"hidden": "OpenVINO joined it with its neighbours to a Subgraph kernel, which computes in float"}
    # Where the processor has AVX2 alone, OpenVINO joins nothing, and all layers run in int8 (`reasons` counts them).
    assert found == (joined if "avx512f" in processor().features else {})


def test_a_product_of_two_activations_is_told_of(tmp_path):
    net = Net()
    value = net.conv("input", 3, 4, stride=4, name="stem")
    rows = net.op("Reshape", value, net.constant(np.array([0, 4, 16], np.int64)), name="rows")
    turned = net.op("Transpose", rows, name="turned", perm=[0, 2, 1])
    product = net.op("MatMul", rows, turned, name="product")
    flat = net.op("Flatten", product, name="flat")
    net.op("Gemm", flat, net.weight(4, 16), net.constant(np.zeros(4, np.float32)), name="fc", out="logits", transB=1)
    model = calib.quantize(net.save(tmp_path / "m.onnx"), "int8", engine="openvino", images=Images())
    found = reasons(model, "openvino")
    assert found["product"].startswith("a product of two activations with a zero point other than 0")


def int4_model(tmp_path, *, op="Gemm", transposed=False, block=16, axis=0):
    """A convolution and a product by 4-bit weights."""
    rng = np.random.default_rng(0)
    inner, classes = 64, 4
    shape = (classes, inner) if transposed else (inner, classes)
    scales = [extent // block if index == axis else extent for index, extent in enumerate(shape)]
    values = rng.integers(-8, 8, shape)
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], name="conv", strides=[4, 4]),
        helper.make_node("Flatten", ["c"], ["f"], name="flat"),
    ]
    nodes += [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], name="dq", axis=axis, block_size=block),
        helper.make_node(op, ["f", "d"], ["logits"], name="fc", **({"transB": 1} if transposed else {})),
    ]
    zeros = helper.make_tensor("z", TensorProto.INT4, scales, [0] * int(np.prod(scales)))
    initializers = [
        numpy_helper.from_array(rng.standard_normal((4, 3, 4, 4)).astype(np.float32), "w"),
        numpy_helper.from_array(np.full(scales, 0.1, np.float32), "s"),
        zeros,
    ]
    initializers.append(helper.make_tensor("q", TensorProto.INT4, shape, values.flatten().tolist()))
    graph = helper.make_graph(
        nodes,
        "int4",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        initializers,
    )
    path = tmp_path / "int4.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return exporters.load(path, contract=exporters.ContractOptions(size=(16, 16)))


CONVOLUTION = "a convolution, not MatMul or Gemm: weight-only int4 does not touch it"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, None),
        ({"op": "MatMul"}, None),
        ({"transposed": True, "axis": 1}, "4-bit weights of a Gemm with transB=1"),
        ({"block": 8}, "4-bit weights in blocks of 8 along axis 0"),
        ({"op": "MatMul", "block": 2, "axis": 1}, "4-bit weights in blocks of 2 along axis 1"),
    ],
)
def test_what_int4_does_not_touch_is_told_of(tmp_path, options, why):
    found = reasons(int4_model(tmp_path, **options), precision="int4")
    assert found.pop("conv") == CONVOLUTION
    assert [text.startswith(why) for text in found.values()] == ([] if why is None else [True])


def test_int4_at_a_low_optimisation_level_is_told_of(tmp_path):
    found = reasons(int4_model(tmp_path), precision="int4", optimization="disable")
    assert found["fc"].startswith("--optimization disable: ONNX Runtime makes MatMulNBits")


def test_a_product_that_is_fused_before_it_is_int4_is_told_of(folder):
    model = calib.quantize(build("perceptron", folder), "int4", engine="onnxruntime", images=Images())
    found = reasons(model, precision="int4")
    assert found["hidden"].startswith("joined with the bias and the activation behind it to a FusedGemm")
    assert "fc" not in found


def test_weights_that_int4_left_in_float_are_told_of(folder):
    model = calib.quantize(
        build("perceptron", folder),
        "int4",
        engine="onnxruntime",
        images=Images(),
        options=QuantizeOptions(keep_float=("fc",)),
    )
    assert reasons(model, precision="int4")["fc"] == "left in float in the file (--keep-float)"


def test_openvinos_hint_is_told_of(residual, monkeypatch):
    monkeypatch.setitem(engines.openvino._HINTS, "fp32", "bf16")
    try:
        found = reasons(residual, "openvino", "fp32")
    except engines.openvino.UnsupportedError:
        pytest.skip("this processor has no bfloat16 instructions")
    assert set(found.values()) == {"INFERENCE_PRECISION_HINT is bf16"}


def test_a_missing_hint_is_told_of(residual):
    audit = Audit((Layer("a1", "Convolution (brgconv_avx512_bf16)", 9, "fp32", "bf16"),), {})
    found = explain(audit, residual, Where("openvino", "cpu", processor().is_x86), {"settings": {}})
    assert found[0].reason.startswith("INFERENCE_PRECISION_HINT is not set")


def test_float16_weights_are_told_of(residual):
    """A graph that computes in float16 inside, asked for as fp32."""
    half = calib.quantize(residual, "fp16", engine="tensorrt", images=None)
    found = reasons(half, "pytorch", "fp32")
    assert found
    assert set(found.values()) == {"its weights are fp16 in the file"}


def test_what_nothing_explains_is_not_explained(good):
    audit = Audit(
        (
            Layer("a1", "Conv", 9, "int8", "fp32"),
            Layer("no such node", "Conv", 9, "int8", "fp32"),
            Layer("a2", "QLinearConv", 9, "int8", "int8"),
            Layer("not shown by the runtime model", "unknown", 9, "int8", "unknown"),
        ),
        {},
    )
    found = explain(audit, good, Where("onnxruntime", "cpu", processor().is_x86), {"optimization": "all"})
    assert found == [
        Explanation("a1", UNEXPLAINED),
        Explanation(None, UNEXPLAINED),
        None,
        Explanation(None, "the runtime does not show where this work runs"),
    ]


def test_another_devices_rules_are_not_applied(good_openvino):
    """What is known of the CPU provider says nothing of a GPU."""
    audit = Audit((Layer("a2", "Conv", 9, "int8", "fp32"),), {})
    assert explain(audit, good_openvino, Where("onnxruntime", "cuda:0", processor().is_x86), {}) == [
        Explanation("a2", UNEXPLAINED)
    ]


@pytest.mark.parametrize(
    ("layer", "node"),
    [
        ("a1", "a1"),
        ("a1_token_14", "a1"),
        ("a1_out_nchwc", "a1"),
        ("fused fc/MatMulAddFusion", "fc"),
        ("a1 + relu3", "a1"),
        ("nothing + a1", "a1"),
        ("relu3_out_nchwc", "a1"),
        ("relu3", "a1"),
        ("add1", None),
        ("pool", None),
        ("a11", None),
    ],
)
def test_layers_are_found_by_what_runtimes_call_them(residual, layer, node):
    found = FileFacts(residual.proto).node(layer)
    assert (found and found.name) == node


def test_shares_are_of_all_the_work_and_the_largest_stands_first():
    def layer(name, macs, realized, why):
        return {"name": name, "op": "Conv", "macs": macs, "requested": "int8", "realized": realized, "reason": why}

    found = describe_fallback(
        [
            layer("a", 12, "fp32", "x"),
            layer("b", 38, "int8", None),
            layer("c", 30, "fp32", "y"),
            layer("d", 20, "bf16", "x"),
        ]
    )
    assert found["share"] == 0.62
    assert [(one["reason"], one["layers"], one["share"]) for one in found["reasons"]] == [("x", 2, 0.32), ("y", 1, 0.3)]
    assert [one["name"] for one in found["layers"]] == ["c", "d", "a"]
    assert describe_fallback([layer("b", 40, "int8", None)]) is None
    assert describe_fallback([]) is None


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_what_only_one_runtime_has_integer_kernels_of_is_told(tmp_path, engine):
    """A float product, an Einsum and a ConvTranspose behind an int8 convolution."""
    case = next(case for case in CASES if case.name == "int8-then-float")
    proto = case.model()
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4 * 32 * 32
    onnx.save(proto, tmp_path / "m.onnx")
    found = reasons(exporters.load(tmp_path / "m.onnx", contract=CONTRACT), engine)
    float_weights = "its weights are float in the file: no Q/DQ on them"
    kernels = {"matmul8": "MatMul", "einsum10": "Einsum", "convtranspose14": "ConvTranspose"}
    assert found == {
        node: float_weights
        if engine == "openvino" or kind == "MatMul"
        else f"ONNX Runtime makes no integer kernel of {kind}"
        for node, kind in kernels.items()
    }

"""Which value of a quantized file stands for which value of the original graph."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import Images, build

from seatrial import calib
from seatrial.calib import QuantizeOptions
from seatrial.exporters.float_view import float_view
from seatrial.harness.diff.points import layers_of, points_of, rounded_values


def quantized(model, engine, precision, quantizer="seatrial"):
    options = QuantizeOptions(quantizer=quantizer)
    return calib.quantize(model, precision, engine=engine, images=Images(), options=options).proto.graph


def readers(graph, value):
    return {node.name for node in graph.node if value in node.input}


def test_a_graph_is_its_own_partner(tmp_path):
    graph = build("residual", tmp_path).proto.graph
    found = points_of(graph, graph)
    assert set(found) == {"input", *(name for node in graph.node for name in node.output)}
    assert all(point.computed == name and point.read is None for name, point in found.items())


# TensorRT's file leaves layers of 8 channels in float.
@pytest.mark.parametrize(
    ("engine", "value", "layer"),
    [("onnxruntime", "relu1_out", "a1"), ("openvino", "relu1_out", "a1"), ("tensorrt", "relu6_out", "b1")],
)
def test_what_the_next_layer_reads_is_found(tmp_path, engine, value, layer):
    model = build("residual", tmp_path)
    side = quantized(model, engine, "int8")
    found = points_of(model.proto.graph, side)
    assert set(found) == {"input", *(name for node in model.proto.graph.node for name in node.output)}
    assert layer in readers(side, found[value].read)
    assert "stem" in readers(side, found["input"].read)
    assert found["logits"].read is None
    assert found["stem_out"].computed == "stem_out"


def test_behind_onnxruntimes_quantizer_a_relu_is_gone_and_its_input_without_a_partner(tmp_path):
    model = build("residual", tmp_path)
    found = points_of(model.proto.graph, quantized(model, "onnxruntime", "int8", "onnxruntime"))
    assert "stem_out" not in found
    assert found["relu1_out"].computed is None
    assert found["relu1_out"].read == "relu1_out_DequantizeLinear_Output"
    assert found["relu1_out"].limits is None
    assert (found["logits"].computed, found["logits"].read) == ("logits_QuantizeLinear_Input", "logits")


def test_a_relu_that_was_taken_out_is_its_stand_in_in_the_files_own_float_form(tmp_path):
    side = calib.quantize(
        build("residual", tmp_path),
        "int8",
        engine="onnxruntime",
        images=Images(),
        options=QuantizeOptions(quantizer="onnxruntime"),
    )
    view = float_view(side).proto.graph
    cut = next(node for node in view.node if node.op_type == "Clip" and node.input[0] == "relu1_out")
    found = points_of(view, side.proto.graph)
    assert (found["relu1_out"].computed, found["relu1_out"].read) == ("relu1_out", None), "not cut yet on either side"
    assert found[cut.output[0]].read == "relu1_out_DequantizeLinear_Output"


def test_fake_quantization_ends_behind_its_clip(tmp_path):
    model = build("residual", tmp_path)
    side = quantized(model, "onnxruntime", "sim-w4a4")
    point = points_of(model.proto.graph, side)["relu1_out"]
    clip = next(node for node in side.node if node.output[0] == point.read)
    assert clip.op_type == "Clip"
    low, high = point.limits
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in side.initializer}
    step = float(constants["relu1_out_4bit_scale"])
    assert high == pytest.approx(float(constants[clip.input[2]]) + step / 2)
    assert high - low == pytest.approx(16 * step, rel=1e-5)


def test_limits_are_half_a_step_beyond_the_grid(tmp_path):
    model = build("residual", tmp_path)
    side = quantized(model, "openvino", "int8")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in side.initializer}
    scale, zero = float(constants["input_scale"]), int(constants["input_zero_point"])
    low, high = points_of(model.proto.graph, side)["input"].limits
    assert low == pytest.approx((0 - zero - 0.5) * scale)
    assert high == pytest.approx((255 - zero + 0.5) * scale)


def test_other_words_for_rounded_values_do_not_matter(tmp_path):
    """As NNCF and Model Optimizer call them, several readers with a pair each, and a pair per channel."""
    nodes = [
        helper.make_node("Relu", ["input"], ["a"], name="first"),
        helper.make_node("QuantizeLinear", ["a", "s", "z"], ["q_output_a_1"], name="q1"),
        helper.make_node("DequantizeLinear", ["q_output_a_1", "s", "z"], ["dq_output_a_1"], name="d1"),
        helper.make_node("Abs", ["dq_output_a_1"], ["b"], name="second"),
        helper.make_node("QuantizeLinear", ["b", "many", "zeros"], ["codes"], name="q2", axis=1),
        helper.make_node("DequantizeLinear", ["codes", "many", "zeros"], ["fourth"], name="d2", axis=1),
        helper.make_node("Neg", ["fourth"], ["logits"], name="third"),
    ]
    constants = [
        numpy_helper.from_array(np.array(0.5, np.float32), "s"),
        numpy_helper.from_array(np.array(0, np.uint8), "z"),
        numpy_helper.from_array(np.full(3, 0.5, np.float32), "many"),
        numpy_helper.from_array(np.zeros(3, np.uint8), "zeros"),
    ]
    original = graph_of([nodes[0], node("Abs", "a", "b", "second"), node("Neg", "b", "logits", "third")])
    found = points_of(original, graph_of(nodes, constants))
    assert (found["a"].computed, found["a"].read, found["a"].limits) == ("a", "dq_output_a_1", (-0.25, 127.75))
    assert (found["b"].read, found["b"].limits) == ("fourth", None)
    assert rounded_values(graph_of(nodes, constants)) == {"dq_output_a_1", "fourth"}


def test_layers_are_what_depends_on_images_and_is_no_integer():
    nodes = [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("Relu", ["input"], ["a"]),
        helper.make_node("Neg", ["weights"], ["constant"]),
        helper.make_node("Add", ["a", "constant"], ["b"], name="plus"),
        helper.make_node("Reshape", ["b", "shape"], ["logits"], name="shaped"),
    ]
    graph = graph_of(nodes, [numpy_helper.from_array(np.ones((1, 3), np.float32), "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    found = layers_of(model, "input")
    assert [(layer.value, layer.node, layer.inputs) for layer in found] == [
        ("a", "Relu_a", ("input",)),
        ("b", "plus", ("a", "")),
        ("logits", "shaped", ("b", "shape")),
    ]
    assert found[0].readers == ("plus",)


def node(kind, source, target, name):
    return helper.make_node(kind, [source], [target], name=name)


def graph_of(nodes, constants=()):
    return helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3])],
        [onnx.ValueInfoProto(name="logits")],
        list(constants),
    )

"""Where Q/DQ nodes stand in the two styles, and the form they have."""

import dataclasses

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import TensorProto
from onnx_files import untidy
from small_graphs import ALL, Images, Net, build

from seatrial import calib, exporters
from seatrial.calib.fold import prepare
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.points import find_places
from seatrial.calib.quantizers import Request, quantizer_for

CHAIN = calib.recipe_for("onnxruntime", "int8")
BEFORE = dataclasses.replace(
    CHAIN,
    engine="accelerator",
    activation_type="int8",
    symmetric_activations=True,
    quantize_bias=False,
    quantize_outputs=False,
)
FLOAT8 = dataclasses.replace(BEFORE, precision="fp8", activation_type="float8e4m3fn", weight_type="float8e4m3fn")


def quantize(model, recipe, images=None, **options):
    asked = QuantizeOptions(**options)
    return quantizer_for(recipe, asked)(Request(model, recipe, images or Images(), asked))


def graph_of(model):
    return Graph(model.proto.graph)


class Graph:
    """A graph with its nodes by name and its constants by value."""

    def __init__(self, graph):
        self.nodes = {node.name: node for node in graph.node}
        self.made_by = {name: node for node in graph.node for name in node.output}
        self.constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        self.readers = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def kind_before(self, node, position=0):
        made = self.made_by.get(self.nodes[node].input[position])
        return None if made is None else made.op_type

    def kinds_behind(self, node):
        return [user.op_type for user in self.readers.get(self.nodes[node].output[0], [])]

    def scale_before(self, node, position=0):
        return self.constants[self.made_by[self.nodes[node].input[position]].input[1]]

    def count(self, kind):
        return sum(node.op_type == kind for node in self.nodes.values())


def activations(model, recipe, keep_float=()):
    proto = onnx.load_model_from_string(model.onnx_bytes)
    prepare(proto.graph)
    return {one.name: one for one in find_places(proto.graph, recipe, keep_float).activations}


def test_a_chain_has_one_pair_behind_every_operator_and_none_inside(tmp_path):
    found = activations(build("residual", tmp_path), CHAIN)
    assert "stem_out" not in found  # the Relu is part of the convolution
    assert "add1_out" not in found
    assert {"input", "a2_out", "b2_out", "shortcut_out", "pool_out"} <= found.keys()
    assert "logits" not in found
    assert all(one.readers is None for name, one in found.items() if name != "input")


def test_before_multiplying_there_is_a_pair_and_on_one_operand_of_a_residual_add(tmp_path):
    graph = graph_of(quantize(build("residual", tmp_path), BEFORE))
    for name in ("stem", "a1", "a2", "b1", "b2", "shortcut", "fc"):
        assert graph.kind_before(name, 0) == "DequantizeLinear"
        assert graph.kind_before(name, 1) == "DequantizeLinear"
    assert graph.kind_before("add1", 0) == "Conv"  # that it fuses into
    assert graph.kind_before("add1", 1) == "DequantizeLinear"
    assert sorted([graph.kind_before("add2", 0), graph.kind_before("add2", 1)]) == ["Conv", "DequantizeLinear"]
    # The stem's value is read by a1, and by the Add as its shortcut: rounded once.
    assert graph.made_by[graph.nodes["a1"].input[0]] == graph.made_by[graph.nodes["add1"].input[1]]
    assert graph.kind_before("pool") == "Relu"


def test_without_residuals_an_add_reads_floats(tmp_path):
    recipe = dataclasses.replace(BEFORE, quantize_residuals=False)
    graph = graph_of(quantize(build("residual", tmp_path), recipe))
    assert [graph.kind_before("add1", 0), graph.kind_before("add1", 1)] == ["Conv", "Relu"]


@pytest.mark.parametrize("recipe", [CHAIN, BEFORE, FLOAT8], ids=["chain", "before", "float8"])
@pytest.mark.parametrize("name", ALL)
def test_weights_are_constants_directly_before_their_dequantizing(tmp_path, name, recipe):
    model = quantize(build(name, tmp_path), recipe)
    onnx.checker.check_model(model.proto, full_check=True)
    graph = graph_of(model)
    kind = {"int8": np.dtype(np.int8)}.get(recipe.weight_type)
    for node in graph.nodes.values():
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            dequantize = graph.made_by[node.input[1]]
            weight = graph.constants[dequantize.input[0]]
            assert dequantize.op_type == "DequantizeLinear"
            assert weight.dtype == (kind or weight.dtype)
            assert weight.dtype.name in ("int8", "float8_e4m3fn")
            (axis,) = (attribute.i for attribute in dequantize.attribute if attribute.name == "axis")
            assert graph.constants[dequantize.input[1]].shape == (weight.shape[axis],)
            if kind is not None:
                assert weight.min() >= -127
                assert (
                    np.abs(weight.astype(int)).max(axis=tuple(i for i in range(weight.ndim) if i != axis)) == 127
                ).all()


def test_a_bias_is_int32_at_input_times_weight_or_stays_float(tmp_path):
    model = build("residual", tmp_path)
    graph = graph_of(quantize(model, CHAIN))
    dequantize = graph.made_by[graph.nodes["a1"].input[2]]
    codes, scale = (graph.constants[name] for name in dequantize.input[:2])
    assert codes.dtype == np.int32
    np.testing.assert_allclose(scale, graph.scale_before("a1", 0) * graph.scale_before("a1", 1), rtol=1e-6)
    original = {one.name: onnx.numpy_helper.to_array(one) for one in model.proto.graph.initializer}
    (a1,) = (node for node in model.proto.graph.node if node.name == "a1")
    np.testing.assert_allclose(codes * scale, original[a1.input[2]], atol=float(scale.max()))
    assert graph_of(quantize(model, BEFORE)).nodes["a1"].input[2] == a1.input[2]


def test_values_that_are_only_moved_keep_their_scale(tmp_path):
    graph = graph_of(quantize(build("branches", tmp_path), CHAIN))
    assert graph.scale_before("maxpool") == graph.scale_before("cut") == graph.scale_before("left")
    assert graph.scale_before("maxpool") == graph.scale_before("pad")
    assert graph.scale_before("turn") == graph.scale_before("last")


def test_padding_with_another_value_has_its_own_scale(tmp_path):
    def padded(value):
        net = Net()
        first = net.op("Relu", net.conv("input", 3, 8, name="stem"))
        pads = net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        wide = net.op("Pad", first, pads, net.constant(np.array(value, np.float32)), name="pad")
        net.head(net.op("Relu", net.conv(wide, 8, 8, name="last")), 8)
        return graph_of(quantize(net.save(tmp_path / f"{value}.onnx"), CHAIN))

    same, other = padded(0.0), padded(500.0)
    assert same.scale_before("pad") == same.scale_before("last")
    assert other.scale_before("last") == pytest.approx(500 / 255, rel=1e-5)


def test_a_clip_from_zero_is_part_of_the_convolution_and_another_is_not(tmp_path):
    graph = graph_of(quantize(build("convolutional", tmp_path), CHAIN))
    assert graph.kinds_behind("stem") == ["Clip"]
    assert graph.kinds_behind("relu6") == ["QuantizeLinear"]
    assert graph.kinds_behind("middle") == ["QuantizeLinear"]
    assert graph.kind_before("hardtanh") == "DequantizeLinear"


def test_scores_stay_float_unless_a_convolution_gives_them(tmp_path):
    for name in ("residual", "convolutional", "perceptron"):
        graph = graph_of(quantize(build(name, tmp_path), CHAIN))
        assert graph.made_by["logits"].op_type not in ("DequantizeLinear", "QuantizeLinear")


def test_a_convolution_may_give_the_scores_itself(tmp_path):
    net = Net()
    value = net.op("Relu", net.conv("input", 3, 8, stride=4, name="stem"))
    scores = net.op("Conv", value, net.weight(4, 8, 4, 4), name="last")
    net.op("Reshape", scores, net.constant(np.array([0, 4], np.int64)), name="reshape", out="logits")
    graph = graph_of(quantize(net.save(tmp_path / "m.onnx"), CHAIN))
    assert graph.kinds_behind("last") == ["QuantizeLinear"]
    assert graph.made_by["logits"].op_type == "Reshape"


@pytest.mark.parametrize("recipe", [CHAIN, BEFORE], ids=["chain", "before"])
def test_a_node_kept_in_float_has_float_operands_and_weights(tmp_path, recipe):
    model = build("residual", tmp_path)
    graph = graph_of(quantize(model, recipe, keep_float=("a2",)))
    assert graph.kind_before("a2", 1) is None
    assert graph.constants[graph.nodes["a2"].input[1]].dtype == np.float32
    assert graph.kind_before("a1", 1) == "DequantizeLinear"


def test_operands_that_are_constants_are_rounded_like_the_values_they_meet(tmp_path):
    graph = graph_of(quantize(build("perceptron", tmp_path), CHAIN))
    dequantize = graph.made_by[graph.nodes["plus"].input[1]]
    assert graph.constants[dequantize.input[0]].dtype == np.uint8


@pytest.mark.parametrize("recipe", [CHAIN, BEFORE], ids=["chain", "before"])
def test_shapes_that_the_graph_computes_are_not_quantized(tmp_path, recipe):
    """Shape, Gather and Concat of integers lead to a Reshape between two layers."""
    path = make_model(tmp_path / "m.onnx", change=untidy)
    model = exporters.load(path, contract=exporters.ContractOptions(size=(16, 16)))
    quantized = quantize(model, recipe)
    onnx.checker.check_model(quantized.proto, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(quantized.proto, strict_mode=True).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input)}
    rounded = [node.input[0] for node in quantized.proto.graph.node if node.op_type == "QuantizeLinear"]
    assert rounded
    assert {kinds[name] for name in rounded if name in kinds} == {TensorProto.FLOAT}


def test_layers_without_a_fast_kernel_stay_float_where_the_recipe_says_so(tmp_path):
    path = make_model(tmp_path / "m.onnx")  # 3 -> 16 -> 32 channels
    model = exporters.load(path, contract=exporters.ContractOptions(size=(16, 16)))
    few = dataclasses.replace(BEFORE, tactics="fp8")
    assert {"input", "r1", "pooled"} == activations(model, BEFORE).keys()
    assert "input" not in activations(model, few)
    assert "r1" not in activations(model, few)

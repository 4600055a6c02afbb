"""Weights that a graph makes from constants: what folds, what must not, and that all of it is quantized."""

import time
import tracemalloc

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import CONTRACT, SIZE, Images, Net

from seatrial import calib, exporters
from seatrial.calib import QuantizeOptions
from seatrial.calib.warn import kept_float_of
from seatrial.engines import places
from seatrial.exporters.float_view import float_view
from seatrial.exporters.folding import LEAST_BYTES, fold_constants
from seatrial.harness.plan.request import build_request

SHAPE = (8, 3, 3, 3)


def stored(net, value, kind=np.float32):
    return net.constant(np.asarray(value, kind))


def shape(net, *extents):
    return net.constant(np.array(extents, np.int64))


def dequantized(net, weight):
    """int8 values and float16 scales, as files that only save space have them."""
    scale = (np.abs(weight).max(axis=(1, 2, 3)) / 127).astype(np.float16)
    codes = np.rint(weight / scale.astype(np.float32)[:, None, None, None]).clip(-127, 127)
    half = net.op("DequantizeLinear", stored(net, codes, np.int8), stored(net, scale, np.float16), axis=0)
    return net.op("Cast", half, to=TensorProto.FLOAT)


def standardized(net, weight):
    mean = net.op("ReduceMean", stored(net, weight), shape(net, 1, 2, 3))
    centred = net.op("Sub", stored(net, weight), mean)
    size = net.op("Sqrt", net.op("ReduceMean", net.op("Mul", centred, centred), shape(net, 1, 2, 3)))
    return net.op("Div", centred, net.op("Mul", size, stored(net, 5)))


def normalized(net, weight):
    """Weight normalisation: a direction over its length, times a gain per channel."""
    length = net.op("ReduceL2", stored(net, weight), shape(net, 1, 2, 3), keepdims=1)
    return net.op("Mul", net.op("Div", stored(net, weight), length), stored(net, np.ones((8, 1, 1, 1))))


def summed(net, weight):
    """A weight and its correction of low rank, as adapters are merged."""
    left, right = net.rng.normal(0, 0.1, (8, 2)), net.rng.normal(0, 0.1, (2, 27))
    product = net.op("MatMul", stored(net, left), stored(net, right))
    return net.op("Add", stored(net, weight), net.op("Reshape", product, shape(net, *SHAPE)))


FORMS = {
    "cast": lambda net, w: net.op("Cast", stored(net, w, np.float16), to=TensorProto.FLOAT),
    "cast of double": lambda net, w: net.op("Cast", stored(net, w, np.float64), to=TensorProto.FLOAT),
    "cast like": lambda net, w: net.op("CastLike", stored(net, w, np.float16), stored(net, 0)),
    "identity twice": lambda net, w: net.op("Identity", net.op("Identity", stored(net, w))),
    "identity of cast": lambda net, w: net.op("Identity", FORMS["cast"](net, w)),
    "transpose": lambda net, w: net.op("Transpose", stored(net, w.transpose(2, 3, 1, 0)), perm=[3, 2, 0, 1]),
    "reshape": lambda net, w: net.op("Reshape", stored(net, w.reshape(8, 27)), shape(net, 8, 3, 3, -1)),
    "squeeze": lambda net, w: net.op("Squeeze", net.op("Unsqueeze", stored(net, w), shape(net, 0)), shape(net, 0)),
    "slice": lambda net, w: net.op(
        "Slice", stored(net, np.concatenate([w, w])), shape(net, 8), shape(net, 16), shape(net, 0)
    ),
    "concat": lambda net, w: net.op("Concat", stored(net, w[:5]), stored(net, w[5:]), axis=0),
    "split": lambda net, w: net.op(
        "Split", stored(net, np.concatenate([w, w])), shape(net, 8, 8), out=["left", "right"], axis=0
    )[0],
    "scale": lambda net, w: net.op("Mul", stored(net, w), stored(net, 0.5)),
    "scale per channel": lambda net, w: net.op(
        "Mul", stored(net, w), stored(net, np.linspace(0.5, 2, 8)[:, None, None, None])
    ),
    "gather": lambda net, w: net.op("Gather", stored(net, w), shape(net, 7, 6, 5, 4, 3, 2, 1, 0)),
    "expand": lambda net, w: net.op("Expand", stored(net, w[:, :1]), shape(net, *SHAPE)),
    "tile": lambda net, w: net.op("Tile", stored(net, w[:, :1]), shape(net, 1, 3, 1, 1)),
    "filled": lambda net, w: net.op(
        "ConstantOfShape", shape(net, *SHAPE), value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.1])
    ),
    "floats of a node": lambda net, w: net.op(
        "Reshape", net.op("Constant", value_floats=w.reshape(-1).tolist()), shape(net, *SHAPE)
    ),
    "dequantized": dequantized,
    "standardized": standardized,
    "normalized": normalized,
    "summed": summed,
}


def network(form, path, *, opset=18):
    """A convolution by a weight of that form, and a head; the weight's own values are random."""
    net = Net()
    weight = (net.rng.standard_normal(SHAPE) * 0.3).astype(np.float32)
    value = net.op("Conv", "input", FORMS[form](net, weight), name="made", pads=[1] * 4)
    net.head(net.op("Relu", value), 8)
    return net.save(path / "m.onnx", opset=opset if form != "dequantized" else 19)


def answers(proto, images):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images})[0]


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_made_from_constants_is_folded_to_what_the_runtime_computes(form, tmp_path):
    model = float_view(network(form, tmp_path))
    folded = fold_constants(model.proto)
    images = np.random.default_rng(1).normal(0, 1, (4, 3, SIZE, SIZE)).astype(np.float32)
    assert [node.op_type for node in folded.graph.node] == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    np.testing.assert_allclose(answers(folded, images), answers(model.proto, images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("form", ["cast", "concat", "dequantized", "standardized", "tile"])
def test_a_weight_made_from_constants_runs_in_int8(form, engine, tmp_path):
    made = calib.quantize(network(form, tmp_path), "int8", engine=engine, images=Images())
    assert kept_float_of(made) == {}
    with places.build(engine, build_request(made, precision="int8")) as built:
        assert built.audit().realized() == {"int8": 1.0}


def test_a_float16_weight_behind_a_cast_is_no_float16_model(tmp_path):
    net = Net()
    value = net.op("Relu", net.op("Conv", "input", FORMS["cast"](net, net.rng.standard_normal(SHAPE)), pads=[1] * 4))
    flat = net.op("Flatten", net.op("GlobalAveragePool", value))
    head = net.op("Cast", stored(net, net.rng.standard_normal((8, 4)), np.float16), to=TensorProto.FLOAT)
    net.op("MatMul", flat, head, out="logits")
    assert net.save(tmp_path / "m.onnx").precision == "fp32"


def test_four_bit_weights_are_made_of_a_folded_matrix(tmp_path):
    net = Net()
    flat = net.op("Flatten", net.op("Relu", net.conv("input", 3, 4, stride=4)))
    half = stored(net, net.rng.standard_normal((64, 4)), np.float16)
    net.op("MatMul", flat, net.op("Cast", half, to=TensorProto.FLOAT), name="fc", out="logits")
    options = QuantizeOptions(int4_method="rtn")
    made = calib.quantize(net.save(tmp_path / "m.onnx"), "int4", engine="onnxruntime", images=None, options=options)
    assert "fc" not in kept_float_of(made)


HOSTILE = {
    "filled": lambda net: net.op("ConstantOfShape", shape(net, 1 << 20, 1 << 20)),
    "expand": lambda net: net.op("Expand", stored(net, [1.0]), shape(net, 1 << 40)),
    "tile": lambda net: net.op("Tile", stored(net, [1.0]), shape(net, 1 << 40)),
    "range": lambda net: net.op("Range", stored(net, 0), stored(net, 1e12), stored(net, 1)),
    "pad": lambda net: net.op("Pad", stored(net, [1.0]), shape(net, 0, 1 << 40)),
    "product": lambda net: net.op("MatMul", stored(net, np.ones((1 << 16, 1))), stored(net, np.ones((1, 1 << 16)))),
    "wrapping": lambda net: net.op("Tile", stored(net, np.ones(4)), shape(net, 1 << 62)),
    "many": lambda net: [net.op("Expand", stored(net, [1.0]), shape(net, LEAST_BYTES // 8)) for _ in range(100)][-1],
}


@pytest.mark.parametrize("form", HOSTILE)
def test_a_few_bytes_that_ask_for_all_memory_are_not_folded(form):
    net = Net()
    net.op("Add", "input", net.op("ReduceMax", HOSTILE[form](net), keepdims=0), out="sum")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(net.nodes, "g", [value("input", 1, [1])], [value("sum", 1, [1])], net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    tracemalloc.start()
    started = time.perf_counter()
    folded = fold_constants(model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LEAST_BYTES
    assert time.perf_counter() - started < 20
    assert len(folded.SerializeToString()) < 2 * LEAST_BYTES


def test_random_and_quantizing_nodes_stay():
    net = Net()
    noise = net.op("RandomNormal", shape=[4], dtype=1)
    grid = [stored(net, 0.1), net.constant(np.int8(0))]
    rounded = net.op("DequantizeLinear", net.op("QuantizeLinear", stored(net, [1, 2, 3, 4]), *grid), *grid)
    net.op("Sum", "input", noise, rounded, out="sum")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(net.nodes, "g", [value("input", 1, [4])], [value("sum", 1, [4])], net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    assert fold_constants(model) is model


def test_the_same_model_comes_back_where_nothing_folds(tmp_path):
    model = Net()
    model.head(model.conv("input", 3, 8), 8)
    proto = model.save(tmp_path / "m.onnx").proto
    assert fold_constants(proto) is proto


def test_constants_that_are_inputs_too_fold(tmp_path):
    """IR version 3 lists every initializer among the inputs."""
    proto = onnx.ModelProto()
    proto.CopyFrom(network("cast", tmp_path, opset=9).proto)
    proto.ir_version = 3
    described = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in proto.graph.initializer]
    proto.graph.input.extend(described)
    (tmp_path / "old.onnx").write_bytes(proto.SerializeToString())
    model = exporters.load(tmp_path / "old.onnx", contract=CONTRACT)
    images = np.random.default_rng(1).normal(0, 1, (4, 3, SIZE, SIZE)).astype(np.float32)
    np.testing.assert_allclose(answers(float_view(model).proto, images), answers(model.proto, images), atol=1e-5)
    assert kept_float_of(calib.quantize(model, "int8", engine="onnxruntime", images=Images())) == {}


def test_external_data_behind_a_cast_is_quantized(tmp_path):
    proto = network("identity of cast", tmp_path).proto
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    onnx.save_model(copy, tmp_path / "e.onnx", save_as_external_data=True, location="e.data", size_threshold=0)
    made = calib.quantize(
        exporters.load(tmp_path / "e.onnx", contract=CONTRACT), "int8", engine="onnxruntime", images=Images()
    )
    assert kept_float_of(made) == {}
    codes = [t for t in made.proto.graph.initializer if numpy_helper.to_array(t).dtype == np.int8 and len(t.dims) == 4]
    assert [tuple(tensor.dims) for tensor in codes] == [SHAPE]

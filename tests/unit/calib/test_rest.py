"""What is not quantized is float16, where TensorRT's recipes say so and the range allows."""

import dataclasses

import numpy as np
import onnx
import pytest
from calibration_images import ArrayImages
from onnx import TensorProto, helper, numpy_helper

from seatrial import calib, exporters
from seatrial.calib.rest import whole
from seatrial.calib.warn import calibration_of

CONTRACT = exporters.ContractOptions(size=(16, 16))
RNG = np.random.default_rng(0)
IMAGES = ArrayImages(RNG.integers(0, 256, (40, 16, 16, 3), np.uint8))


def weights(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def saved(folder, *, gain=1.0, second=1.0):
    """conv1 - Relu - conv2 - pool - fc; `gain` multiplies what conv2 gives, which the fc takes back."""
    tensors = {
        "w1": weights(32, 3, 3, 3),
        "w2": weights(64, 32, 3, 3, scale=gain * second),
        "w3": weights(64, 16, scale=1 / gain),
    }
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c1"], name="conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="conv2", pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "w3"], ["logits"], name="fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "rest",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 16])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return exporters.load(path, contract=CONTRACT)


def made_of(model, precision="int8", engine="tensorrt", **options):
    return calib.quantize(
        model, precision, engine=engine, images=IMAGES, options=calib.QuantizeOptions(int4_method="rtn", **options)
    )


def floats(made):
    """Types of the constants that are floats."""
    kinds = {tensor.data_type for tensor in made.proto.graph.initializer}
    return kinds & {TensorProto.FLOAT, TensorProto.FLOAT16}


def scores(made):
    batch = made.contract.normalise(np.stack([image for part in IMAGES.batches(40) for image in part]))
    return calib.observe.session_for(made.proto).run(None, {made.input_name: batch})[0]


@pytest.mark.parametrize("precision", ["int8", "fp8", "int4"])
def test_the_rest_is_float16_for_tensorrt_and_float32_where_it_is_asked_for(tmp_path, precision):
    model = saved(tmp_path)
    half, whole_ = made_of(model, precision), made_of(model, precision, rest="fp32")
    assert (half.precision, whole_.precision) == (precision, precision)
    assert floats(half) == {TensorProto.FLOAT16}
    assert floats(whole_) == {TensorProto.FLOAT}
    assert calibration_of(half)["rest"] == "fp16"
    assert "rest" not in calibration_of(whole_)
    largest = np.abs(scores(whole_)).max()
    np.testing.assert_allclose(scores(half), scores(whole_), rtol=0, atol=0.03 * largest)
    borders = [value.type.tensor_type.elem_type for value in (*half.proto.graph.input, *half.proto.graph.output)]
    assert borders == [TensorProto.FLOAT] * 2, "every target is fed and answers alike"


def test_other_engines_keep_float32_unless_they_are_told(tmp_path):
    model = saved(tmp_path)
    assert floats(made_of(model, engine="openvino")) == {TensorProto.FLOAT}
    assert floats(made_of(model, engine="openvino", rest="fp16")) == {TensorProto.FLOAT16}


def test_what_leaves_the_range_stays_float32_with_all_that_it_reads(tmp_path):
    made = made_of(saved(tmp_path, gain=1e5))
    kept = calibration_of(made)["kept_float32"]
    assert "float16 ends at 65504" in kept["conv2"]
    types = onnx.shape_inference.infer_shapes(made.proto).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in types.value_info}
    by_name = {node.name: node for node in made.proto.graph.node}
    assert {kinds[name] for name in by_name["conv2"].input[:2]} == {TensorProto.FLOAT}
    assert {kinds[name] for name in by_name["conv1"].input[:2]} == {TensorProto.FLOAT16}
    producers = {output: node.op_type for node in made.proto.graph.node for output in node.output}
    for name in ("conv1", "conv2", "fc"):
        assert [producers[value] for value in by_name[name].input[:2]] == ["DequantizeLinear"] * 2, "no Cast between"
    assert np.isfinite(scores(made)).all()


def test_no_scale_becomes_zero(tmp_path):
    model = saved(tmp_path)
    tensor = next(one for one in model.proto.graph.initializer if one.name == "w2")
    value = numpy_helper.to_array(tensor).copy()
    value[3] *= 1e-9
    tensor.CopyFrom(numpy_helper.from_array(value, "w2"))
    made = made_of(dataclasses.replace(model, proto=model.proto))
    scales = [
        numpy_helper.to_array(one) for one in made.proto.graph.initializer if one.data_type == TensorProto.FLOAT16
    ]
    by_name = {one.name: numpy_helper.to_array(one) for one in made.proto.graph.initializer}
    used = [by_name[node.input[1]] for node in made.proto.graph.node if node.op_type.endswith("quantizeLinear")]
    assert scales
    assert all((scale > 0).all() for scale in used if scale.dtype == np.float16)


def test_beside_a_node_stay_what_is_dequantized_for_it_and_its_other_readers():
    nodes = [
        helper.make_node("QuantizeLinear", ["a", "s"], ["q"], name="q"),
        helper.make_node("DequantizeLinear", ["q", "s"], ["d"], name="d"),
        helper.make_node("DequantizeLinear", ["w", "t"], ["e"], name="e"),
        helper.make_node("Conv", ["d", "e"], ["c"], name="c"),
        helper.make_node("DequantizeLinear", ["v", "u"], ["g"], name="g"),
        helper.make_node("Conv", ["d", "g"], ["h"], name="h"),
        helper.make_node("Relu", ["c"], ["r"], name="r"),
    ]
    found = whole(helper.make_graph(nodes, "g", [], []), {"c": "too large"})
    assert found == {"c": "too large"} | {name: found[name] for name in "qdegh"}
    assert "r" not in found


def test_an_unknown_rest_is_told():
    with pytest.raises(
        calib.options.UsageError, match=r"--rest 'fp64' is unknown\. Did you mean 'fp16'\? Known: fp32, fp16"
    ):
        calib.QuantizeOptions(rest="fp64")


def test_a_model_without_a_product_large_enough_is_quantized_all_the_same_and_told(tmp_path):
    model = saved(tmp_path)
    small = onnx.ModelProto()
    small.CopyFrom(model.proto)
    for tensor in small.graph.initializer:
        cut = {"w1": (7, 3, 3, 3), "w2": (7, 7, 3, 3), "w3": (7, 10)}[tensor.name]
        tensor.CopyFrom(numpy_helper.from_array(weights(*cut), tensor.name))
    small.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 10
    made = made_of(dataclasses.replace(model, proto=small))
    assert made.precision == "int8"
    assert any("large enough for the fast int8 kernels of tensorrt" in one for one in calibration_of(made)["warnings"])
    assert not any("large enough" in one for one in calibration_of(made_of(model))["warnings"])

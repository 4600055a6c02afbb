"""4-bit weights in blocks: packing, dequantization, which layers take them, and what is refused."""

import dataclasses

import numpy as np
import onnx
import onnx.version_converter
import pytest
from calibration_images import RandomImages as Images
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_files import changed, old_opset

from seatrial import calib, exporters
from seatrial.calib.blocked import round_to_nearest
from seatrial.calib.int4 import plan, quantize_int4
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.calib.warn import kept_float_of
from seatrial.errors import BuildError, UnsupportedError, UsageError
from seatrial.exporters.graphs import opset_of

RECIPE = calib.recipe_for("onnxruntime", "int4")
SYMMETRIC = dataclasses.replace(RECIPE, weight_type="int4", symmetric_weights=True)
RTN = QuantizeOptions(int4_method="rtn")
SMALL = exporters.ContractOptions(size=(16, 16))


@pytest.fixture
def model(model_file):
    return exporters.load(model_file, contract=SMALL)


def quantized(model, recipe=RECIPE, options=RTN, images=None):
    return quantize_int4(Request(model, recipe, images, options))


def constants(model):
    return {tensor.name: tensor for tensor in model.proto.graph.initializer}


def nodes(model, op):
    return [node for node in model.proto.graph.node if node.op_type == op]


@pytest.mark.parametrize("symmetric", [True, False])
def test_rounding_to_nearest_is_within_half_a_step_of_each_block(symmetric):
    weight = np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32)
    found = round_to_nearest(weight, 16, symmetric)
    for block in range(4):
        rows = slice(16 * block, 16 * block + 16)
        for column in range(5):
            part = weight[rows, column]
            span = np.abs(part).max() / 7 if symmetric else (max(part.max(), 0) - min(part.min(), 0)) / 15
            assert found.scale[block, column] == pytest.approx(span, rel=1e-6)
            off = np.abs(found.dequantized()[rows, column] - part).max()
            # The zero point is rounded, too: the end of an asymmetric range may lie half a step further off.
            assert off <= span * (0.501 if symmetric else 1.001)
    assert found.codes.min() >= (-8 if symmetric else 0)
    assert found.codes.max() <= (7 if symmetric else 15)


def test_a_block_of_zeros_stays_zero():
    for symmetric in (True, False):
        found = round_to_nearest(np.zeros((32, 2), np.float32), 16, symmetric)
        assert (found.dequantized() == 0).all()
        assert (found.scale > 0).all()


@pytest.mark.parametrize("recipe", [RECIPE, SYMMETRIC], ids=["uint4", "int4"])
def test_two_codes_lie_in_a_byte_the_first_in_its_low_half(model, recipe):
    made = quantized(model, recipe)
    weight = numpy_helper.to_array(constants(model)["w3"]).T
    expected = round_to_nearest(weight, 32, recipe.symmetric_weights)
    (node,) = nodes(made, "DequantizeLinear")
    packed = constants(made)[node.input[0]]
    assert packed.data_type == (TensorProto.INT4 if recipe is SYMMETRIC else TensorProto.UINT4)
    assert list(packed.dims) == [32, 4]
    codes = expected.codes.reshape(-1) & 15
    assert packed.raw_data == bytes(int(low | high << 4) for low, high in zip(codes[::2], codes[1::2], strict=True))
    assert len(node.input) == (2 if recipe is SYMMETRIC else 3)


@pytest.mark.parametrize("recipe", [RECIPE, SYMMETRIC], ids=["uint4", "int4"])
def test_the_graph_computes_what_the_dequantized_weights_say(model, recipe):
    made = quantized(model, recipe)
    (dequantize,) = nodes(made, "DequantizeLinear")
    (product,) = nodes(made, "MatMul")
    assert product.input[1] == dequantize.output[0]
    values = [numpy_helper.to_array(constants(made)[name]) for name in dequantize.input]
    codes, scale = values[0].astype(np.int64), values[1]
    zero = values[2].astype(np.int64) if len(values) > 2 else np.zeros(scale.shape, np.int64)
    weight = np.empty(codes.shape, np.float32)
    for row in range(len(codes)):
        weight[row] = (codes[row] - zero[row // 32]) * scale[row // 32]
    plain = onnx.ModelProto()
    plain.CopyFrom(model.proto)
    (w3,) = (tensor for tensor in plain.graph.initializer if tensor.name == "w3")
    w3.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weight.T), "w3"))
    batch = model.contract.normalise(Images().images[:3])
    expected = ReferenceEvaluator(plain).run(None, {"input": batch})[0]
    found = ReferenceEvaluator(made.proto).run(None, {"input": batch})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def exact_in_4_bits(rng, inner, outer):
    """A matrix that 16 steps per column hold without a loss."""
    weight = rng.integers(0, 16, (inner, outer)).astype(np.float32)
    weight[:2] = [[0], [15]]
    return weight / 16


def gemm_with(weight_shape, **attributes):
    def change(model):
        gemm = model.graph.node[-1]
        del gemm.attribute[:]
        gemm.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        for tensor in model.graph.initializer:
            if tensor.name == "w3":
                weight = exact_in_4_bits(np.random.default_rng(3), 32, 4)
                weight = weight if weight_shape == (32, 4) else np.ascontiguousarray(weight.T)
                tensor.CopyFrom(numpy_helper.from_array(weight, "w3"))

    return change


@pytest.mark.parametrize("attributes", [{"transB": 1}, {}, {"alpha": 0.5, "beta": 2.0}, {"transB": 1, "alpha": -1.5}])
def test_a_gemm_of_any_form_becomes_a_product_and_a_sum(tmp_path, attributes):
    shape = (4, 32) if attributes.get("transB") else (32, 4)
    model = exporters.load(make_model(tmp_path / "m.onnx", change=gemm_with(shape, **attributes)), contract=SMALL)
    made = quantized(model)
    assert not nodes(made, "Gemm")
    batch = model.contract.normalise(Images().images[:4])
    before, after = (ReferenceEvaluator(one.proto).run(None, {"input": batch})[0] for one in (model, made))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_old_opsets_are_raised_and_new_ones_kept(tmp_path, model):
    assert opset_of(quantized(model).proto) == 21
    assert quantized(model).proto.ir_version >= 10
    old = exporters.load(old_opset(tmp_path / "m.onnx", 9), contract=SMALL)
    made = quantized(old, dataclasses.replace(RECIPE, block_size=8))
    assert opset_of(made.proto) == 21
    assert len(nodes(made, "MatMul")) == 1


def test_a_raise_of_the_opset_that_changes_answers_is_refused(model, monkeypatch):
    convert = onnx.version_converter.convert_version

    def wrongly(proto, version):
        converted = convert(proto, version)
        (bias,) = (tensor for tensor in converted.graph.initializer if tensor.name == "b3")
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, "b3"))
        return converted

    monkeypatch.setattr(onnx.version_converter, "convert_version", wrongly)
    with pytest.raises(BuildError, match=r"opset 18; converted to 21 .*computes something else"):
        quantized(model)


def stays_float(model, recipe, keep_float=()):
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    return plan(proto.graph, recipe, keep_float)[1]


def test_what_stays_float_is_listed_with_its_reason(model, tmp_path):
    left = stays_float(model, RECIPE)
    assert [(layer.name, layer.op) for layer in left] == [("conv1", "Conv"), ("conv2", "Conv")]
    assert kept_float_of(quantized(model)) == {layer.name: layer.why for layer in left}
    wide = dataclasses.replace(RECIPE, block_size=64)
    assert stays_float(model, wide)[-1].why == "its inner axis of 32 is no multiple of the block of 64"
    assert stays_float(model, RECIPE, ("fc",))[-1].why == "named by keep_float"


def test_a_model_of_which_nothing_can_be_4_bits_is_refused(model):
    with pytest.raises(UnsupportedError, match=r"Conv: no engine .*Gemm: its inner axis of 32 is no multiple"):
        quantized(model, dataclasses.replace(RECIPE, block_size=64))


@pytest.mark.parametrize("field", [{"equalize": True}, {"bias_correction": True}, {"keep_float_below_db": 20.0}])
def test_options_that_do_nothing_here_are_refused(model, field):
    with pytest.raises(UnsupportedError, match="int4 knows no"):
        quantized(model, options=dataclasses.replace(RTN, **field))


def test_an_unknown_name_to_keep_float_is_a_usage_error(model):
    with pytest.raises(UsageError, match="fcc"):
        quantized(model, options=dataclasses.replace(RTN, keep_float=("fcc",)))


def test_the_file_is_int4_when_it_is_read_again_and_out_of_the_cache(model, tmp_path):
    first = calib.quantize(model, "int4", engine="onnxruntime", images=Images(), cache=tmp_path / "cache")
    again = calib.quantize(model, "int4", engine="onnxruntime", images=Images(), cache=tmp_path / "cache")
    assert (first.precision, again.precision) == ("int4", "int4")
    assert again.onnx_bytes == first.onnx_bytes
    (tmp_path / "q.onnx").write_bytes(first.onnx_bytes)
    assert exporters.load(tmp_path / "q.onnx").precision == "int4"


def test_rounding_to_nearest_needs_no_images_and_gptq_reads_them(model):
    calib.quantize(model, "int4", engine="onnxruntime", images=None, options=RTN)
    images = Images()
    made = calib.quantize(model, "int4", engine="onnxruntime", images=images)
    assert images.largest > 0
    assert made.onnx_bytes != calib.quantize(model, "int4", engine="onnxruntime", images=None, options=RTN).onnx_bytes


def test_gptq_gives_the_same_bytes_twice(model):
    made = [calib.quantize(model, "int4", engine="onnxruntime", images=Images()).onnx_bytes for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt", "pytorch"])
def test_w4a8_is_refused_with_the_reason(engine):
    with pytest.raises(
        UnsupportedError, match=r"No engine executes w4a8: ONNX Runtime folds .*TensorRT has no kernels"
    ):
        calib.recipe_for(engine, "w4a8")


def test_pointwise_convolutions_become_products_that_compute_the_same(tmp_path):
    def change(model):
        rng = np.random.default_rng(7)
        conv = model.graph.node[2]
        del conv.attribute[:]
        conv.attribute.append(helper.make_attribute("kernel_shape", [1, 1]))
        for tensor in model.graph.initializer:
            if tensor.name == "w3":
                tensor.CopyFrom(numpy_helper.from_array(exact_in_4_bits(rng, 32, 4).T.copy(), "w3"))
            if tensor.name in ("w1", "b1"):
                shape = (32, 3, 3, 3) if tensor.name == "w1" else (32,)
                tensor.CopyFrom(numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), tensor.name))
            if tensor.name == "w2":
                weight = exact_in_4_bits(rng, 32, 32).T[:, :, None, None].copy()
                tensor.CopyFrom(numpy_helper.from_array(weight, "w2"))

    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    plain = quantize_int4(Request(model, RECIPE, None, RTN))
    assert len(nodes(plain, "MatMul")) == 1
    made = quantize_int4(Request(model, RECIPE, None, RTN), pointwise=True)
    assert len(nodes(made, "MatMul")) == 2
    assert len(nodes(made, "Conv")) == 1
    batch = model.contract.normalise(Images().images[:4])
    before, after = (ReferenceEvaluator(one.proto).run(None, {"input": batch})[0] for one in (model, made))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
    with_gptq = quantize_int4(Request(model, RECIPE, Images(), QuantizeOptions()), pointwise=True)
    again = ReferenceEvaluator(with_gptq.proto).run(None, {"input": batch})[0]
    np.testing.assert_allclose(again, before, rtol=1e-4, atol=1e-4)

"""The precision that a file has of its own, and its float32 form."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import brevitas_style, changed, half, half_inside, ort_quantized, softmax

from seatrial import exporters
from seatrial.errors import BadInputError, UnsupportedError
from seatrial.exporters.float_view import float_view

SMALL = exporters.ContractOptions(size=(16, 16))
X = np.random.default_rng(0).standard_normal((4, 3, 16, 16)).astype(np.float32)


def load(path):
    return exporters.load(path, contract=SMALL)


def run(model, x=X):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(None, {model.input_name: x.astype(model.contract.dtype)})[0]


def quantized_by_ort(tmp_path, *changes, **options):
    return ort_quantized(tmp_path / "q.onnx", changed(tmp_path / "m.onnx", *changes), [X[:2], X[2:]], **options)


@pytest.mark.parametrize(
    ("options", "precision"),
    [
        ({}, "int8"),
        ({"float_weights": True}, "int8"),
        ({"weight_bits": 4}, "sim-w4a8"),
        ({"weight_bits": 4, "float_weights": True}, "sim-w4a8"),
        ({"weight_bits": 4, "activation_bits": 4}, "sim-w4a4"),
        ({"weight_bits": 2}, "sim-w2a8"),
        ({"weight_bits": 2, "activation_bits": 3}, "sim-w2a3"),
        ({"weight_bits": 6, "activation_bits": 6, "float_weights": True}, "sim-w6a6"),
        ({"weight_bits": 5}, "sim-w5a8"),
        ({"weight_bits": 4, "weight_only": True}, "int4"),
        ({"weight_bits": 3, "weight_only": True}, "sim-w3"),
        ({"weight_bits": 6, "weight_only": True}, "sim-w6"),
        ({"weight_bits": 8, "weight_only": True}, "fp32"),
    ],
)
def test_brevitas_files_say_their_precision_and_have_a_float_view(tmp_path, options, precision):
    model = load(brevitas_style(tmp_path / "m.onnx", **options))
    assert model.precision == precision
    view = float_view(model)
    assert view.precision == "fp32"
    kinds = {node.op_type for node in view.proto.graph.node}
    assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
    # The weights are what the quantized file's stand for, so only the rounding of activations is between the two.
    rounding = 0 if options.get("weight_only") else 0.01 * 2 ** (8 - options.get("activation_bits", 8))
    assert np.abs(run(view) - run(model)).max() <= rounding + 1e-5


def test_the_view_of_weights_is_what_a_runtime_dequantizes(tmp_path):
    for float_weights in (False, True):
        path = brevitas_style(tmp_path / "m.onnx", weight_bits=4, float_weights=float_weights)
        model = load(path)
        shown = onnx.load(path)
        names = ["w1", "w2", "w3", "b1", "b2", "b3"]
        shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        values = ort.InferenceSession(shown.SerializeToString(), options).run(names, {"input": X})
        view = {tensor.name: numpy_helper.to_array(tensor) for tensor in float_view(model).proto.graph.initializer}
        assert set(view) >= set(names)
        for name, value in zip(names, values, strict=True):
            np.testing.assert_array_equal(view[name], value)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_ort_files_are_int8_and_their_view_is_near_the_float_model(tmp_path, kind):
    import onnxruntime.quantization as quantization

    types = {"uint8": quantization.QuantType.QUInt8, "int8": quantization.QuantType.QInt8}
    model = load(quantized_by_ort(tmp_path, activation_type=types[kind], weight_type=quantization.QuantType.QInt8))
    assert model.precision == "int8"
    view = float_view(model)
    assert not {node.op_type for node in view.proto.graph.node} & {"QuantizeLinear", "DequantizeLinear"}
    source = load(make_model(tmp_path / "f.onnx"))
    assert np.abs(run(view) - run(source)).max() < 0.05 * np.abs(run(source)).max()
    assert [value.name for value in view.proto.graph.output] == ["logits"]


def test_what_saturation_did_is_still_done(tmp_path):
    """ONNX Runtime's quantizer removes a Relu in front of integers that cannot be negative."""
    model = load(quantized_by_ort(tmp_path))
    assert "Relu" not in {node.op_type for node in model.proto.graph.node}
    shown = onnx.ModelProto()
    shown.CopyFrom(float_view(model).proto)
    names = [node.output[0] for node in shown.graph.node if node.op_type == "Clip"]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    values = dict(zip(names, ort.InferenceSession(shown.SerializeToString()).run(names, {"input": X}), strict=True))
    assert values["r1_QuantizeLinear_Output"].min() == 0
    assert (values["r1_QuantizeLinear_Output"] == 0).mean() > 0.2


def test_a_quantized_softmax_is_still_one(tmp_path):
    model = load(quantized_by_ort(tmp_path, softmax))
    assert (model.precision, model.scores) == ("int8", "probabilities")
    np.testing.assert_allclose(run(float_view(model)).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("change", "dtype"), [(half, "float16"), (half_inside, "float32")])
def test_float16_files_and_their_view(tmp_path, change, dtype):
    model = load(changed(tmp_path / "h.onnx", change))
    assert (model.precision, model.contract.dtype) == ("fp16", dtype)
    view = float_view(model)
    assert (view.precision, view.contract.dtype) == ("fp32", "float32")
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    for tensor in view.proto.graph.initializer:
        wide = numpy_helper.to_array(tensor)
        np.testing.assert_array_equal(wide, weights[tensor.name])
        assert wide.dtype in (np.float32, np.int64)
    assert run(view).dtype == np.float32
    np.testing.assert_allclose(run(view), run(model), rtol=0.02, atol=0.02)


def test_bfloat16_is_widened_exactly(tmp_path):
    def change(model):
        for tensor in model.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                values = numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16)
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        model.graph.node[0].input[0] = "low"
        model.graph.node.insert(0, helper.make_node("Cast", ["input"], ["low"], to=TensorProto.BFLOAT16))
        model.graph.node[-1].output[0] = "raw"
        model.graph.node.append(helper.make_node("Cast", ["raw"], ["logits"], to=TensorProto.FLOAT))

    model = load(changed(tmp_path / "b.onnx", change))
    assert model.precision == "bf16"
    view = float_view(model)
    (w1,) = (tensor for tensor in view.proto.graph.initializer if tensor.name == "w1")
    original = next(tensor for tensor in model.proto.graph.initializer if tensor.name == "w1")
    np.testing.assert_array_equal(numpy_helper.to_array(w1), numpy_helper.to_array(original).astype(np.float32))
    assert run(view).shape == (4, 4)


def test_a_float_model_is_its_own_view(tmp_path):
    model = load(make_model(tmp_path / "m.onnx"))
    assert model.precision == "fp32"
    assert float_view(model) is model


def weight_of_float32(model):
    """A weight in float32, and the convolution that multiplies by it."""
    half_inside(model)
    (w2,) = (tensor for tensor in model.graph.initializer if tensor.name == "w2")
    w2.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w2).astype(np.float32), "w2"))
    return next(index for index, node in enumerate(model.graph.node) if node.name == "conv2")


def some_float32(model):
    index = weight_of_float32(model)
    conv = model.graph.node[index]
    wide = [
        helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.FLOAT) for name in conv.input if name != "w2"
    ]
    narrow = helper.make_node("Cast", ["conv2_wide"], [conv.output[0]], to=TensorProto.FLOAT16)
    conv.input[:] = [name if name == "w2" else f"{name}_wide" for name in conv.input]
    conv.output[0] = "conv2_wide"
    model.graph.node.insert(index + 1, narrow)
    for node in wide:
        model.graph.node.insert(index, node)


def stored_in_float32(model):
    index = weight_of_float32(model)
    model.graph.node[index].input[1] = "w2_half"
    model.graph.node.insert(index, helper.make_node("Cast", ["w2"], ["w2_half"], to=TensorProto.FLOAT16))


def test_of_mixed_floats_it_is_the_widest(tmp_path):
    assert load(changed(tmp_path / "m.onnx", some_float32)).precision == "fp32"


def test_a_weight_behind_a_cast_is_of_the_type_that_multiplies(tmp_path):
    assert load(changed(tmp_path / "m.onnx", stored_in_float32)).precision == "fp16"


def qdq(model, kind, name="w2", *, activations=None, axis=0, opset=21):
    """Puts `name` behind a DequantizeLinear of `kind`, and the input through Q/DQ of the type `activations`."""
    model.opset_import[0].version = opset
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor)
    low, high = (0, 3) if kind is ml_dtypes.uint2 else (-1, 1) if kind is ml_dtypes.int2 else (-7, 7)
    low, high = (-127, 127) if kind is np.int8 else (low, high)
    scale = (np.abs(values).max() / high).astype(np.float32)
    whole = np.clip(np.rint(values / scale), low, high).astype(kind)
    tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_q"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(scale), f"{name}_scale"))
    dequantize = helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale"], [name], name=f"{name}_dq")
    model.graph.node.insert(0, dequantize)
    if activations is not None:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(0.05), "in_scale"))
        model.graph.initializer.append(numpy_helper.from_array(np.zeros((), activations), "in_zero"))
        parameters = ["in_scale", "in_zero"]
        model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["input", *parameters], ["in_q"], name="in_q"))
        model.graph.node.insert(1, helper.make_node("DequantizeLinear", ["in_q", *parameters], ["in_dq"]))
        next(node for node in model.graph.node if node.name == "conv1").input[0] = "in_dq"


@pytest.mark.parametrize(
    ("kind", "activations", "precision"),
    [
        (ml_dtypes.int4, None, "int4"),
        (ml_dtypes.int4, np.int8, "sim-w4a8"),
        (ml_dtypes.int4, ml_dtypes.int4, "sim-w4a4"),
        (np.int8, np.int8, "int8"),
        (np.int8, None, "fp32"),
        (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fn, "fp8"),
    ],
)
def test_types_of_the_newer_opsets(tmp_path, kind, activations, precision):
    model = load(changed(tmp_path / "m.onnx", lambda model: qdq(model, kind, activations=activations)))
    assert model.precision == precision
    assert not any("Quantize" in node.op_type for node in float_view(model).proto.graph.node)


def test_a_mixed_file_is_what_multiplies_most_of_it(tmp_path):
    """conv2, of 4 bits, multiplies 225,792 times for an image, conv1, of 8, 110,592 times."""

    def change(model):
        qdq(model, ml_dtypes.int4, activations=np.int8)
        qdq(model, np.int8, name="w1")

    model = load(changed(tmp_path / "m.onnx", change))
    assert model.precision == "sim-w4a8"
    (note,) = (note for note in model.notes if "not all of one precision" in note)
    assert "goes by sim-w4a8" in note
    assert "67.1% are in w4 with float activations" in note
    assert "w8a8 in conv1 (32.9%)" in note


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("bits", [*range(1, 8), 9, 10])
def test_bits_are_counted_where_no_clip_and_no_type_says_them(tmp_path, bits, odd):
    """All weights lie on a grid of 2^bits levels; those of odd integers lie twice as far apart, and have no zero."""
    if bits == 1 and not odd:
        return

    def change(model):
        model.opset_import[0].version = 21
        rng = np.random.default_rng(0)
        for name in ("w1", "w2", "w3"):
            tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
            codes = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), tuple(tensor.dims))
            codes.reshape(-1)[:2] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
            whole = 2 * codes + 1 if odd else codes
            kind = np.int8 if np.abs(whole).max() < 128 else np.int16
            tensor.CopyFrom(numpy_helper.from_array(whole.astype(kind), f"{name}_q"))
            model.graph.initializer.append(numpy_helper.from_array(np.float32(0.01), f"{name}_scale"))
            pair = [f"{name}_q", f"{name}_scale"]
            model.graph.node.insert(0, helper.make_node("DequantizeLinear", pair, [name], name=f"{name}_dq"))

    model = load(changed(tmp_path / "m.onnx", change))
    plain = {4: "int4", 7: "fp32"}  # 7 bits in int8: quantizers for x86 leave one unused
    assert model.precision == (f"sim-w{bits}" if odd else plain.get(bits, f"sim-w{bits}"))
    assert float_view(model).precision == "fp32"


def test_the_sign_of_each_channel_is_free(tmp_path):
    """A BatchNormalization's negative factor, folded into the weights, turns -2..1 into -1..2."""

    def change(model):
        qdq(model, np.int8, activations=np.int8)
        (w2,) = (tensor for tensor in model.graph.initializer if tensor.name == "w2_q")
        codes = np.random.default_rng(0).integers(-2, 2, tuple(w2.dims)).astype(np.int8)
        codes[::2] *= -1
        w2.CopyFrom(numpy_helper.from_array(codes, "w2_q"))
        (scale,) = (tensor for tensor in model.graph.initializer if tensor.name == "w2_scale")
        scale.CopyFrom(numpy_helper.from_array(np.full(len(codes), 0.1, np.float32), "w2_scale"))
        node = next(node for node in model.graph.node if node.name == "w2_dq")
        node.attribute.append(helper.make_attribute("axis", 0))

    assert load(changed(tmp_path / "m.onnx", change)).precision == "sim-w2a8"


def test_blocked_weights_are_dequantized_block_by_block(tmp_path):
    rng = np.random.default_rng(0)
    whole = rng.integers(-8, 8, (4, 32)).astype(ml_dtypes.int4)
    scales = rng.uniform(0.01, 0.1, (4, 2)).astype(np.float32)

    def change(model):
        model.opset_import[0].version = 21
        (w3,) = (tensor for tensor in model.graph.initializer if tensor.name == "w3")
        w3.CopyFrom(numpy_helper.from_array(whole, "w3_q"))
        model.graph.initializer.append(numpy_helper.from_array(scales, "w3_scale"))
        blocked = helper.make_node("DequantizeLinear", ["w3_q", "w3_scale"], ["w3"], axis=1, block_size=16)
        model.graph.node.insert(0, blocked)

    model = load(changed(tmp_path / "m.onnx", change))
    (w3,) = (tensor for tensor in float_view(model).proto.graph.initializer if tensor.name == "w3")
    expected = whole.astype(np.float32) * np.repeat(scales, 16, axis=1)
    np.testing.assert_array_equal(numpy_helper.to_array(w3), expected)
    np.testing.assert_allclose(run(float_view(model)), run(model), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "precision"), [("int2", "sim-w2"), ("uint2", "sim-w2")])
def test_two_bit_types_are_read_as_they_are(tmp_path, kind, precision):
    def change(model):
        qdq(model, getattr(ml_dtypes, kind), opset=25)
        model.ir_version = 13

    model = load(changed(tmp_path / "m.onnx", change))
    assert model.precision == precision
    np.testing.assert_allclose(run(float_view(model)), run(model), rtol=1e-4, atol=1e-5)


def test_a_type_that_nothing_computes_with_is_named_and_the_file_not_called_damaged(tmp_path):
    def change(model):
        model.opset_import[0].version = 25
        model.ir_version = 13
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "w2")
        values = numpy_helper.to_array(tensor).astype(ml_dtypes.float4_e2m1fn)
        tensor.CopyFrom(numpy_helper.from_array(values, "w2"))

    with pytest.raises(UnsupportedError, match=r"'w2' is of the type FLOAT4E2M1.*integers of 2, 4, 8") as told:
        load(changed(tmp_path / "m.onnx", change))
    assert "damaged" not in str(told.value)


def wide_activations(model):
    qdq(model, np.int8, activations=np.int16)


def float_weights(model):
    qdq(model, np.int8, activations=np.int8)
    del model.graph.node[2]
    model.graph.initializer.append(numpy_helper.from_array(np.ones((32, 16, 3, 3), np.float32), "w2"))


@pytest.mark.parametrize(
    ("change", "says"),
    [(wide_activations, "activations to 16 bits.*8 bits, or give the float model"), (float_weights, "but no weight")],
)
def test_what_has_no_word_is_unsupported_with_a_way_out(tmp_path, change, says):
    with pytest.raises(UnsupportedError, match=says):
        load(changed(tmp_path / "m.onnx", change))


def test_scales_that_are_computed_are_refused(tmp_path):
    def change(model):
        qdq(model, np.int8, activations=np.int8)
        model.graph.node.insert(0, helper.make_node("ReduceMax", ["input"], ["dynamic"], keepdims=0))
        model.graph.node[1].input[1] = "dynamic"
        model.graph.node[2].input[1] = "dynamic"

    model = load(changed(tmp_path / "m.onnx", change))
    assert model.precision == "int8"  # the scale is dynamic, the type is not
    assert run(float_view(model)).shape == (4, 4)


def test_integers_that_pass_through_other_nodes_become_floats(tmp_path):
    def change(model):
        qdq(model, np.int8, activations=np.int8)
        parameters = {node.name: node for node in model.graph.node}
        first = parameters["in_q"]
        index = list(model.graph.node).index(first)
        model.graph.node.insert(index + 1, helper.make_node("Transpose", ["in_q"], ["in_t"], perm=[0, 1, 3, 2]))
        for name, bound in (("low", -20), ("high", 20)):
            model.graph.initializer.append(numpy_helper.from_array(np.array(bound, np.int8), name))
        model.graph.node.insert(index + 2, helper.make_node("Clip", ["in_t", "low", "high"], ["in_c"]))
        model.graph.node[index + 3].input[0] = "in_c"

    model = load(changed(tmp_path / "m.onnx", change))
    assert np.abs(run(float_view(model)) - run(model)).max() < 0.2


MICROSOFT = "com.microsoft"


@pytest.mark.parametrize(
    ("op", "domain"),
    [("QLinearConv", ""), ("ConvInteger", ""), ("QLinearAdd", MICROSOFT), ("MatMulNBits", MICROSOFT)],
)
def test_operator_oriented_formats_are_refused_with_a_way_out(tmp_path, op, domain):
    def change(model):
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))
        model.graph.node[1].op_type, model.graph.node[1].domain = op, domain

    with pytest.raises(UnsupportedError, match=f"'relu1' is {op}.*Export it as Q/DQ"):
        load(changed(tmp_path / "m.onnx", change))


def test_scales_that_do_not_fit_their_weight_are_refused(tmp_path):
    def change(model):
        qdq(model, np.int8)
        model.graph.node[0].attribute.append(helper.make_attribute("axis", 0))
        (scale,) = (tensor for tensor in model.graph.initializer if tensor.name == "w2_scale")
        scale.CopyFrom(numpy_helper.from_array(np.ones(5, np.float32), "w2_scale"))

    with pytest.raises(BadInputError, match="m"):
        float_view(load(changed(tmp_path / "m.onnx", change)))

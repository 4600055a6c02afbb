"""float16 and bfloat16 files: what is typed so, what stays float32 and why, and that the graph computes the same."""

import dataclasses

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import append, changed, old_opset, resized, set_batch, softmax, two_outputs, uint8_input

from seatrial import calib, exporters
from seatrial.calib.half import float32_nodes
from seatrial.calib.warn import kept_float_of
from seatrial.errors import BuildError
from seatrial.exporters.own_precision import own_precision

SMALL = exporters.ContractOptions(size=(16, 16))
HALVES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


class Images:
    def __init__(self, count=12):
        self.images = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
        self.digest = "images"

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


def cast(model, precision, images=None, **options):
    options = calib.QuantizeOptions(**options)
    return calib.quantize(model, precision, engine="tensorrt", images=images, options=options)


listed = kept_float_of


def types(model):
    found = onnx.shape_inference.infer_shapes(model.proto, strict_mode=True).graph
    described = {v.name: v.type.tensor_type.elem_type for v in (*found.input, *found.value_info, *found.output)}
    return described | {tensor.name: tensor.data_type for tensor in found.initializer}


def in_torch(model, images):
    """The file's own types, node by node, in PyTorch: on CPUs, ONNX Runtime has no bfloat16 convolutions."""
    torch = pytest.importorskip("torch")
    from seatrial.engines.torch_graph import TorchGraph

    graph = TorchGraph(model.onnx_bytes, model.output_name)
    with torch.inference_mode():
        return graph(torch.from_numpy(model.contract.normalise(images))).float().numpy()


def in_onnxruntime(model, images):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(None, {model.input_name: model.contract.normalise(images)})[0]


@pytest.mark.parametrize("precision", HALVES)
def test_everything_between_two_casts_is_of_the_type(model_file, precision):
    model = exporters.load(model_file, contract=SMALL)
    made = cast(model, precision)
    casts = [(node.input[0], node.output[0]) for node in made.proto.graph.node if node.op_type == "Cast"]
    assert [casts[0][0], casts[-1][1], len(casts)] == ["input", "logits", 2]
    floats = {name: kind for name, kind in types(made).items() if kind != TensorProto.INT64}
    assert {name for name, kind in floats.items() if kind == TensorProto.FLOAT} == {"input", "logits"}
    assert set(floats.values()) == {TensorProto.FLOAT, HALVES[precision]}
    assert (made.precision, own_precision(made.proto, model_file)) == (precision, precision)
    assert made.contract == model.contract
    assert listed(made) == {}


@pytest.mark.parametrize(("precision", "kind"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_weights_are_rounded_to_the_nearest_value_of_the_type(model_file, precision, kind):
    model = exporters.load(model_file, contract=SMALL)
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    made = cast(model, precision)
    checked = 0
    for tensor in made.proto.graph.initializer:
        exact, rounded = before[tensor.name], numpy_helper.to_array(tensor)
        if exact.dtype != np.float32:
            continue
        assert rounded.dtype == kind
        up, down = (np.nextafter(rounded, np.array(side, kind)).astype(np.float64) for side in (9, -9))
        assert (abs(rounded - exact) <= np.minimum(abs(up - exact), abs(down - exact))).all()
        checked += exact.size
    assert checked > 1000


# The relative step of the type, 2**-11 and 2**-8, times a few layers.
@pytest.mark.parametrize(("precision", "step"), [("fp16", 2**-11), ("bf16", 2**-8)])
def test_pytorch_computes_in_the_type_and_gets_the_same_scores(model_file, precision, step):
    images = Images().images
    model = exporters.load(model_file, contract=SMALL)
    expected = in_onnxruntime(model, images)
    error = np.abs(in_torch(cast(model, precision), images) - expected).max() / np.abs(expected).max()
    assert 0 < error < 8 * step


@pytest.mark.parametrize(
    "changes", [[set_batch(3)], [uint8_input], [softmax], [two_outputs]], ids=["frozen", "uint8", "softmax", "outputs"]
)
@pytest.mark.parametrize("precision", HALVES)
def test_models_of_every_form_are_typed(tmp_path, changes, precision):
    model = exporters.load(
        changed(tmp_path / "m.onnx", *changes), contract=SMALL, output="logits" if two_outputs in changes else None
    )
    images = Images(3).images
    made = cast(model, precision)
    expected = in_onnxruntime(model, images)
    assert np.abs(in_torch(made, images) - expected).max() < 0.03 * np.abs(expected).max()
    kinds = {
        value.name: value.type.tensor_type.elem_type for value in (*made.proto.graph.input, *made.proto.graph.output)
    }
    assert kinds.pop("input") == (TensorProto.UINT8 if changes == [uint8_input] else TensorProto.FLOAT)
    assert set(kinds.values()) == {TensorProto.FLOAT}


@pytest.mark.parametrize(("precision", "opset"), [("fp16", 13), ("bf16", 22)])
def test_old_opsets_are_raised_as_far_as_the_type_needs(tmp_path, precision, opset):
    model = exporters.load(old_opset(tmp_path / "m.onnx", 9), contract=SMALL)
    made = cast(model, precision)
    assert made.proto.opset_import[0].version == opset
    images = Images(4).images
    assert np.abs(in_torch(made, images) - in_onnxruntime(model, images)).max() < 0.03


def scaled(factor):
    """The first convolution's values are `factor` times as large, and what reads them divides again."""

    def change(model):
        weights = {tensor.name: tensor for tensor in model.graph.initializer}
        first = next(node for node in model.graph.node if node.op_type == "Conv")
        second = [node for node in model.graph.node if node.op_type == "Conv"][1]
        for by, names in ((factor, first.input[1:]), (1 / factor, second.input[1:2])):
            for name in names:
                value = (numpy_helper.to_array(weights[name]) * by).astype(np.float32)
                weights[name].CopyFrom(numpy_helper.from_array(value, name))

    return change


def test_values_beyond_the_range_keep_their_nodes_in_float32(tmp_path):
    model = exporters.load(changed(tmp_path / "m.onnx", scaled(2.0**16)), contract=SMALL)
    images = Images()
    found = float32_nodes(model, images)
    unseen = cast(model, "fp16")  # no images were given, and noise shows the coarse of it
    assert listed(unseen).keys() == found.keys()
    assert any("on images of noise" in reason for reason in listed(unseen).values())
    convolutions = [node for node in model.proto.graph.node if node.op_type == "Conv"]
    assert convolutions[0].name in found
    assert "float16 ends at 65504" in found[convolutions[0].name]
    assert found.keys() < {node.name for node in model.proto.graph.node}
    kept = cast(model, "fp16", keep_float=tuple(found))
    assert listed(kept).keys() == found.keys()
    expected = in_onnxruntime(model, images.images)
    assert np.abs(in_torch(kept, images.images) - expected).max() < 0.01 * np.abs(expected).max()
    assert np.abs(in_torch(cast(model, "bf16"), images.images) - expected).max() < 0.05 * np.abs(expected).max()


def test_weights_that_vanish_in_float16_keep_their_nodes_in_float32(tmp_path):
    model = exporters.load(changed(tmp_path / "m.onnx", scaled(2.0**-22)), contract=SMALL)
    convolutions = [node.name for node in model.proto.graph.node if node.op_type == "Conv"]
    made = cast(model, "fp16")
    assert set(listed(made)) == {convolutions[0]} | ({convolutions[1]} & set(listed(made)))
    assert "loses" in listed(made)[convolutions[0]]
    images = Images().images
    expected = in_onnxruntime(model, images)
    assert np.abs(in_torch(made, images) - expected).max() < 0.05 * np.abs(expected).max()
    assert cast(model, "bf16").precision == "bf16"
    assert listed(cast(model, "bf16")) == {}


def test_a_channel_that_is_switched_off_costs_nothing(tmp_path):
    def change(model):
        (weight,) = (t for t in model.graph.initializer if t.name == model.graph.node[0].input[1])
        value = numpy_helper.to_array(weight).copy()
        value[0] *= 1e-9
        weight.CopyFrom(numpy_helper.from_array(value, weight.name))

    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    assert float32_nodes(model, None) == {}


def test_a_constant_that_keeps_a_division_finite_stays_float32(tmp_path):
    """1e-8 is below what float16 holds: rounded, it would be 0, and 0 / 0 NaN."""

    def change(model):
        constants = {"tiny": np.float32(1e-8), "zero": np.float32(0)}
        model.graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in constants.items())
        append(
            model,
            helper.make_node("Mul", ["raw", "zero"], ["nothing"], name="nothing"),
            helper.make_node("Add", ["nothing", "tiny"], ["safe"], name="safe"),
            helper.make_node("Div", ["nothing", "safe"], ["none"], name="divide"),
            helper.make_node("Add", ["raw", "none"], ["logits"], name="last"),
        )

    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    assert list(float32_nodes(model, None)) == ["safe"]
    made = cast(model, "fp16", keep_float=("divide",))
    images = Images().images
    assert np.isfinite(in_torch(made, images)).all()


def test_bounds_beyond_float16_bound_nothing(tmp_path):
    def change(model):
        limits = {"low": np.float32(-3.4e38), "high": np.float32(3.4e38)}
        model.graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in limits.items())
        append(model, helper.make_node("Clip", ["raw", "low", "high"], ["logits"], name="clip"))

    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    made = cast(model, "fp16")
    assert listed(made) == {}
    high = next(numpy_helper.to_array(tensor) for tensor in made.proto.graph.initializer if tensor.name == "high")
    assert high == np.inf


@pytest.mark.parametrize("precision", HALVES)
def test_what_an_operator_or_a_shape_needs_in_float32_stays_so(tmp_path, precision):
    model = exporters.load(changed(tmp_path / "m.onnx", resized), contract=SMALL)
    made = cast(model, precision)
    assert listed(made).keys() == {"shape_f", "wanted_f", "wanted", "stop", "ramp", "if"}
    kinds = types(made)
    assert kinds["scales"] == kinds["shape_f"] == kinds["ramp"] == TensorProto.FLOAT
    assert kinds["wanted"] == TensorProto.INT64
    assert kinds["larger"] == kinds["image"] == kinds["fill"] == kinds["steps"] == HALVES[precision]
    if precision == "fp16":
        images = Images(3).images
        expected = in_onnxruntime(model, images)
        assert np.abs(in_onnxruntime(made, images) - expected).max() < 0.01 * np.abs(expected).max()


def test_sizes_computed_in_bfloat16_would_be_wrong():
    """Why shape arithmetic stays float32: 257 is no bfloat16, 2049 no float16."""
    assert float(ml_dtypes.bfloat16(257)) != 257
    assert float(np.float16(2049)) != 2049


@pytest.mark.parametrize("precision", HALVES)
def test_nodes_that_the_user_names_stay_float32(model_file, precision):
    model = exporters.load(model_file, contract=SMALL)
    first = next(node for node in model.proto.graph.node if node.op_type == "Conv")
    made = cast(model, precision, keep_float=(first.name,))
    kinds = types(made)
    (kept,) = (node for node in made.proto.graph.node if node.name == first.name)
    assert {kinds[name] for name in (*kept.input, *kept.output)} == {TensorProto.FLOAT}
    assert listed(made) == {first.name: "asked for"}


@pytest.mark.parametrize(
    ("variances", "epsilon", "kept"),
    [([1.0] * 4, 1e-5, []), ([1.0, 1.0, 1.0, 1e-8], 1e-12, ["bn"]), ([1.0, 1.0, 1.0, 1e-8], 1e-3, [])],
    ids=["normal", "one too small", "epsilon is larger"],
)
def test_normalisation_by_a_variance_too_small_for_float16_stays_float32(tmp_path, variances, epsilon, kept):
    def change(model):
        values = {"s": [1] * 4, "b": [0] * 4, "m": [0] * 4, "v": variances}
        model.graph.initializer.extend(numpy_helper.from_array(np.array(v, np.float32), k) for k, v in values.items())
        node = helper.make_node("BatchNormalization", ["raw", *values], ["logits"], name="bn", epsilon=epsilon)
        append(model, node)

    assert list(float32_nodes(exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL), None)) == kept


def test_values_just_within_the_range_keep_their_nodes_in_float32(tmp_path):
    """The images are a sample: a value of 40,000 on them may be one of 70,000 on others."""
    images = Images()
    plain = exporters.load(make_model(tmp_path / "p.onnx"), contract=SMALL)
    first = next(node for node in plain.proto.graph.node if node.op_type == "Conv")
    proto = onnx.ModelProto.FromString(plain.onnx_bytes)
    proto.graph.output.append(onnx.ValueInfoProto(name=first.output[0]))
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    largest = np.abs(session.run([first.output[0]], {"input": plain.contract.normalise(images.images)})[0]).max()
    for value, kept in ((40_000, True), (30_000, False)):
        model = exporters.load(changed(tmp_path / f"{value}.onnx", scaled(value / largest)), contract=SMALL)
        assert (first.name in float32_nodes(model, images)) is kept


def test_the_region_of_a_resize_stays_float32(tmp_path):
    def change(model):
        values = {"region": np.array([0, 0, 0, 0, 1, 1, 0.3, 0.3], np.float32), "same": np.ones(4, np.float32)}
        model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
        mode = "tf_crop_and_resize"
        node = helper.make_node(
            "Resize", ["input", "region", "same"], ["part"], name="crop", coordinate_transformation_mode=mode
        )
        model.graph.node.insert(0, node)
        model.graph.node[1].input[0] = "part"

    kinds = types(cast(exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL), "fp16"))
    assert (kinds["region"], kinds["part"]) == (TensorProto.FLOAT, TensorProto.FLOAT16)


def test_casting_twice_gives_the_same_bytes_and_the_cache_finds_them(model_file, tmp_path):
    model = exporters.load(model_file, contract=SMALL)
    first = calib.quantize(model, "fp16", engine="tensorrt", images=None, cache=tmp_path)
    again = calib.quantize(model, "fp16", engine="tensorrt", images=None, cache=tmp_path)
    assert again.onnx_bytes == first.onnx_bytes
    assert again.precision == first.precision == "fp16"
    assert cast(model, "fp16").onnx_bytes == cast(model, "fp16").onnx_bytes


def test_a_conversion_that_computes_something_else_is_refused(model_file, monkeypatch):
    model = exporters.load(model_file, contract=SMALL)
    convert = onnx.version_converter.convert_version

    def wrongly(proto, version):
        converted = convert(proto, version)
        tensor = next(tensor for tensor in converted.graph.initializer if len(tensor.dims) == 4)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
        return converted

    monkeypatch.setattr(onnx.version_converter, "convert_version", wrongly)
    with pytest.raises(BuildError, match=r"opset 22, computes something else.*Export it again with opset 22"):
        cast(model, "bf16")


def test_float16_and_bfloat16_files_become_each_other(tmp_path):
    """From the float32 form, so that nothing is rounded twice."""
    model = exporters.load(make_model(tmp_path / "m.onnx"), contract=SMALL)
    half = cast(model, "fp16")
    assert cast(half, "bf16").precision == "bf16"
    widened = dataclasses.replace(half, precision="fp16")
    assert cast(widened, "fp16").precision == "fp16"

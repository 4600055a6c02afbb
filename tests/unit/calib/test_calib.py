"""Calibration: the graph that comes out, what is refused, and the cache that never mixes things up."""

import dataclasses

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime as ort
import pytest
from conftest import make_model
from onnx_files import (
    brevitas_style,
    changed,
    channels_last,
    half,
    half_inside,
    normalised_inside,
    old_opset,
    set_batch,
    softmax,
    softmax_and_reshape,
    uint8_input,
)

from seatrial import calib, engines, exporters
from seatrial.calib.cache import cache_key
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.errors import BadInputError, BuildError, UnsupportedError
from seatrial.exporters.contract import read_contract

SMALL = exporters.ContractOptions(size=(16, 16))


class Images:
    """Calibration images from an array; counts how often it is read."""

    def __init__(self, seed=0, count=20, digest="images"):
        self.images = np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
        self.digest = digest
        self.largest = 0

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            self.largest = max(self.largest, len(self.images[start : start + size]))
            yield self.images[start : start + size]


@pytest.fixture
def model(model_file):
    return exporters.load(model_file, contract=SMALL)


def test_ranges_are_the_minima_and_maxima_of_the_real_inputs(model):
    images = Images()
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=images)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in quantized.proto.graph.initializer}
    first = next(node for node in quantized.proto.graph.node if node.input[0] == "input")
    inputs = model.contract.normalise(images.images)
    low, high = min(0.0, float(inputs.min())), float(inputs.max())
    assert weights[first.input[1]] == pytest.approx((high - low) / 255, rel=1e-5)
    assert weights[first.input[2]].dtype == np.uint8


def test_the_quantized_model_keeps_contract_and_names(tmp_path):
    named = exporters.load(make_model(tmp_path / "m.onnx"), contract=SMALL)
    named = dataclasses.replace(named, class_names=("a", "b", "c", "d"))
    quantized = calib.quantize(named, "int8", engine="onnxruntime", images=Images())
    (tmp_path / "q.onnx").write_bytes(quantized.onnx_bytes)
    again = exporters.load(tmp_path / "q.onnx")
    assert read_contract(again.proto) == named.contract
    assert again.class_names == ("a", "b", "c", "d")


def test_a_model_frozen_at_one_is_calibrated_one_by_one(tmp_path):
    def freeze(proto):
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1

    images = Images(count=3)
    frozen = exporters.load(make_model(tmp_path / "m.onnx", change=freeze), contract=SMALL)
    calib.quantize(frozen, "int8", engine="onnxruntime", images=images)
    assert images.largest == 1


def test_a_quantized_model_and_an_empty_set_are_refused(model):
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=Images())
    with pytest.raises(BadInputError, match="quantized already"):
        calib.quantize(quantized, "int8", engine="onnxruntime", images=Images())
    with pytest.raises(BadInputError, match="empty"):
        calib.quantize(model, "int8", engine="onnxruntime", images=Images(count=0))


def test_a_precision_without_recipe_is_unsupported():
    with pytest.raises(UnsupportedError, match=r"There is no recipe for fp8.*int8 for onnxruntime"):
        calib.recipe_for("onnxruntime", "fp8")


def test_every_recipe_gives_its_reasons():
    assert len(calib.recipe_for("onnxruntime", "int8").reasons) >= 3


def test_the_cache_gives_back_the_same_bytes_without_calibrating(model, tmp_path):
    cache = tmp_path / "cache"
    first = calib.quantize(model, "int8", engine="onnxruntime", images=Images(), cache=cache)
    untouched = Images()
    second = calib.quantize(model, "int8", engine="onnxruntime", images=untouched, cache=cache)
    assert second.onnx_bytes == first.onnx_bytes
    assert untouched.largest == 0
    assert len(list(cache.iterdir())) == 1


def test_calibrating_twice_gives_the_same_bytes(model):
    first = calib.quantize(model, "int8", engine="onnxruntime", images=Images())
    assert calib.quantize(model, "int8", engine="onnxruntime", images=Images()).onnx_bytes == first.onnx_bytes


def test_a_damaged_or_foreign_cache_entry_is_made_anew(model, tmp_path):
    cache = tmp_path / "cache"
    first = calib.quantize(model, "int8", engine="onnxruntime", images=Images(), cache=cache)
    (entry,) = cache.iterdir()
    for content in (b"garbage", model.onnx_bytes, b""):
        entry.write_bytes(content)
        again = calib.quantize(model, "int8", engine="onnxruntime", images=Images(), cache=cache)
        assert again.onnx_bytes == first.onnx_bytes


def test_the_key_changes_with_everything_that_shapes_the_model(model, tmp_path):
    recipe, images = calib.recipe_for("onnxruntime", "int8"), Images()
    other_weights = exporters.load(make_model(tmp_path / "o.onnx", seed=9), contract=SMALL)
    other_contract = exporters.load(
        make_model(tmp_path / "c.onnx"), contract=exporters.ContractOptions(size=(16, 16), color="bgr")
    )
    first = Request(model, recipe, images, QuantizeOptions())
    keys = [
        cache_key(first),
        cache_key(dataclasses.replace(first, model=other_weights)),
        cache_key(dataclasses.replace(first, model=other_contract)),
        cache_key(dataclasses.replace(first, recipe=dataclasses.replace(recipe, per_channel=False))),
        cache_key(dataclasses.replace(first, images=Images(digest="other order"))),
        cache_key(dataclasses.replace(first, options=QuantizeOptions(ranges="entropy"))),
    ]
    assert len(set(keys)) == len(keys)
    assert cache_key(dataclasses.replace(first, images=Images())) == keys[0]


def scores(model, images):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(None, {model.input_name: model.contract.normalise(images)})[0]


@pytest.mark.parametrize("count", [10, 12])
def test_a_frozen_batch_is_calibrated_on_whole_batches(tmp_path, count):
    frozen = exporters.load(changed(tmp_path / "m.onnx", set_batch(4)), contract=SMALL)
    quantized = calib.quantize(frozen, "int8", engine="onnxruntime", images=Images(count=count))
    free = calib.quantize(
        exporters.load(make_model(tmp_path / "f.onnx"), contract=SMALL),
        "int8",
        engine="onnxruntime",
        images=Images(count=count),
    )
    assert quantized.fixed_batch == 4
    assert scales(quantized) == scales(free)  # the image that fills the last batch up changes no range


def scales(model):
    return {
        tensor.name: onnx.numpy_helper.to_array(tensor).tolist()
        for tensor in model.proto.graph.initializer
        if tensor.name.endswith(("scale", "zero_point"))
    }


@pytest.mark.parametrize("change", [softmax, softmax_and_reshape])
def test_a_softmax_at_the_end_stays_float_and_the_rest_is_int8(tmp_path, change):
    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    images = Images(count=40)
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=images)
    (node,) = (node for node in quantized.proto.graph.node if node.op_type == "Softmax")
    behind = [user for user in quantized.proto.graph.node if node.output[0] in user.input]
    assert not any(user.op_type == "QuantizeLinear" for user in behind)
    assert (quantized.scores, quantized.precision) == ("probabilities", "int8")
    answers = scores(quantized, images.images)
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    assert len(np.unique(answers[:, 0] * 255 % 1)) > 1  # no multiples of one step
    request = engines.BuildRequest(quantized.onnx_bytes, "input", "logits", (3, 16, 16), 4, precision="int8")
    with engines.build("onnxruntime", request) as engine:
        assert engine.audit().realized()["int8"] >= 0.99


@pytest.mark.parametrize("change", [half, half_inside, uint8_input, channels_last, normalised_inside])
def test_inputs_of_every_kind_are_calibrated(tmp_path, change):
    options = dataclasses.replace(SMALL, divisor=1.0) if change is normalised_inside else SMALL
    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=options)
    images = Images(count=32)
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=images)
    assert quantized.precision == "int8"
    assert quantized.contract.dtype == ("uint8" if change is uint8_input else "float32")
    expected = scores(exporters.load(make_model(tmp_path / "f.onnx"), contract=SMALL), images.images)
    assert np.abs(scores(quantized, images.images) - expected).max() < 0.1 * np.abs(expected).max()
    request = engines.BuildRequest(
        quantized.onnx_bytes,
        "input",
        "logits",
        quantized.contract.tensor_shape,
        4,
        precision="int8",
        input_dtype=quantized.contract.dtype,
    )
    with engines.build("onnxruntime", request) as engine:
        assert engine.audit().realized()["int8"] >= 0.99


def test_weights_that_the_file_offers_as_inputs_become_constants(tmp_path):
    def change(model):
        for tensor in model.graph.initializer:
            model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))

    model = exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=Images())
    assert [value.name for value in quantized.proto.graph.input] == ["input"]


def test_a_file_that_quantizes_weights_only_to_8_bits_can_be_calibrated(tmp_path):
    model = exporters.load(brevitas_style(tmp_path / "m.onnx", weight_only=True), contract=SMALL)
    assert calib.quantize(model, "int8", engine="onnxruntime", images=Images()).precision == "int8"


@pytest.mark.parametrize("opset", [7, 9, 11])
def test_old_opsets_are_converted_for_per_channel_scales(tmp_path, opset):
    model = exporters.load(old_opset(tmp_path / "m.onnx", opset), contract=SMALL)
    images = Images(count=32)
    quantized = calib.quantize(model, "int8", engine="onnxruntime", images=images)
    assert quantized.proto.opset_import[0].version == 13
    assert any(len(value) == 8 for value in scales(quantized).values() if isinstance(value, list))
    assert quantized.scores == "probabilities"
    assert np.abs(scores(quantized, images.images) - scores(model, images.images)).max() < 0.05


def test_a_conversion_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    model = exporters.load(old_opset(tmp_path / "m.onnx", 9), contract=SMALL)
    convert = onnx.version_converter.convert_version

    def wrongly(proto, version):
        converted = convert(proto, version)
        (scale,) = (tensor for tensor in converted.graph.initializer if tensor.name == "scale")
        scale.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(scale) * 2, "scale"))
        return converted

    monkeypatch.setattr(onnx.version_converter, "convert_version", wrongly)
    with pytest.raises(BuildError, match=r"opset 9; converted to 13.*computes something else"):
        calib.quantize(model, "int8", engine="onnxruntime", images=Images())


def test_a_graph_that_cannot_be_converted_says_so(tmp_path, monkeypatch):
    model = exporters.load(old_opset(tmp_path / "m.onnx", 9), contract=SMALL)

    def fails(proto, version):
        raise RuntimeError("No Adapter From Version 9 for Mystery")

    monkeypatch.setattr(onnx.version_converter, "convert_version", fails)
    with pytest.raises(BuildError, match=r"converting it failed: No Adapter.*Export it again with opset 13"):
        calib.quantize(model, "int8", engine="onnxruntime", images=Images())

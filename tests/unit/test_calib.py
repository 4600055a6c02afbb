"""Calibration: the graph that comes out, what is refused, and the cache that never mixes things up."""

import dataclasses

import numpy as np
import onnx
import pytest
from conftest import make_model

import calib
import exporters
from calib.cache import cache_key
from exporters.contract import read_contract
from shipcheck.errors import BadInputError, UnsupportedError

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
    with pytest.raises(UnsupportedError, match="There is: int8 for onnxruntime"):
        calib.recipe_for("onnxruntime", "int4")


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
    keys = [
        cache_key(model, recipe, images),
        cache_key(other_weights, recipe, images),
        cache_key(other_contract, recipe, images),
        cache_key(model, dataclasses.replace(recipe, per_channel=False), images),
        cache_key(model, recipe, Images(digest="other order")),
    ]
    assert len(set(keys)) == len(keys)
    assert cache_key(model, recipe, Images()) == keys[0]

"""What the file's input decides about the contract: layout, dtype and batch; and what it leaves to the contract."""

import numpy as np
import onnxruntime as ort
import pytest
from conftest import make_model
from onnx import TensorProto
from onnx_files import changed, channels_last, half, prepend, set_batch, uint8_input, value_info

from seatrial import exporters
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import embed

SMALL = exporters.ContractOptions(size=(16, 16))
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def scores(model, images):
    session = ort.InferenceSession(model.onnx_bytes, providers=["CPUExecutionProvider"])
    return session.run(None, {model.input_name: model.contract.normalise(images)})[0]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def shaped(*shape):
    return lambda model: model.graph.input[0].CopyFrom(value_info("input", TensorProto.FLOAT, list(shape)))


@pytest.mark.parametrize("batch", [1, 4, 7])
def test_a_frozen_batch_of_any_size_is_taken(tmp_path, batch):
    model = exporters.load(changed(tmp_path / "m.onnx", set_batch(batch)), contract=SMALL)
    assert model.fixed_batch == batch


def test_channels_last_is_seen_and_computes_the_same(tmp_path, images):
    first = exporters.load(make_model(tmp_path / "a.onnx"), contract=SMALL)
    last = exporters.load(changed(tmp_path / "b.onnx", channels_last), contract=SMALL)
    assert (first.contract.layout, last.contract.layout) == ("nchw", "nhwc")
    assert last.contract.tensor_shape == (16, 16, 3)
    np.testing.assert_allclose(scores(last, images), scores(first, images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        (("n", 3, 16, 16), "nchw"),
        (("n", 3, "h", "w"), "nchw"),
        (("n", "c", 16, 16), "nchw"),
        (("n", 3, 16, "w"), "nchw"),
        (("n", 16, 16, 3), "nhwc"),
        (("n", "h", "w", 3), "nhwc"),
        (("n", 16, 16, "c"), "nhwc"),
        (("n", "c", "h", "w"), None),
        (("n", 3, 3, 3), None),
    ],
)
def test_the_layout_is_where_the_three_channels_are(tmp_path, shape, layout):
    from seatrial.exporters.signature import read_signature

    def change(model):
        shaped(*shape)(model)

    import onnx

    proto = onnx.load(make_model(tmp_path / "m.onnx", change=change))
    assert read_signature(proto, tmp_path).layout == layout


def test_the_contract_decides_where_the_shape_fits_both(tmp_path):
    path = changed(tmp_path / "m.onnx", shaped("n", "c", "h", "w"))
    assert exporters.load(path, contract=SMALL).contract.layout == "nchw"

    def last(model):
        channels_last(model)
        shaped("n", "h", "w", "c")(model)

    path = changed(tmp_path / "l.onnx", last)
    told = exporters.ContractOptions(size=(16, 16), layout="nhwc")
    assert exporters.load(path, contract=told).contract.layout == "nhwc"
    with pytest.raises(UsageError, match="nchw does not fit"):
        exporters.load(
            changed(tmp_path / "k.onnx", channels_last),
            contract=exporters.ContractOptions(size=(16, 16), layout="nchw"),
        )


@pytest.mark.parametrize(
    ("shape", "way_out"),
    [
        (("n", 2, 16, 16), "What 2 channels mean .* with three, or with one"),
        (("n", 16, 16, 5), "What 5 channels mean"),
        (("n", 48), "with the Reshape from an image to its flat vector inside"),
        (("n", 3, 16), "with an image as its input"),
    ],
)
def test_what_is_no_image_is_refused_with_a_way_out(tmp_path, shape, way_out):
    expected = r"expected \[batch, 3, height, width\] or \[batch, height, width, 3\].*" + way_out
    with pytest.raises(BadInputError, match=expected):
        exporters.load(changed(tmp_path / "m.onnx", shaped(*shape)), contract=SMALL)


def test_uint8_takes_raw_pixels(tmp_path, images):
    model = exporters.load(changed(tmp_path / "u.onnx", uint8_input), contract=SMALL)
    assert model.contract.dtype == "uint8"
    assert model.contract.takes_raw_pixels
    as_float = exporters.load(make_model(tmp_path / "f.onnx"), contract=SMALL)
    np.testing.assert_allclose(scores(model, images), scores(as_float, images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("flags", [{"mean": MEAN}, {"std": STD}, {"divisor": 127.5}, {"mean": MEAN, "std": STD}])
def test_numbers_for_a_uint8_input_are_a_mistake(tmp_path, flags):
    path = changed(tmp_path / "u.onnx", uint8_input)
    with pytest.raises(UsageError, match=" and ".join(f"--{name}" for name in flags)):
        exporters.load(path, contract=exporters.ContractOptions(size=(16, 16), **flags))


def test_of_a_contract_for_floats_a_uint8_input_keeps_geometry_and_colour(tmp_path):
    made_for_floats = exporters.InputContract((16, 16), "short-side", 20, color="bgr", mean=MEAN, std=STD)
    path = changed(tmp_path / "u.onnx", uint8_input, lambda model: embed(model, made_for_floats, []))
    for contract in (exporters.load(path).contract, exporters.load(path, contract=made_for_floats).contract):
        assert (contract.resize, contract.resize_to, contract.color) == ("short-side", 20, "bgr")
        assert (contract.dtype, contract.takes_raw_pixels) == ("uint8", True)
    cifar = changed(tmp_path / "c.onnx", uint8_input, lambda model: resized(model, 32))
    assert exporters.load(cifar, contract=exporters.ContractOptions(preset="cifar10")).contract.takes_raw_pixels


def resized(model, size):
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = size


def test_float16_input_gives_a_float16_contract(tmp_path, images):
    model = exporters.load(changed(tmp_path / "h.onnx", half), contract=SMALL)
    assert model.contract.dtype == "float16"
    assert scores(model, images).dtype == np.float16


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (TensorProto.INT8, "INT8.*subtract 128 inside"),
        (TensorProto.DOUBLE, "DOUBLE.*model.float()"),
        (TensorProto.BFLOAT16, "BFLOAT16.*Cast behind it"),
        (TensorProto.INT64, "INT64.*expected FLOAT, FLOAT16 or UINT8"),
    ],
)
def test_other_inputs_are_refused_with_a_way_out(tmp_path, kind, says):
    def change(model):
        prepend(model, "Cast", ["batch", 3, 16, 16], kind, to=TensorProto.FLOAT)

    with pytest.raises(BadInputError, match=says):
        exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)

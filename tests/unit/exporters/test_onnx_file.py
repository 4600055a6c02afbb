"""ONNX files that are not what they should be: each is refused with a message that says why."""

import functools

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import gray

from seatrial import exporters
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import embed
from seatrial.exporters.presets import PRESETS

SMALL = exporters.ContractOptions(size=(16, 16))


def load_changed(tmp_path, change, contract=SMALL):
    return exporters.load(make_model(tmp_path / "m.onnx", change=change), contract=contract)


def test_a_good_file_is_described(tmp_path):
    model = load_changed(tmp_path, None)
    assert (model.name, model.input_name, model.output_name, model.classes) == ("m", "input", "logits", 4)
    assert model.fixed_batch is None
    assert model.contract.size == (16, 16)


def test_the_digest_is_that_of_the_graph_not_of_the_path(tmp_path):
    first = exporters.load(make_model(tmp_path / "a.onnx"), contract=SMALL)
    same = exporters.load(make_model(tmp_path / "b.onnx"), contract=SMALL)
    other = exporters.load(make_model(tmp_path / "c.onnx", seed=1), contract=SMALL)
    assert first.digest == same.digest != other.digest


def test_the_embedded_contract_is_used_and_can_be_overridden(tmp_path):
    carried = exporters.InputContract((16, 16), mean=(0.1, 0.2, 0.3))
    path = make_model(tmp_path / "m.onnx", change=lambda model: embed(model, carried, ["a", "b", "c", "d"]))
    assert exporters.load(path).contract == carried
    assert exporters.load(path).class_names == ("a", "b", "c", "d")
    assert exporters.load(path, contract=exporters.ContractOptions(color="bgr")).contract.color == "bgr"


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 50, b"\x00" * 100, b"PK\x03\x04" + b"\xff" * 200])
def test_a_file_that_is_not_onnx(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"m\.onnx"):
        exporters.load(path, contract=SMALL)


def test_a_truncated_file(tmp_path):
    path = make_model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BadInputError, match=r"m\.onnx"):
        exporters.load(path, contract=SMALL)


def test_a_missing_file(tmp_path):
    with pytest.raises(BadInputError, match="no model file"):
        exporters.load(tmp_path / "m.onnx")


def two_inputs(model):
    extra = helper.make_tensor_value_info("second", TensorProto.FLOAT, ["batch", 4])
    model.graph.input.append(extra)


def nan_weight(model):
    _edit(model, "w2", lambda values: values.__setitem__((0, 0, 0, 0), np.nan))


def infinite_bias(model):
    _edit(model, "b1", lambda values: values.__setitem__(3, np.inf))


def unknown_op(model):
    model.graph.node[1].op_type = "NoSuchOp"


def dangling(model):
    model.graph.node[2].input[0] = "nowhere"


def _edit(model, name, change):
    for tensor in model.graph.initializer:
        if tensor.name == name:
            values = numpy_helper.to_array(tensor).copy()
            change(values)
            tensor.CopyFrom(numpy_helper.from_array(values, name))


def nan_constant(model):
    value = numpy_helper.from_array(np.full((16, 3, 3, 3), np.nan, np.float32))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["constant"], value=value))
    model.graph.node[1].input[1] = "constant"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (nan_constant, "NaN or infinite of 432"),
        (two_inputs, r"2 inputs \(input, second\)"),
        (nan_weight, "'w2' holds 1 NaN or infinite of 4608"),
        (infinite_bias, "'b1'"),
        (unknown_op, "NoSuchOp"),
        (dangling, "nowhere"),
    ],
)
def test_a_file_that_cannot_be_tested_is_refused_with_the_reason(tmp_path, change, says):
    with pytest.raises(BadInputError, match=says):
        load_changed(tmp_path, change)


def test_no_contract_asks_for_one(tmp_path):
    with pytest.raises(UsageError, match="--preset"):
        load_changed(tmp_path, None, contract=None)


def test_a_contract_of_another_size_is_refused(tmp_path):
    with pytest.raises(UsageError, match="takes 16x16"):
        load_changed(tmp_path, None, contract=PRESETS["cifar10"])


def test_class_names_of_another_number_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="names 2 classes"):
        load_changed(tmp_path, lambda model: embed(model, exporters.InputContract((16, 16)), ["a", "b"]), contract=None)


def test_an_infinite_scalar_is_a_bound_not_a_broken_weight(tmp_path):
    def change(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array(np.inf, np.float32), "most"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "least"))
        model.graph.node[1].op_type = "Clip"
        model.graph.node[1].input.extend(["least", "most"])

    assert load_changed(tmp_path, change).classes == 4


def test_float16_weights_are_checked_too(tmp_path):
    def change(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array([np.nan], np.float16), "half"))

    with pytest.raises(BadInputError, match="'half'"):
        load_changed(tmp_path, change)


def test_every_preset_is_a_contract_that_fits_itself(tmp_path):
    for name, preset in PRESETS.items():
        size = preset.size[0]
        one_channel = functools.partial(gray, size=size) if preset.color == "gray" else None
        path = make_model(tmp_path / "m.onnx", size=size, change=one_channel)
        assert exporters.load(path, contract=exporters.ContractOptions(preset=name)).contract == preset
        assert onnx.load(path).graph.input[0].name == "input"

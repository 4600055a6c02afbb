"""The pieces that a quantized graph is looked at in, and what is said of a verdict."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import Images, build

from seatrial import calib
from seatrial.calib import QuantizeOptions
from seatrial.harness.guard.look import ratio_db
from seatrial.harness.guard.sample import IMAGES, sample_of, seeded
from seatrial.harness.guard.units import FED, cut, units_of
from seatrial.harness.guard.verdict import FLOAT_DB, OFF_SHARE, Piece, Verdict, verdict_of


def quantized(name, tmp_path, precision="int8", **options):
    model = build(name, tmp_path)
    images = Images()
    return calib.quantize(
        model, precision, engine="onnxruntime", images=images, options=QuantizeOptions(**options), saturates=False
    )


def test_every_layer_is_in_one_piece_and_pieces_end_where_values_are_rounded(tmp_path):
    made = quantized("residual", tmp_path)
    units = units_of(made.proto.graph, "input", "logits")
    named = [node for unit in units for node in unit.nodes]
    layers = ["stem", "a1", "a2", "b1", "b2", "shortcut", "fc"]
    assert [node for node in named if node in layers] == layers
    assert "add1" in named
    assert len(named) == len(set(named))
    by_node = {unit.nodes[-1]: unit for unit in units if unit.nodes}
    assert by_node["fc"].step is None
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.proto.graph.initializer}
    (quantize,) = (n for n in made.proto.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == "relu1_out")
    assert by_node["stem"].step == pytest.approx(float(constants[quantize.input[1]]))
    assert by_node["stem"].before == "relu1_out"


def test_a_layer_of_four_bit_weights_is_a_piece_of_its_own(tmp_path):
    made = quantized("perceptron", tmp_path, "int4")
    units = units_of(made.proto.graph, "input", "logits")
    assert ["hidden"] in [list(unit.nodes) for unit in units]


def test_the_cut_graph_computes_each_piece_from_what_it_is_fed(tmp_path):
    made = quantized("residual", tmp_path)
    units = units_of(made.proto.graph, "input", "logits")
    names = [unit.value for unit in units]
    pieces = cut(made.proto, names, names, "logits")
    fed = [value.name for value in pieces.graph.input]
    assert sorted(fed) == sorted(["input", *(FED + name for name in names if name != "logits")])
    for node in pieces.graph.node:
        assert not set(node.input) & (set(names) - {"logits"})


def test_a_clip_between_quantizing_and_dequantizing_is_seen_through():
    constants = [
        numpy_helper.from_array(np.array(value), name)
        for name, value in (("s", np.float32(0.5)), ("z", np.uint8(0)), ("high", np.uint8(15)))
    ]
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["y"], name="sigmoid"),
        helper.make_node("QuantizeLinear", ["y", "s", "z"], ["q"]),
        helper.make_node("Clip", ["q", "", "high"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["out"], name="relu"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "out")]
    graph = onnx.helper.make_graph(nodes, "g", values[:1], values[1:], constants)
    rounded, last = units_of(graph, "x", "out")
    assert (rounded.value, rounded.step, rounded.before, rounded.nodes[0]) == ("d", 0.5, "y", "sigmoid")
    assert (last.value, last.step, last.nodes) == ("out", None, ("relu",))


PIECE = Piece("attend", ("attend",), "QLinearSoftmax", 0.98, 0.4)
VERDICT = Verdict(32, "calibration", 2.04, 5, (PIECE,), "basic", faithful=False, seconds=1.5)


@pytest.mark.parametrize(
    "verdict",
    [
        VERDICT,
        Verdict(32, "test"),
        Verdict(not_looked="no ONNX Runtime"),
        dataclasses.replace(VERDICT, saturating=(3, 20), kept_float=(("a", "why"),)),
        dataclasses.replace(VERDICT, pieces=(dataclasses.replace(PIECE, off=None),), way_out=None),
    ],
)
def test_verdicts_come_back_from_json(verdict):
    assert verdict_of(json.loads(json.dumps(verdict.to_dict(), allow_nan=False))) == verdict


def test_damaged_verdicts_are_refused():
    for fields in ({}, {**VERDICT.to_dict(), "pieces": [{}]}, {**VERDICT.to_dict(), "more": 1}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            verdict_of(fields)


def test_a_caution_names_node_labels_and_ways_out():
    (caution,) = VERDICT.cautions("onnxruntime 1.31.1")
    for words in (
        "onnxruntime 1.31.1 does not compute what the file says",
        "of the 32 calibration images tried, 5 get another label than the file's own arithmetic gives",
        "2.0 dB",
        "attend (QLinearSoftmax), 98 % of its values beyond rounding",
        "--optimization basic",
        "--keep-float attend",
    ):
        assert words in caution
    assert Verdict(32, "test").cautions("any") == ()
    assert Verdict(not_looked="why").cautions("any") == ()


def test_layers_that_can_saturate_are_told_even_where_no_label_changed():
    (caution,) = Verdict(32, "test", 41.0, 0, saturating=(3, 20)).cautions("onnxruntime 1")
    assert "3 of 20 layers can saturate on this processor" in caution
    assert "of the 32 test images tried, 0 get another label" in caution
    assert "--portable" in caution
    assert Verdict(32, "test", 41.0, 0, saturating=(0, 20)).cautions("any") == ()


def test_a_piece_is_faulty_beyond_what_rounding_does():
    assert not dataclasses.replace(PIECE, off=OFF_SHARE).faulty
    assert dataclasses.replace(PIECE, off=2 * OFF_SHARE).faulty
    assert dataclasses.replace(PIECE, off=None, snr_db=FLOAT_DB - 1).faulty
    assert not dataclasses.replace(PIECE, off=None, snr_db=FLOAT_DB).faulty


def test_ratios():
    assert ratio_db(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == np.inf
    assert ratio_db(np.zeros(2), np.ones(2)) == -np.inf
    assert ratio_db(np.array([10.0, 0.0]), np.array([9.0, 0.0])) == pytest.approx(20)


def test_seeded_images_are_coarse_and_the_same_each_time():
    first, second = seeded((40, 24)), seeded((40, 24))
    assert first.pixels.shape == (IMAGES, 40, 24, 3)
    assert first.digest == second.digest
    values = first.pixels.astype(float)
    neighbours = np.abs(np.diff(values, axis=2)).mean()
    assert 0 < neighbours < 0.25 * values.std(axis=(1, 2, 3)).mean() * 2
    assert len({image.tobytes() for image in first.pixels}) == IMAGES
    other = sample_of(first.pixels[:5], "test")
    assert len(other.pixels) == 5
    assert other.digest != first.digest

"""Which output holds the scores, and what they are."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import (
    append,
    changed,
    softmax,
    softmax_and_reshape,
    trailing_ones,
    two_outputs,
    value_info,
)

from seatrial import exporters
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.onnx_file import load_onnx

SMALL = exporters.ContractOptions(size=(16, 16))


def loaded(tmp_path, *changes, output=None):
    return load_onnx(changed(tmp_path / "m.onnx", *changes), SMALL, output)


def test_several_outputs_ask_which(tmp_path):
    with pytest.raises(BadInputError, match=r"2 outputs \(logits, embedding\).*--output NAME.*logits \[\?, 4\]"):
        loaded(tmp_path, two_outputs)


def test_a_named_output_is_taken_and_the_rest_cut_off(tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    whole = ort.InferenceSession(changed(tmp_path / "w.onnx", two_outputs).read_bytes())
    answers = dict(zip(("logits", "embedding"), whole.run(["logits", "embedding"], {"input": x}), strict=True))
    for name, classes in (("logits", 4), ("embedding", 7)):
        model = loaded(tmp_path, two_outputs, output=name)
        assert (model.output_name, model.classes) == (name, classes)
        assert [value.name for value in model.proto.graph.output] == [name]
        assert ("extra" in {node.name for node in model.proto.graph.node}) == (name == "embedding")
        weights = {tensor.name for tensor in model.proto.graph.initializer}
        assert ("w_extra" in weights, "w3" in weights) == (name == "embedding", name == "logits")
        session = ort.InferenceSession(model.onnx_bytes)
        np.testing.assert_array_equal(session.run(None, {"input": x})[0], answers[name])


def test_an_unknown_output_lists_the_known_ones(tmp_path):
    for changes in ([two_outputs], []):
        with pytest.raises(UsageError, match=r"no output 'probs'.*logits \[\?, 4\]"):
            loaded(tmp_path, *changes, output="probs")


def test_what_a_subgraph_needs_is_kept(tmp_path):
    def branch(model):
        two_outputs(model)
        body = helper.make_graph(
            [helper.make_node("Add", ["raw", "shift"], ["inner"])],
            "body",
            [],
            [value_info("inner", TensorProto.FLOAT, None)],
        )
        model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "shift"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        model.graph.node[-2].output[0] = "raw"
        model.graph.node.append(
            helper.make_node("If", ["yes"], ["logits"], then_branch=body, else_branch=body, name="if")
        )

    model = loaded(tmp_path, branch, output="logits")
    assert "shift" in {tensor.name for tensor in model.proto.graph.initializer}
    assert "extra" not in {node.name for node in model.proto.graph.node}
    ort.InferenceSession(model.onnx_bytes)


def test_trailing_axes_of_one_are_fine(tmp_path):
    assert loaded(tmp_path, trailing_ones).classes == 4


def unknown_classes(model):
    model.graph.output[0].CopyFrom(value_info("logits", TensorProto.FLOAT, ["batch", "classes"]))


def test_classes_that_the_file_does_not_say_are_inferred(tmp_path):
    assert loaded(tmp_path, unknown_classes).classes == 4


def test_what_the_graph_computes_counts_more_than_what_the_file_declares(tmp_path):
    def change(model):
        model.graph.output[0].CopyFrom(value_info("logits", TensorProto.FLOAT, ["batch", 10]))

    assert loaded(tmp_path, change).classes == 4


def test_classes_that_nobody_knows_are_refused(tmp_path):
    def change(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array(2.0, np.float32), "two"))
        append(
            model,
            helper.make_node("Greater", ["raw", "two"], ["mask"]),
            helper.make_node("NonZero", ["mask"], ["found"]),
            helper.make_node("Cast", ["found"], ["logits"], to=TensorProto.FLOAT),
            shape=("batch", "classes"),
        )

    with pytest.raises(BadInputError, match=r"\[2, \?\].*known number of classes"):
        loaded(tmp_path, change)


def argmax(model):
    append(model, helper.make_node("ArgMax", ["raw"], ["logits"], axis=1), shape=("batch", 1), kind=TensorProto.INT64)


def one_axis(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "all"))
    append(model, helper.make_node("Reshape", ["raw", "all"], ["logits"]), shape=("all",))


@pytest.mark.parametrize(("change", "says"), [(argmax, "INT64.*in front of its ArgMax"), (one_axis, r"\[4\]|\[\?\]")])
def test_what_is_no_row_of_scores_is_refused(tmp_path, change, says):
    with pytest.raises(BadInputError, match=says):
        loaded(tmp_path, change)


def test_logits_and_probabilities_are_told_apart(tmp_path):
    assert loaded(tmp_path).scores == "logits"
    for change in (softmax, softmax_and_reshape):
        assert loaded(tmp_path, change).scores == "probabilities"


def test_a_softmax_in_the_middle_is_none_at_the_end(tmp_path):
    def change(model):
        softmax(model)
        model.graph.node[-1].output[0] = "p"
        model.graph.node.append(helper.make_node("Log", ["p"], ["logits"]))

    assert loaded(tmp_path, change).scores == "logits"


def test_the_graph_stays_as_it_ships(tmp_path):
    path = changed(tmp_path / "m.onnx", softmax_and_reshape)
    assert load_onnx(path, SMALL).proto.SerializeToString(deterministic=True) == (
        type(load_onnx(path, SMALL).proto).FromString(path.read_bytes()).SerializeToString(deterministic=True)
    )


@pytest.mark.parametrize("kind", ["ArgMax", "TopK"])
def test_a_file_that_names_classes_says_how_to_cut_it_in_front_of_that(tmp_path, kind):
    def change(model):
        if kind == "ArgMax":
            nodes = [helper.make_node("ArgMax", ["raw"], ["label"], name="choice", axis=1, keepdims=0)]
        else:
            model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "k"))
            nodes = [helper.make_node("TopK", ["raw", "k"], ["value", "best"], name="choice")]
            nodes.append(helper.make_node("Cast", ["best"], ["label"], to=TensorProto.INT64))
        append(model, *nodes, output="label", shape=("batch",) if kind == "ArgMax" else ("batch", 1))
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64

    with pytest.raises(BadInputError, match=f"in front of its {kind}.*--output NAME") as caught:
        loaded(tmp_path, change)
    line = str(caught.value).partition("in Python: ")[2].replace("scores.onnx", str(tmp_path / "scores.onnx"))
    exec(line)
    assert load_onnx(tmp_path / "scores.onnx", SMALL).classes == 4

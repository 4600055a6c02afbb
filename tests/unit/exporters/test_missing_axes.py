"""Graphs without a batch or channel axis compute what they computed: against ONNX Runtime on the files as they are."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import bench, make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import append, changed, gray, prepend, softmax, value_info, without_batch

from seatrial import exporters
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.batch import with_batch
from seatrial.exporters.onnx_file import load_onnx

SMALL = exporters.ContractOptions(size=(16, 16))
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


def session(content):
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"])


def by_image(path, tensors):
    """The answers of the file as it is, asked without the batch axis: [N, classes]."""
    asked = session(str(path))
    return np.stack([np.reshape(asked.run(None, {"input": one})[0], -1) for one in tensors])


def answers(model, images=IMAGES):
    asked = session(model.onnx_bytes)
    tensors = model.contract.normalise(images)
    return np.concatenate([asked.run(None, {"input": one[None]})[0] for one in tensors])


def reshaped_inside(model):
    """[16, 16, 3] -> Transpose, Reshape: no Unsqueeze that could take the axis' place; read twice, too."""
    without_batch(model)
    del model.graph.node[0]
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 3, 16, 16], np.int64), "target"))
    prepend(model, "Transpose", [16, 16, 3], perm=[2, 0, 1])
    model.graph.node.insert(1, helper.make_node("Reshape", ["transposeed", "target"], ["one"], name="reshape"))
    model.graph.node[2].input[0] = "one"


def keeps_the_outputs_axis(model):
    without_batch(model)
    del model.graph.node[-1]
    model.graph.node[-1].output[0] = "logits"
    model.graph.output[0].CopyFrom(value_info("logits", TensorProto.FLOAT, [1, 4]))


def opset_11(model):
    without_batch(model)
    for name in ("axes", "first"):
        model.graph.initializer.remove(next(one for one in model.graph.initializer if one.name == name))
    for node in model.graph.node:
        if node.op_type in ("ReduceMean", "Unsqueeze", "Squeeze"):
            axes = [2, 3] if node.op_type == "ReduceMean" else [0]
            del node.input[1]
            node.attribute.append(helper.make_attribute("axes", axes))
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 11))


@pytest.mark.parametrize("change", [without_batch, reshaped_inside, keeps_the_outputs_axis, opset_11])
def test_a_batch_axis_is_put_in_front_and_changes_nothing(tmp_path, change):
    path = changed(tmp_path / "m.onnx", change)
    model = load_onnx(path, SMALL)
    assert (model.fixed_batch, model.classes) == (1, 4)
    onnx.checker.check_model(model.proto, full_check=True)
    expected = by_image(path, model.contract.normalise(IMAGES))
    np.testing.assert_allclose(answers(model), expected, rtol=1e-6, atol=1e-6)
    assert "no batch axis" in model.notes[0]


@pytest.mark.parametrize("kind", ["scalar", "one"])
def test_one_number_of_one_image_is_two_classes(tmp_path, kind):
    def change(model):
        without_batch(model)
        del model.graph.node[-1]
        model.graph.initializer.append(numpy_helper.from_array(np.float32([[1], [1], [-1], [-1]]), "sides"))
        shape = [] if kind == "scalar" else [1]
        model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "shape"))
        nodes = (
            helper.make_node("MatMul", ["raw", "sides"], ["sum"], name="sides"),
            helper.make_node("Reshape", ["sum", "shape"], ["logits"], name="flat"),
        )
        append(model, *nodes, shape=shape)

    path = changed(tmp_path / "m.onnx", change)
    model = load_onnx(path, SMALL)
    assert (model.binary, model.classes, model.fixed_batch) == (True, 2, 1)
    expected = by_image(path, model.contract.normalise(IMAGES))
    np.testing.assert_allclose(answers(model).reshape(3, 1), expected, rtol=1e-6, atol=1e-6)


def test_where_the_graph_adds_the_axis_itself_the_batch_can_be_freed(tmp_path):
    model = load_onnx(changed(tmp_path / "m.onnx", keeps_the_outputs_axis), SMALL)
    assert not {"Squeeze", "Unsqueeze"} & {node.op_type for node in model.proto.graph.node}
    free = session(with_batch(model.proto, None).SerializeToString())
    together = free.run(None, {"input": model.contract.normalise(IMAGES)})[0]
    np.testing.assert_allclose(together, answers(model), rtol=1e-5, atol=1e-6)


def test_a_batch_that_the_graph_cannot_have_is_refused_before_anything_runs(tmp_path):
    for change, refused in ((reshaped_inside, True), (keeps_the_outputs_axis, False)):
        path = changed(tmp_path / "m.onnx", change)
        np.savez(tmp_path / "d.npz", images=np.repeat(IMAGES, 4, 0), labels=np.arange(12) % 4)
        words = ["--model", path, "--size", 16, "--data", tmp_path / "d.npz", "--batch", 4]
        done = bench(["export", *words, "--out", tmp_path / "out.onnx"])
        assert done.returncode == (2 if refused else 0), done.stderr
        assert ("computes one image at a time" in done.stderr) == refused


def test_a_softmax_is_still_seen(tmp_path):
    def change(model):
        softmax(model)
        without_batch(model)
        model.graph.node[-2].input[0] = "inner"
        model.graph.node[-3].output[0] = "inner"

    assert load_onnx(changed(tmp_path / "m.onnx", change), SMALL).scores == "probabilities"


def test_gray_images_without_a_channel_axis(tmp_path):
    def change(model):
        gray(model)
        model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "second"))
        prepend(model, "Unsqueeze", ["batch", 16, 16])
        model.graph.node[0].input.append("second")
        model.graph.node[1].input[:] = ["unsqueezeed"] * 3

    path = changed(tmp_path / "m.onnx", change)
    model = load_onnx(path, SMALL)
    assert (model.contract.color, model.contract.tensor_shape, model.fixed_batch) == ("gray", (1, 16, 16), None)
    tensor = model.contract.normalise(IMAGES)
    expected = session(str(path)).run(None, {"input": tensor[:, 0]})[0]
    np.testing.assert_array_equal(session(model.onnx_bytes).run(None, {"input": tensor})[0], expected)


def flat(model, shape=("batch", 256)):
    """[N, 256], which the graph itself makes [N, 1, 16, 16]."""
    gray(model)
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, 16, 16], np.int64), "image"))
    prepend(model, "Reshape", shape)
    model.graph.node[0].input.append("image")
    model.graph.node[1].input[:] = ["reshapeed"] * 3


@pytest.mark.parametrize("batch", ["batch", 2])
def test_flat_gray_images_get_their_rows(tmp_path, batch):
    path = changed(tmp_path / "m.onnx", lambda model: flat(model, (batch, 256)))
    model = load_onnx(path, SMALL)
    onnx.checker.check_model(model.proto, full_check=True)
    assert (model.contract.color, model.contract.tensor_shape) == ("gray", (1, 16, 16))
    assert model.fixed_batch == (2 if batch == 2 else None)
    tensor = model.contract.normalise(IMAGES[:2])
    expected = session(str(path)).run(None, {"input": tensor.reshape(2, 256)})[0]
    np.testing.assert_array_equal(session(model.onnx_bytes).run(None, {"input": tensor})[0], expected)
    assert "is flat. Here, and in files that are written, it is [N, 1, 16, 16]" in model.notes[0]


def test_the_contract_says_how_wide_a_flat_image_is(tmp_path):
    path = changed(tmp_path / "m.onnx", flat)
    wide = load_onnx(path, exporters.ContractOptions(size=(8, 32)))
    assert wide.contract.tensor_shape == (1, 8, 32)
    with pytest.raises(BadInputError, match=r"shape \[\?, 256\].*where it has as many pixels: correct --size"):
        load_onnx(path, exporters.ContractOptions(size=(16, 32)))
    with pytest.raises(UsageError, match=r"--color rgb does not fit .*one channel is gray"):
        load_onnx(path, exporters.ContractOptions(size=(16, 16), color="rgb"))


def test_a_frozen_batch_of_one_may_drop_its_outputs_axis(tmp_path):
    def change(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first"))
        append(model, helper.make_node("Squeeze", ["raw", "first"], ["logits"], name="squeeze"), shape=(4,))
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    path = changed(tmp_path / "m.onnx", change)
    model = load_onnx(path, SMALL)
    expected = by_image(path, model.contract.normalise(IMAGES)[:, None])
    np.testing.assert_array_equal(answers(model), expected)


def test_a_softmax_over_one_class_is_refused(tmp_path):
    def change(model):
        softmax(model)
        model.graph.output[0].CopyFrom(value_info("logits", TensorProto.FLOAT, ["batch", 1]))

    path = make_model(tmp_path / "m.onnx", classes=1, change=change)
    with pytest.raises(BadInputError, match=r"Softmax over one class.*with a Sigmoid in its place"):
        load_onnx(path, SMALL)

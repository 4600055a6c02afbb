"""One number per image stands for two classes: in every consumer the same."""

import json

import numpy as np
import onnxruntime as ort
import pytest
from conftest import bench, make_folders
from onnx import helper, numpy_helper
from onnx_files import changed, one_output, one_probability, without_classes_axis

from seatrial import exporters
from seatrial.engines import ENGINES
from seatrial.exporters.onnx_file import load_onnx
from seatrial.harness.plan.request import build_request
from seatrial.scores import of_two_classes

SMALL = exporters.ContractOptions(size=(16, 16))
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)


def hard_probability(model):
    one_output(model)
    model.graph.node[-1].output[0] = "logit"
    model.graph.node.append(helper.make_node("HardSigmoid", ["logit"], ["logits"], name="hard"))


def behind_an_axis(model):
    """A Sigmoid with a Reshape behind it."""
    one_probability(model)
    model.graph.node[-1].output[0] = "p"
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "column"))
    model.graph.node.append(helper.make_node("Reshape", ["p", "column"], ["logits"], name="reshape"))


KINDS = {
    one_output: "logits",
    without_classes_axis: "logits",
    one_probability: "probabilities",
    hard_probability: "probabilities",
    behind_an_axis: "probabilities",
}


@pytest.mark.parametrize("change", KINDS)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "pytorch"])
def test_every_engine_gives_the_scores_of_two_classes(tmp_path, change, engine):
    path = changed(tmp_path / "m.onnx", change)
    model = load_onnx(path, SMALL)
    assert (model.classes, model.binary, model.scores) == (2, True, KINDS[change])
    assert "class 1 of two" in model.notes[0]
    tensor = model.contract.normalise(IMAGES)
    answer = ort.InferenceSession(path).run(None, {"input": tensor})[0].reshape(-1)
    with ENGINES[engine](build_request(model)) as built:
        scores = built.infer(tensor)
    assert scores.shape == (5, 2)
    threshold = 0.5 if model.scores == "probabilities" else 0
    np.testing.assert_array_equal(scores.argmax(1), answer > threshold)
    np.testing.assert_allclose(scores[:, 1], answer, rtol=1e-4, atol=1e-5)
    if model.scores == "probabilities":
        np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)


def test_a_shape_that_is_not_one_number_is_no_binary_answer():
    with pytest.raises(ValueError, match="not one number per image"):
        of_two_classes(np.zeros((2, 2), np.float32), "logits")


def test_the_surrogate_reads_the_logit_in_front_of_the_sigmoid(tmp_path):
    torch = pytest.importorskip("torch")

    from seatrial.harness.attacks.surrogate import Surrogate

    x = torch.rand(4, 3, 16, 16)
    found = {}
    for change in (one_output, one_probability, hard_probability):
        surrogate = Surrogate(load_onnx(changed(tmp_path / "m.onnx", change), SMALL))
        logits, _, gradient = surrogate.gradient(x, lambda z: z[:, 1] - z[:, 0])
        found[change] = logits.numpy(), gradient.abs().max().item()
        assert logits.shape == (4, 2)
    np.testing.assert_allclose(found[one_probability][0], found[one_output][0], atol=1e-5)
    assert found[one_probability][1] > 0
    # of a HardSigmoid y = x / 5 + 1 / 2 without a Sigmoid's inverse, the logarithms of both probabilities
    z = found[one_output][0][:, 1]
    p = np.clip(0.2 * z + 0.5, 0, 1)
    np.testing.assert_allclose(np.exp(found[hard_probability][0]), np.stack([1 - p, p], 1), atol=1e-5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("two")
    return make_folders(root / "test", classes=2, images=20), make_folders(root / "calib", classes=2, seed=1)


def test_every_other_command_takes_it(folders, tmp_path):
    test, calib = folders
    common = ["--model", changed(tmp_path / "m.onnx", one_probability), "--size", 16, "--resize", "exact"]
    done = bench(["export", *common, "--data", test, "--out", tmp_path / "out.onnx"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "class 1 of two" in " ".join(done.stdout.split())
    assert load_onnx(tmp_path / "out.onnx").binary
    done = bench(["quantize", *common, "--calib", calib, "--bits", 8, "--out", tmp_path / "int8.onnx"])
    assert done.returncode == 0, done.stdout + done.stderr
    quantized = ort.InferenceSession(tmp_path / "int8.onnx")
    assert quantized.get_outputs()[0].shape[1:] == [1]  # the file's own border
    json_file = tmp_path / "diff.json"
    done = bench(["diff", *common, "--calib", calib, "--data", test, "--bits", 8, "--json", json_file])
    assert done.returncode == 0, done.stdout + done.stderr
    labels = json.loads(json_file.read_text())
    assert "class 1 of two" in json.dumps(labels["notes"])
    done = bench(["contract", *common, "--data", test])
    assert "class 1 of two" in " ".join(done.stdout.split()), done.stdout + done.stderr

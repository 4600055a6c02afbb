"""`bench.py diff --remedy`: layers of real networks that cannot bear 8 bits are found, kept in float, and priced."""

import json
import shlex

import numpy as np
import onnx
import pytest
from conftest import bench
from onnx import numpy_helper


def enlarged(source, path, *, factor=200):
    """The network with one channel between its second and third convolution enlarged, and the third's weights as much
    smaller: the same in float, but one step of 8 bits for all channels is then too coarse for the others.
    """
    model = onnx.load(source)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    maker, reader = [node for node in model.graph.node if node.op_type == "Conv"][1:3]
    for name, part in ((maker.input[1], np.s_[:1]), (maker.input[2], np.s_[:1]), (reader.input[1], np.s_[:, :1])):
        values = numpy_helper.to_array(constants[name]).copy()
        values[part] *= 1 / factor if name == reader.input[1] else factor
        constants[name].CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(model, path)
    return path, {maker.name, reader.name}


@pytest.fixture
def words(shared):
    data = shared / "data/cifar10"
    return ["--preset", "cifar10", "--data", data / "test.npz", "--calib", data / "calib.npz", "--calib-limit", 32]


def remedied(tmp_path, model, words):
    out = tmp_path / "found.json"
    done = bench(["diff", "--model", model, *words, "--limit", 2, "--remedy", "--json", out])
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())["remedy"], done.stdout


@pytest.mark.parametrize(
    ("engine", "more"),
    [
        ("onnxruntime", []),
        pytest.param("openvino", [], marks=pytest.mark.long),
        pytest.param("onnxruntime", ["--quantizer", "onnxruntime"], marks=pytest.mark.long),
    ],
)
def test_the_layers_that_lose_the_accuracy_are_found_and_a_run_with_them_in_float_confirms_it(
    tmp_path, shared, words, engine, more
):
    pytest.importorskip(engine)
    model, spoilt = enlarged(shared / "models/cifar10_resnet20.onnx", tmp_path / "enlarged.onnx")
    target = ["--engine", engine, "--bits", 8, *more]
    found, text = remedied(tmp_path, model, [*words, *target, "--remedy-limit", 200])
    assert found["needed"] is found["restored"] is found["pays"] is found["whole"] is True
    assert set(found["keep_float"]) <= spoilt
    assert found["found"]["gain_ci"][0] > 0.05
    assert found["found"]["share"] >= found["goal"] > found["plain"]["share"]
    assert found["found"]["latency_ratio"] > 0
    assert "top-1 goes from" in text
    assert found["flags"] in text.replace("\n", " ")
    asked = ["run", "--model", model, *words, *target, *shlex.split(found["flags"]), "--limit", 200]
    ran = bench([*asked, "--conditions", "clean", "--out", tmp_path / "run"])
    assert ran.returncode in (0, 1), ran.stderr
    tested = json.loads((tmp_path / "run/summary.json").read_text())["targets"]
    assert [one["conditions"]["clean"]["top1"] for one in tested] == [
        found["reference"]["share"],
        found["found"]["share"],
    ]


def test_a_healthy_file_keeps_nothing(tmp_path, shared, words):
    found, text = remedied(
        tmp_path, shared / "models/cifar10_resnet20.onnx", [*words, "--bits", 8, "--remedy-limit", 100]
    )
    assert (found["needed"], found["keep_float"], found["flags"], found["tried"]) == (False, [], "", [])
    assert found["images"] == 100
    assert "Nothing is to be kept in float" in text


def test_the_report_has_the_steps(tmp_path, shared, words):
    model, _ = enlarged(shared / "models/cifar10_resnet20.onnx", tmp_path / "enlarged.onnx")
    asked = ["diff", "--model", model, *words, "--bits", 8, "--limit", 2, "--remedy", "--remedy-limit", 64]
    done = bench([*asked, "--out", tmp_path / "found.html"])
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "found.html").read_text()
    assert "Layers in float: right answers of 64 images" in page
    assert "(nothing)" in page


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--bits", 32], "a quantized precision"),
        (["--bits", 8, "--same-file"], "neither --same-file"),
        (["--bits", 8, "--remedy-limit", 0], "--remedy-limit"),
    ],
)
def test_what_cannot_be_remedied_is_refused(model_file, data_folder, calib_folder, more, says):
    asked = ["diff", "--model", model_file, "--size", 16, "--data", data_folder, "--calib", calib_folder, "--remedy"]
    done = bench([*asked, *more])
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_a_file_that_is_quantized_already_is_refused(tmp_path, model_file, data_folder, calib_folder):
    out = tmp_path / "int8.onnx"
    made = bench(["quantize", "--model", model_file, "--size", 16, "--calib", calib_folder, "--bits", 8, "--out", out])
    assert made.returncode == 0, made.stderr
    done = bench(["diff", "--model", out, "--data", data_folder, "--bits", 8, "--remedy"])
    assert done.returncode == 2
    assert "needs the float model" in done.stderr

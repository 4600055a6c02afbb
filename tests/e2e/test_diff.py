"""`bench.py diff` on real networks, real images and real engines."""

import importlib.util
import json

import numpy as np
import onnx
import pytest
from conftest import bench
from onnx import numpy_helper


@pytest.fixture(scope="module")
def resnet(shared):
    data = shared / "data/cifar10"
    words = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--data", data / "test.npz"]
    return [*words, "--calib", data / "calib.npz", "--calib-limit", 64]


@pytest.fixture(scope="module")
def spoilt(shared, resnet, tmp_path_factory):
    """Form of a recipe -> its int8 file with the scale of one activation 8 times too small."""
    folder = tmp_path_factory.mktemp("spoilt")
    calib = ["--calib", shared / "data/cifar10/calib.npz", "--calib-limit", 64]
    files = {}
    for engine in ("onnxruntime", "openvino"):
        out = folder / f"{engine}.onnx"
        done = bench(["quantize", *resnet[:4], *calib, "--engine", engine, "--bits", 8, "--out", out])
        assert done.returncode == 0, done.stderr
        model = onnx.load(out)
        scale = next(tensor for tensor in model.graph.initializer if tensor.name == "relu_9_scale")
        scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) / np.float32(8), scale.name))
        onnx.save(model, out)
        files[engine] = out
    return files


def compared(tmp_path, words):
    out = tmp_path / "found.json"
    done = bench(["diff", *words, "--json", out])
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


def needs(engine):
    pytest.importorskip({"pytorch": "torch"}.get(engine, engine))


@pytest.mark.parametrize(
    ("engine", "form", "values"),
    [
        ("onnxruntime", "onnxruntime", "all"),
        ("onnxruntime", "onnxruntime", "rounded"),
        ("openvino", "openvino", "all"),
        ("pytorch", "openvino", "all"),
    ],
)
def test_a_spoilt_layer_is_where_they_part_and_the_largest_step(tmp_path, resnet, spoilt, engine, form, values):
    needs(engine)
    words = ["--model", spoilt[form], "--float-model", resnet[1], *resnet[2:6], "--engine", engine, "--bits", 8]
    found, text = compared(tmp_path, [*words, "--values", values])
    assert found["target"] == f"{engine}/int8@cpu"
    assert (found["parts_at"], found["steps"][0]["value"]) == ("relu_9", "relu_9")
    assert found["steps"][0]["own_db"] < found["steps"][1]["own_db"] - 15
    behind = next(layer for layer in found["layers"] if layer["value"] == "relu_9")
    assert behind["snr_db"] < 10
    if values == "all":
        assert found["steps"][0]["kind"] == "rounding"
        assert behind["saturated"] > 0.02
    assert "They part first at node_relu_9 (Relu" in text
    assert found["instrumented"]["trusted"] is True


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "pytorch"])
def test_float_engines_differ_by_rounding_alone(tmp_path, resnet, engine):
    needs(engine)
    found, text = compared(tmp_path, [*resnet, "--engine", engine, "--bits", 32])
    assert found["parts_at"] is None
    assert found["answers"]["agreement"] == found["data"]["images"] == 8
    assert len(found["layers"]) == 55
    assert not found["unmatched"]
    assert all(layer["equal"] or layer["snr_db"] > 100 for layer in found["layers"])
    assert all(layer["equal"] for layer in found["layers"]) is (engine == "onnxruntime")
    assert "They do not part" in text


@pytest.mark.parametrize(
    ("engine", "more", "unmatched"),
    [
        ("onnxruntime", [], 0),
        ("onnxruntime", ["--quantizer", "onnxruntime"], 19),
        ("onnxruntime", ["--quantizer", "modelopt"], 0),
        ("openvino", [], 0),
        ("openvino", ["--quantizer", "nncf"], 0),
        ("onnxruntime", ["--precision", "sim-w4a8"], 0),
        ("onnxruntime", ["--precision", "int4"], 0),
    ],
)
def test_files_of_every_quantizer_are_followed(tmp_path, resnet, engine, more, unmatched):
    needs(engine)
    for quantizer in {"nncf", "modelopt"} & set(more):
        if importlib.util.find_spec(quantizer) is None:
            pytest.skip(f"{quantizer} is not installed")
    found, _ = compared(tmp_path, [*resnet, "--engine", engine, *more])
    assert (len(found["unmatched"]), found["notes"]) == (unmatched, [])
    assert {one["op"] for one in found["unmatched"]} <= {"Conv", "Add"}
    rounded = sum(layer["rounding_db"] is not None for layer in found["layers"])
    multiplying = [layer for layer in found["layers"] if layer["op"] in ("Conv", "Gemm")]
    assert rounded >= (0 if more == ["--precision", "int4"] else 10)
    assert all(layer["layer_db"] is None or layer["layer_db"] > 10 for layer in multiplying)
    assert found["answers"]["snr_db"] > 10


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_one_file_on_two_engines_tells_the_runtimes_share(tmp_path, resnet, engine):
    needs(engine)
    quantized, _ = compared(tmp_path, [*resnet, "--engine", engine, "--bits", 8])
    runtime, text = compared(tmp_path, [*resnet, "--engine", engine, "--bits", 8, "--same-file"])
    assert runtime["reference"] == "onnxruntime/int8@cpu, the same file node by node"
    assert (runtime["values"], runtime["parts_at"], runtime["same_file"]) == ("rounded", None, True)
    assert runtime["answers"]["snr_db"] > quantized["answers"]["snr_db"] + 5
    assert runtime["instrumented"]["target"]["agreement"] == 8
    # Codes differ by a step where a sum lies between two: no more than that at the first value that is not equal.
    first = next(layer for layer in runtime["layers"] if not layer["equal"])
    assert first["snr_db"] > 50
    assert "gives the logits of the untouched engine exactly" in text


def test_two_bits_change_labels_and_the_images_are_named(tmp_path, resnet):
    found, text = compared(tmp_path, [*resnet, "--engine", "onnxruntime", "--precision", "sim-w2a2", "--limit", 16])
    differing = found["answers"]["differing"]
    assert len(differing) == 16 - found["answers"]["agreement"] > 3
    assert all(one["id"].split("/")[0] in one["id"] and one["reference"] != one["target"] for one in differing)
    assert differing[0]["id"] in text.replace("\n", "")


def test_the_report_is_written_as_a_page_and_as_markdown(tmp_path, model_file, data_folder, calib_folder):
    words = ["diff", "--model", model_file, "--size", 16, "--data", data_folder, "--calib", calib_folder, "--limit", 3]
    for name in ("found.md", "found.html"):
        done = bench([*words, "--out", tmp_path / name])
        assert done.returncode == 0, done.stderr
        text = (tmp_path / name).read_text()
        assert "All layers" in text
        assert "conv1" in text
    refused = bench([*words, "--out", tmp_path / "found.pdf"])
    assert (refused.returncode, "neither a .md nor a .html" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--engine", "null", "--bits", 8], 3, "does not show the values inside its graph"),
        (["--engine", "pytorch", "--bits", 8], 3, "has no int8 form of its own"),
        (["--engine", "onnxruntime", "--precision", "w4a8"], 3, "w4a8"),
        (["--engine", "nosuch"], 2, "nosuch"),
        (["--against", "nosuch/int8"], 2, "nosuch"),
        (["--limit", "0"], 2, "--limit"),
        (["--float-model", "absent.onnx"], 2, "absent.onnx"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(model_file, data_folder, calib_folder, words, status, says):
    asked = ["diff", "--model", model_file, "--size", 16, "--data", data_folder, "--calib", calib_folder]
    done = bench([*asked, *words])
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr

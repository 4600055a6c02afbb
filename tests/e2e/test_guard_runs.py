"""What a user is told of an engine that does not compute what its file says: run, build, quantize."""

import dataclasses
import json

import pytest
from attention import attention
from conftest import bench, make_folders
from onnx_files import brevitas_style
from small_graphs import Images

from seatrial import calib
from seatrial.calib import QuantizeOptions
from seatrial.calib.integer import quantize_integer
from seatrial.calib.narrow import narrowed
from seatrial.calib.quantizers import Request


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A user's file whose flat attention has an int8 Softmax; its float model; 8 images; 40 to calibrate on."""
    root = tmp_path_factory.mktemp("attention")
    model = attention(root / "float.onnx")
    recipe = calib.recipe_for("onnxruntime", "int8")
    recipe = dataclasses.replace(recipe, integer_operators=(*recipe.integer_operators, "Softmax"))
    # No product overflows, whatever processor this is.
    made = narrowed(quantize_integer(Request(model, recipe, Images(40), QuantizeOptions())))
    (root / "int8.onnx").write_bytes(made.onnx_bytes)
    make_folders(root / "data", images=2)
    make_folders(root / "calib", images=10, seed=1)
    return root


def test_a_run_tells_it_beside_the_figures_and_looks_once(world, tmp_path):
    words = ["--model", world / "int8.onnx", "--data", world / "data", "--bits", "8", "--conditions", "clean"]
    found = []
    for name in ("first", "second"):
        done = bench([*words, "--advisory", "--out", tmp_path / name])
        assert done.returncode == 0, done.stderr
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        found.append({target["id"]: target["guard"] for target in summary["targets"]})
    assert found[0]["onnxruntime/fp32@cpu"] is None
    guard = found[0]["onnxruntime/int8@cpu"]
    assert (guard["images"], guard["source"], guard["faithful"]) == (8, "test", False)
    assert guard["nodes"] == ["attend"]
    assert guard["snr_db"] < 20
    assert guard["way_out"] == "basic"
    assert found[1] == found[0]  # down to the seconds: it was not looked at again
    told = " ".join(done.stdout.split())
    assert f"of the 8 test images tried, {guard['labels_changed']} get another label" in told
    assert "--keep-float attend" in told
    audit = json.loads((tmp_path / "first/audit.json").read_text())["targets"]
    assert audit["onnxruntime/int8@cpu"]["guard"] == guard
    assert "does not compute what its file says" in (tmp_path / "first/report.html").read_text()


def test_a_build_tells_it_too(world):
    done = bench(["build", "--model", world / "int8.onnx", "--engine", "onnxruntime", "--bits", "8"])
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "of the 32 seeded images tried" in told
    assert "attend (QLinearSoftmax)" in told


def test_what_our_quantizer_makes_is_not_told(world, tmp_path):
    words = ["--model", world / "float.onnx", "--size", "16", "--calib", world / "calib", "--bits", "8"]
    done = bench(["quantize", *words, "--out", tmp_path / "q.onnx"])
    assert done.returncode == 0, done.stderr
    assert "another label" not in " ".join(done.stdout.split())
    assert "int8" in done.stdout


def test_a_file_of_two_bits_runs_as_written_and_what_would_ship_is_told(world, tmp_path):
    path = brevitas_style(tmp_path / "m.onnx", weight_bits=2, activation_bits=2, float_biases=True)
    words = [
        "--model",
        path,
        "--size",
        "16",
        "--data",
        world / "data",
        "--conditions",
        "clean",
        "--scenario",
        "offline",
    ]
    done = bench([*words, "--precision", "sim-w2a2", "--advisory", "--out", tmp_path / "run"])
    assert done.returncode == 0, done.stderr
    target = "onnxruntime/sim-w2a2@cpu"
    audit = json.loads((tmp_path / "run/audit.json").read_text())["targets"][target]
    assert audit["options"]["optimization"] == "disable"
    assert [layer["bits"] for layer in audit["layers"]] == [[2, 2]] * 3
    optimised = audit["guard"]["optimised"]
    assert optimised["labels_changed"] > 0
    told = " ".join(done.stdout.split())
    assert "Simulated, so run as written with graph optimisation off" in told
    assert f"of the 8 test images tried, {optimised['labels_changed']}" in told
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert "optimiser" in {finding["cause"] for finding in summary["findings"]}
    refused = bench([*words, "--bits", "8", "--out", tmp_path / "other"])
    assert refused.returncode == 3
    assert "Ask for --precision sim-w2a2" in refused.stderr

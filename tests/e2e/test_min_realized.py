"""--min-realized and --allow-fallback, as a user and a script meet them."""

import html
import json
import re

import numpy as np
import onnx
import pytest
from conftest import bench, make_folders, make_model
from onnx import helper
from onnx_files import append, ort_quantized
from onnxruntime.quantization import QuantType
from small_graphs import build

from seatrial.engines.cpu import processor
from seatrial.harness.spec.gate import LIMITS

# Of the small classifier's work, conv2 is two thirds.
CONV1, CONV2, FC = 16 * 256 * 27, 32 * 49 * 144, 4 * 32
KEPT = CONV2 / (CONV1 + CONV2 + FC)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    return (
        root,
        make_model(root / "small.onnx"),
        make_folders(root / "test", images=12),
        make_folders(root / "calib", images=4, seed=1),
    )


def run(world, name, *more, model=None):
    root, small, data, calib = world
    out = root / name
    # The small network knows nothing: of what a gate asks, this leaves what does not need to be right.
    lenient = root / "lenient.yaml"
    asked = [name for name in LIMITS if name not in ("realized", "negative_flips")]
    lenient.write_text("".join(f"{name}: null\n" for name in asked))
    words = ["--gate", lenient, "--model", model or small, "--size", 16, "--data", data, "--calib", calib, "--out", out]
    done = bench([*words, "--conditions", "clean", *more])
    summary = out / "summary.json"
    return done, json.loads(summary.read_text()) if summary.exists() else None, out


def realized(summary, target="onnxruntime/int8@cpu"):
    return next(one for one in summary["gate"]["checks"] if (one["name"], one["target"]) == ("realized", target))


def flat(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def kept(world):
    """conv2 stays float, nothing is asked of the gate."""
    return run(world, "kept", "--keep-float", "conv2")


def test_without_the_flag_a_fallback_fails_at_the_gates_own_limit(kept):
    done, summary, _ = kept
    assert done.returncode == 1, done.stderr
    gate, check = summary["gate"], realized(summary)
    assert gate["verdict"] == "REGRESSION"
    assert (check["answer"], check["binding"], check["accepted"], check["limit"]) == ("fail", "yes", False, 0.9)
    assert f"{check['target']}: {check['says']}" in gate["reasons"]


def test_the_layers_their_shares_and_the_reason_are_everywhere(kept):
    done, summary, out = kept
    found = realized(summary)["fallback"]
    assert found["share"] == pytest.approx(KEPT)
    assert found["share"] + summary["targets"][1]["realized"]["int8"] == pytest.approx(1)
    reason = "left in float in the file (--keep-float)"
    assert [(one["reason"], one["layers"]) for one in found["reasons"]] == [(reason, 1)]
    layer = found["layers"][0]
    assert layer["node"] == "conv2"
    assert (layer["realized"], layer["reason"], layer["share"]) == ("fp32", reason, found["share"])
    audit = json.loads((out / "audit.json").read_text())["targets"]["onnxruntime/int8@cpu"]["layers"]
    assert [one["reason"] for one in audit if one["name"] == layer["name"]] == [reason]
    assert [one["reason"] for one in audit if one["name"] != layer["name"]] == [None, None]
    page = html.unescape(re.sub("<[^>]*>", " ", (out / "report.html").read_text()))
    for text in (flat(done.stdout), flat(page)):
        assert "Precision fallback: onnxruntime/int8@cpu runs" in text
        assert reason in text
        assert "Largest: conv2 (" in text


def test_another_limit_judges_the_same_run_again(world, kept):
    """The run is not made again: only its gate is another."""
    _, _, out = kept
    before = (out / "latency.parquet").stat().st_mtime_ns
    done, summary, _ = run(world, "kept", "--keep-float", "conv2", "--min-realized", "0.2")
    assert realized(summary)["answer"] == "pass"
    done, summary, _ = run(world, "kept", "--keep-float", "conv2", "--min-realized", "0.99")
    assert done.returncode == 1
    assert (out / "latency.parquet").stat().st_mtime_ns == before


def test_an_accepted_fallback_passes_and_says_so(world):
    done, summary, out = run(world, "accepted", "--keep-float", "conv2", "--min-realized", "0.9", "--allow-fallback")
    assert done.returncode == 0, done.stderr
    check = realized(summary)
    assert (check["answer"], check["accepted"], check["binding"]) == ("pass", True, "yes")
    share = check["fallback"]["share"]
    assert f"A fallback of {share:.1%} is accepted" in check["says"]
    assert "Precision fallback (accepted): onnxruntime/int8@cpu" in flat(done.stdout)
    assert "Precision fallback (accepted)" in (out / "report.html").read_text()


def test_a_target_that_runs_as_asked_passes_a_binding_gate_silently(world):
    done, summary, _ = run(world, "good", "--min-realized", "0.99")
    assert done.returncode == 0, done.stderr
    assert realized(summary)["answer"] == "pass"
    assert realized(summary)["fallback"] is None
    assert "Precision fallback" not in done.stdout


def test_int4_of_a_convolutional_network_is_no_int4(world):
    done, summary, _ = run(world, "int4", "--bits", "4", "--min-realized", "0.5")
    assert done.returncode == 1
    check = realized(summary, "onnxruntime/int4@cpu")
    assert check["measured"] < 0.01
    assert check["fallback"]["reasons"][0]["reason"] == (
        "left in float in the file (no engine runs convolutions by 4-bit weights)"
    )
    assert [layer["node"] for layer in check["fallback"]["layers"]] == ["conv2", "conv1"]


@pytest.mark.skipif(not processor().is_x86, reason="what ONNX Runtime does with int8 activations on x86")
def test_a_file_that_came_in_the_wrong_form_is_told_of(world):
    """Symmetric int8, as TensorRT wants it, with ONNX Runtime's own quantizer."""
    root = world[0]
    build("residual", root)
    batches = [np.random.default_rng(seed).standard_normal((4, 3, 16, 16)).astype(np.float32) for seed in range(2)]
    wrong = ort_quantized(
        root / "wrong.onnx",
        root / "residual.onnx",
        batches,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": True},
    )
    done, summary, _ = run(world, "wrong", "--min-realized", "0.9", model=wrong)
    assert done.returncode == 1
    found = realized(summary)["fallback"]
    assert {layer["node"] for layer in found["layers"]} == {"a1", "b1", "shortcut"}
    assert [one["layers"] for one in found["reasons"]] == [3]
    assert "int8 activations that several operators read" in flat(done.stdout)


@pytest.mark.parametrize("share", ["1.5", "-1", "nan", "most"])
def test_what_is_no_share_is_refused_before_anything_runs(world, share):
    done, summary, _ = run(world, "refused", f"--min-realized={share}")
    assert done.returncode == 2
    assert "min-realized" in done.stderr
    assert summary is None


def test_a_file_may_say_it(world):
    root = world[0]
    config = root / "gate.yaml"
    config.write_text("keep-float: conv2\nmin-realized: 0.9\n")
    assert run(world, "yaml", "--config", config)[0].returncode == 1
    config.write_text("keep-float: conv2\nmin-realized: 0.9\nallow-fallback: true\n")
    assert run(world, "yaml", "--config", config)[0].returncode == 0
    config.write_text("min-realized: 90\n")
    done = run(world, "yaml2", "--config", config)[0]
    assert done.returncode == 2
    assert "from 0 to 1" in done.stderr


def test_an_operator_that_nobody_counts_is_named_and_is_no_work_as_requested(world):
    root, small = world[:2]
    model = onnx.load(small)
    features = next(node for node in model.graph.node if node.op_type == "Gemm").input[0]
    parameters = {"coefficients": [0.0] * 32, "kernel_type": "LINEAR", "kernel_params": [0.0, 0.0, 3.0], "rho": [0.0]}
    vectors = helper.make_node("SVMRegressor", [features], ["one"], name="svm", domain="ai.onnx.ml", **parameters)
    append(model, vectors, helper.make_node("Add", ["raw", "one"], ["logits"], name="add"))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    path = root / "vectors.onnx"
    onnx.save(model, path)

    done, summary, out = run(world, "vectors", "--min-realized", "1", model=path)
    assert done.returncode == 1, done.stderr
    # As much as its 32 inputs and its result can give.
    share = 32 / (CONV1 + CONV2 + FC + 32)
    assert summary["targets"][1]["realized"] == {"int8": pytest.approx(1 - share), "unknown": pytest.approx(share)}
    note = "onnxruntime/int8@cpu: unknown in the shares of the arithmetic: SVMRegressor."
    assert note in summary["notes"]
    page = html.unescape(re.sub("<[^>]*>", " ", (out / "report.html").read_text()))
    for text in (flat(done.stdout), flat(page)):
        assert note in text
        assert "int8 100 %" not in text
        assert "nobody knows how much this operator multiplies" in text
    assert "int8 99.9 %" in flat(page)
    reasons = realized(summary)["fallback"]["layers"]
    assert [(one["name"], one["realized"]) for one in reasons] == [("svm", "unknown")]

    done, summary, _ = run(world, "vectors", "--min-realized", "1", "--allow-fallback", model=path)
    assert done.returncode == 0, done.stderr
    assert realized(summary)["accepted"]

"""The suite of pipeline conditions, as a user runs it: whole, continued, on files and on arrays."""

import itertools
import json

import numpy as np
import onnx
import pytest
from conftest import bench, make_folders, make_model
from onnx import helper
from trial_files import trial_files, trials


def pooled(model):
    """A max pooling of stride 2 behind the first Relu, whose last window does not fit whole."""
    graph = model.graph
    graph.node.insert(2, helper.make_node("MaxPool", ["r1"], ["m1"], name="max", kernel_shape=[3, 3], strides=[2, 2]))
    graph.node[3].input[0] = "m1"
    next(one for one in graph.node[3].attribute if one.name == "strides").ints[:] = [1, 1]
    onnx.checker.check_model(model)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo: a trained network, so that the worst options differ from the others."""
    out = tmp_path_factory.mktemp("demo") / "run"
    words = ["--advisory", "--suite", "pipeline", "--limit", 60, "--calib-limit", 40]
    done = bench([*words, "--out", out])
    assert done.returncode == 0, done.stderr
    return out, words, done


def test_the_answer_is_shown(demo):
    out, _, done = demo
    text = done.stdout.replace("\n", " ")
    assert "input pipeline" in text
    assert "on top of each other" in text
    page = (out / "report.html").read_text()
    assert "Input pipeline" in page
    assert "<svg" in page


def test_the_summary_holds_every_condition_for_every_target(demo):
    summary = json.loads((demo[0] / "summary.json").read_text())
    block = summary["pipeline"]
    reference, int8 = summary["targets"]
    assert list(reference["conditions"]) == list(int8["conditions"])
    assert {"pipeline/decode=opencv", "pipeline/color=nv12-bt709"} <= reference["conditions"].keys()
    assert reference["metrics"]["corruption_top1"] is None
    steps = block["stack"]
    assert [name for name in reference["conditions"] if "combined" in name] == [
        f"pipeline/combined@{number}" for number in range(1, len(steps) + 1)
    ]
    assert steps
    assert all(longer[:-1] == shorter for shorter, longer in itertools.pairwise(steps))
    for target in (reference, int8):
        own = block["targets"][target["id"]]
        for name, values in own["conditions"].items():
            clean, here = target["conditions"]["clean"]["top1"], target["conditions"][name]["top1"]
            assert values["loss"] == pytest.approx(clean - here)
            if target is int8:
                lost = reference["conditions"]["clean"]["top1"] - reference["conditions"][name]["top1"]
                assert values["interaction"]["extra"] == pytest.approx(clean - here - lost)


def test_the_first_step_of_the_stack_is_its_single_condition(demo):
    run = demo[0]
    first = json.loads((run / "summary.json").read_text())["pipeline"]["stack"][0][0]
    found = trials(run)
    for target in ("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"):
        stacked, single = (found[target, name].drop_columns(["condition"]) for name in ("pipeline/combined@1", first))
        assert stacked.equals(single)


def test_workers_and_batches_change_nothing(demo, tmp_path):
    out, words, _ = demo
    other = tmp_path / "other"
    done = bench([*words, "--out", other, "--workers", 1, "--batch-size", 5])
    assert done.returncode == 0, done.stderr
    first, second = trials(out), trials(other)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].drop_columns(["p_top1", "margin"]).equals(second[name].drop_columns(["p_top1", "margin"]))


def test_a_run_continues_where_it_stopped(demo):
    out, words, _ = demo
    expected = trials(out)
    for (_, condition), path in trial_files(out).items():
        if any(part in condition for part in ("resize=", "uint8-input", "combined")):
            path.unlink()
    kept = {path: path.stat().st_mtime_ns for path in (out / "trials").iterdir()}
    done = bench([*words, "--out", out])
    assert done.returncode == 0, done.stderr
    found = trials(out)
    assert found.keys() == expected.keys()
    assert all(found[name].equals(expected[name]) for name in found)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.fixture
def small(tmp_path):
    model = make_model(tmp_path / "small.onnx", change=pooled)
    data = make_folders(tmp_path / "test", images=4)
    return model, ["--model", model, "--resize", 20, "--crop", 16, "--data", data, "--engine", "onnxruntime"]


def test_a_rewritten_graph_is_built_and_asked(small, tmp_path):
    _, words = small
    more = ["--bits", 32, "--engine", "openvino", "--conditions", "pipeline/graph=*", "--out", tmp_path / "run"]
    done = bench([*words, "--advisory", *more])
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    reference, openvino = summary["targets"]
    assert list(reference["conditions"]) == ["clean", "pipeline/graph=ceil-mode", "pipeline/graph=uint8-input"]
    assert openvino["conditions"].keys() == reference["conditions"].keys()
    found = trials(tmp_path / "run")
    clean, ceil, uint8 = (
        found["onnxruntime/fp32@cpu", name]["margin"].to_numpy()
        for name in ("clean", "pipeline/graph=ceil-mode", "pipeline/graph=uint8-input")
    )
    np.testing.assert_allclose(uint8, clean, atol=1e-6)
    assert np.abs(ceil - clean).max() > 1e-4
    theirs = found["openvino/fp32@cpu", "pipeline/graph=ceil-mode"]["margin"].to_numpy()
    np.testing.assert_allclose(theirs, ceil, atol=1e-5)


def test_arrays_of_the_models_size(small, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(16) % 4)
    words = ["--model", small[0], "--size", 16, "--resize", "none", "--data", tmp_path / "data.npz"]
    globs = ["pipeline/decode=*", "pipeline/resize=*", "pipeline/orientation=*", "pipeline/color=*"]
    more = [word for glob in globs for word in ("--conditions", glob)]
    done = bench([*words, "--advisory", "--engine", "null", "--out", tmp_path / "run", *more])
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    names = summary["targets"][0]["conditions"].keys()
    assert {"pipeline/decode=pillow", "pipeline/resize=pillow-bilinear", "pipeline/color=bgr"} <= names
    assert not any("orientation" in name for name in names)
    assert "EXIF" in " ".join(summary["notes"])


def test_what_has_no_sense_is_refused(small, tmp_path):
    _, words = small
    done = bench([*words, "--advisory", "--conditions", "pipeline/decode=pillow", "--out", tmp_path / "run"])
    assert done.returncode == 2
    assert "it is what the contract says" in done.stderr

"""Three runtimes on real networks, fp32 and int8, in one command each: accuracy, realized precision, speed, labels."""

import importlib.util
import itertools
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import bench

from seatrial.harness.metrics.agreement import pairs

# model -> contract, images, calibration images, --limit, least agreement at fp32 and at int8.
NETWORKS = {
    "cifar10_resnet20": (["--preset", "cifar10"], "cifar10/test.npz", "cifar10/calib.npz", 1000, 0.999, 0.98),
    "imagenet_mobilenet_v1_075": (
        ["--preset", "imagenet-inception"],
        "imagenet/val",
        "imagenet/calib",
        200,
        0.995,
        0.9,
    ),
    "gtsrbnet64": (["--size", 64, "--mean", 0.5, "--std", 0.5], "gtsrb/test", "gtsrb/calib", 880, 0.998, 0.98),
}
TARGETS = (
    "onnxruntime/fp32@cpu",
    "onnxruntime/int8@cpu",
    "openvino/fp32@cpu",
    "openvino/int8@cpu",
    "pytorch/fp32@cpu",
)


def installed(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


# The others take minutes.
PARAMS = [next(iter(NETWORKS)), *(pytest.param(name, marks=pytest.mark.long) for name in list(NETWORKS)[1:])]


@pytest.fixture(scope="module", params=PARAMS)
def run(request, shared, tmp_path_factory):
    installed("openvino", "torch")
    contract, data, calib, limit, *least = NETWORKS[request.param]
    out = tmp_path_factory.mktemp("side_by_side") / "run"
    words = ["--model", shared / f"models/{request.param}.onnx", *contract, "--data", shared / "data" / data]
    words += ["--calib", shared / "data" / calib, "--calib-limit", 200, "--limit", limit, "--conditions", "clean"]
    words += ["--engine", "onnxruntime", "--engine", "openvino", "--bits", 32, "--bits", 8, "--target", "pytorch/fp32"]
    if request.param.startswith("imagenet"):
        words += ["--classes", shared / "data/imagenet/classes.csv"]
    done = bench([*words, "--advisory", "--out", out])
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    return {target["id"]: target for target in summary["targets"]}, trials(out), limit, least


def trials(out):
    """Target -> predicted classes, and the labels, read from the run directory as any tool may."""
    found, labels = {}, None
    for path in sorted((out / "trials").iterdir()):
        table = pq.read_table(path)
        target = table["target"][0].as_py()
        found[target] = table["top1"].to_numpy().astype(np.int32)
        labels = table["label"].to_numpy().astype(np.int32)
    return found, labels


def test_every_target_answers_all_images_at_the_precision_asked_for(run):
    targets, _, limit, _ = run
    assert tuple(targets) == TARGETS
    for name, target in targets.items():
        assert target["conditions"]["clean"]["images"] == limit
        assert target["realized"].get(name.split("/")[1].split("@")[0], 0) >= 0.95, name


def test_float_engines_are_equally_accurate_and_int8_close(run):
    targets, *_ = run
    top1 = {name: target["conditions"]["clean"]["top1"] for name, target in targets.items()}
    floats = [top1[name] for name in TARGETS if "fp32" in name]
    assert max(floats) - min(floats) <= 0.002
    assert all(abs(top1[name] - floats[0]) <= 0.03 for name in TARGETS)


def test_every_target_is_timed(run):
    targets, *_ = run
    for target in targets.values():
        stream = target["latency"]["single_stream"]
        told = [stream[name] for name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms") if stream[name] is not None]
        assert told[0] > 0
        assert told == sorted(told)


def test_labels_of_two_engines_differ_seldom(run):
    _, (answers, labels), limit, (at_fp32, at_int8) = run
    found = {(pair.first, pair.second): pair for pair in pairs(answers, labels)}
    assert len(found) == len(list(itertools.combinations(TARGETS, 2)))
    for (first, second), pair in found.items():
        assert pair.images == limit
        assert pair.agreement >= (at_fp32 if "fp32" in first and "fp32" in second else at_int8), pair


def test_two_engines_seldom_differ_on_one_int8_file(shared, tmp_path):
    """What quantization does is in the file; what is left is the runtimes'."""
    installed("openvino")
    images, calib = shared / "data/cifar10/test.npz", shared / "data/cifar10/calib.npz"
    model, file, out = shared / "models/cifar10_resnet20.onnx", tmp_path / "int8.onnx", tmp_path / "run"
    words = ["--model", model, "--preset", "cifar10", "--calib", calib, "--calib-limit", 200]
    done = bench(["quantize", *words, "--engine", "openvino", "--bits", 8, "--out", file])
    assert done.returncode == 0, done.stderr
    words = ["--model", file, "--data", images, "--limit", 1000, "--conditions", "clean", "--bits", 8, "--out", out]
    done = bench([*words, "--advisory", "--engine", "onnxruntime", "--engine", "openvino"])
    assert done.returncode == 0, done.stderr
    digests = {
        name: one["model_digest"] for name, one in json.loads((out / "audit.json").read_text())["targets"].items()
    }
    assert digests["onnxruntime/int8@cpu"] == digests["openvino/int8@cpu"] != digests["onnxruntime/fp32@cpu"]
    answers, labels = trials(out)
    of_both = {name: answers[name] for name in ("onnxruntime/int8@cpu", "openvino/int8@cpu")}
    pair = pairs(of_both, labels)[0]
    assert pair.agreement >= 0.995, pair

"""A run whose targets are on an Arm board with NumPy and ONNX Runtime alone: emulated, over ssh, the whole command."""

import json

import pytest
import yaml
from conftest import bench
from trial_files import trials

from seatrial.harness.run.timing import rounds

FP32, INT8 = "onnxruntime/fp32@arm/cpu", "onnxruntime/int8@arm/cpu"
HERE, INT8_HERE = "onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"
IMAGES = 100


@pytest.fixture(scope="module")
def run(arm_board, shared, tmp_path_factory):
    root = tmp_path_factory.mktemp("arm")
    fields = {"ssh": list(arm_board.ssh), "python": arm_board.python, "lease_file": arm_board.lease_file}
    (root / "boards.yaml").write_text(yaml.safe_dump({"arm": fields}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "MOST_S", 2.0)  # of queries that are emulated, a percentile would take minutes
        done = bench(
            [
                *("--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--conditions", "clean"),
                *("--data", shared / "data/cifar10/test.npz", "--calib", shared / "data/cifar10/calib.npz"),
                *("--limit", IMAGES, "--calib-limit", 32, "--portable", "--end-to-end", "none", "--advisory"),
                *("--target", INT8_HERE, "--target", FP32, "--target", INT8),
                *("--boards", root / "boards.yaml", "--out", root / "run"),
            ]
        )
    assert done.returncode == 0, done.stderr
    return root / "run", done.stdout


def labels(root, target):
    return trials(root)[target, "clean"]["top1"].to_pylist()


def test_float_gives_the_labels_of_this_machine(run):
    root, _ = run
    assert len(labels(root, FP32)) == IMAGES
    assert labels(root, FP32) == labels(root, HERE)


def test_what_int8_answers_otherwise_there_is_counted_and_listed(run):
    root, said = run
    differ = sum(a != b for a, b in zip(labels(root, INT8), labels(root, INT8_HERE), strict=True))
    assert differ <= IMAGES / 10
    places = json.loads((root / "summary.json").read_text())["places"]
    (pair,) = (one for one in places if {one["first"], one["second"]} == {INT8, INT8_HERE})
    assert pair["same_file"]
    assert pair["conditions"]["clean"]["differing"] == differ
    assert INT8 in said


def test_each_is_built_there_as_asked(run):
    root, _ = run
    summary = json.loads((root / "summary.json").read_text())
    realized = {target["id"]: target["realized"] for target in summary["targets"]}
    assert realized[FP32] == {"fp32": 1.0}
    assert realized[INT8]["int8"] > 0.99
    assert summary["boards"]["arm"]

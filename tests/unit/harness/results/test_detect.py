"""How many images a run needs."""

import json
import re

import numpy as np
import pytest
from conftest import bench, make_folders, make_model

from seatrial.harness.metrics.paired import paired_p
from seatrial.harness.results.detect import needs
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

INT8, INT4 = TargetSpec("onnxruntime", "int8"), TargetSpec("onnxruntime", "int4")


def test_as_many_as_are_named_tell_the_loss_also_among_many():
    (found,) = needs(0.01, [REFERENCE, INT8], 76, None)
    rng = np.random.default_rng(1)
    for images, level in ((found.images, 0.05), (found.among_many, 0.05 / 76)):
        shares = [(found.churn + 0.01) / 2, (found.churn - 0.01) / 2, 1 - found.churn]
        draws = rng.multinomial(images, shares, size=1500)
        told = np.mean([paired_p(int(worse), int(better), images) < level for worse, better, _ in draws])
        assert told == pytest.approx(0.9, abs=0.04)


def test_fewer_bits_flip_more_and_need_more():
    eight, four = needs(0.005, [REFERENCE, INT8, INT4], 1, None)
    assert eight.churn < four.churn
    assert eight.images < four.images
    assert not eight.measured


def test_the_command_says_it_and_runs_nothing(tmp_path):
    model = make_model(tmp_path / "m.onnx")
    data, calib = make_folders(tmp_path / "data", images=12), make_folders(tmp_path / "calib", images=4, seed=1)
    words = ["--model", model, "--size", 16, "--data", data, "--calib", calib, "--out", tmp_path / "run"]
    words += ["--conditions", "clean", "--advisory"]
    done = bench([*words, "--detect", 0.5], COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert re.search(r"onnxruntime/int8@cpu +8,495 +8,495 +2\.00 % \(assumed\)", done.stdout), done.stdout
    assert not (tmp_path / "run").exists()
    assert bench(words).returncode == 0
    done = bench([*words, "--detect", 0.5], COLUMNS="100")
    rows = json.loads((tmp_path / "run/summary.json").read_text())["targets"][1]["conditions"]["clean"]
    flips = rows["vs_reference"]["negative_flips"] + rows["vs_reference"]["positive_flips"]
    share = (round(flips * rows["images"]) + 1) / (rows["images"] + 2)
    assert f"{share * 100:.2f} % (as in run)" in done.stdout


@pytest.mark.parametrize("points", ["0", "-1", "nan", "101"])
def test_a_loss_that_none_can_be_is_refused(points):
    done = bench([f"--detect={points}"])
    assert done.returncode == 2
    assert "--detect is" in done.stderr


def test_without_a_target_there_is_nothing_to_lose():
    done = bench(["--bits", 32, "--detect", 1])
    assert done.returncode == 2
    assert "needs a target" in done.stderr

"""Whole commands on models that do not answer alike: told before any figure, and never accepted unseen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import unlike_graphs
from conftest import bench
from small_graphs import CONTRACT
from specs import flat
from unlike_graphs import make

from seatrial.exporters.onnx_file import load_onnx
from seatrial.harness.build.build import build
from seatrial.harness.contract import ContractSpec, search
from seatrial.harness.diff import DiffSpec, diff
from seatrial.harness.export import ExportSpec, export
from seatrial.harness.progress import Silent
from seatrial.harness.quantize.quantize import quantize
from seatrial.harness.report.diff import sentences
from seatrial.harness.run.run import run
from seatrial.harness.spec.build import BuildSpec
from seatrial.harness.spec.quantize import QuantizeSpec
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec


class Ear(Silent):
    def __init__(self):
        self.heard = []

    def tell(self, sentence):
        self.heard.append(sentence)


def images(path, count, seed):
    """Smooth random colours, 16 px, in four classes."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    np.savez(path, images=pixels, labels=np.arange(count) % 4)
    return pixels


def spec_for(model, folder, **fields):
    images(folder / "test.npz", 33, 0)
    images(folder / "calib.npz", 24, 1)
    given = {"data": str(folder / "test.npz"), "calib": str(folder / "calib.npz"), "contract": CONTRACT}
    return {**given, "model": str(model), **fields}


def run_on(kind, folder, *arguments, **fields):
    make(kind, folder, *arguments)
    fields = {"conditions": ("clean",), "out": folder / "run", **fields}
    ear = Ear()
    summary, _ = run(flat(RunSpec, **spec_for(folder / f"{kind.__name__}.onnx", folder, **fields)), ear)
    return summary, ear.heard


def checks(summary):
    return {check["target"]: check for check in summary["gate"]["checks"] if check["name"] == "answers alike"}


def test_a_random_model_is_told_before_any_figure_and_is_anomalous(tmp_path):
    make(unlike_graphs.dropout_in_training, tmp_path)
    given = spec_for(tmp_path / "dropout_in_training.onnx", tmp_path)
    flags = ["--model", given["model"], "--data", given["data"], "--calib", given["calib"], "--size", "16"]
    done = bench([*flags, "--advisory", "--conditions", "clean", "--out", tmp_path / "run"])
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("Dropout 'culprit'") < done.stderr.index("Timing")
    assert done.stdout.index("Dropout 'culprit'") < done.stdout.index("top-1")
    assert "Verdict: ANOMALOUS" in done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["gate"]["verdict"] == "ANOMALOUS"
    assert summary["alike"]["anomalous"]
    found = checks(summary)["onnxruntime/fp32@cpu"]
    assert found["answer"] == "fail"
    assert "'culprit'" in found["says"]
    report = (tmp_path / "run" / "report.html").read_text()
    assert report.index("&#39;culprit&#39;") < report.index(">Accuracy</h2>")


def test_every_target_that_draws_fails_its_own_check(tmp_path):
    summary, heard = run_on(unlike_graphs.random_normal_like, tmp_path)
    assert [check["answer"] for check in checks(summary).values()] == ["fail", "fail"]
    assert len(heard) == 3  # of the model and of each target


def test_a_model_that_mixes_its_batch_answers_for_single_images(tmp_path):
    targets = (TargetSpec("onnxruntime", "int8"), TargetSpec("openvino", "int8"))
    summary, heard = run_on(unlike_graphs.batch_norm_by_hand, tmp_path, targets=targets)
    assert "ReduceMean 'culprit'" in heard[0]
    assert summary["alike"]["batch"] == 1
    assert all(check["answer"] == "pass" for check in checks(summary).values())
    session = onnxruntime.InferenceSession(tmp_path / "batch_norm_by_hand.onnx", providers=["CPUExecutionProvider"])
    pixels = np.load(tmp_path / "test.npz")
    right = [
        session.run(None, {"input": (image[None] / 255).astype(np.float32).transpose(0, 3, 1, 2)})[0].argmax() == label
        for image, label in zip(pixels["images"], pixels["labels"], strict=True)
    ]
    assert summary["targets"][0]["conditions"]["clean"]["top1"] == np.mean(right)


def test_a_model_that_holds_a_batch_runs_at_it_on_every_engine(tmp_path):
    batch = 4
    targets = (TargetSpec("onnxruntime", "int8"), TargetSpec("openvino", "int8"), TargetSpec("pytorch", "fp32"))
    summary, heard = run_on(unlike_graphs.reshape_of_maps_holds, tmp_path, batch, targets=targets)
    assert summary["status"] == "complete"
    assert summary["alike"]["batch"] == batch
    assert f"Reshape 'holder' to [{batch}, 8, 8, 8]" in heard[0]
    assert all(check["answer"] == "pass" for check in checks(summary).values())


def test_a_sound_model_is_told_nothing(tmp_path):
    summary, heard = run_on(unlike_graphs.plain, tmp_path)
    assert not heard
    assert summary["alike"]["says"] == []
    found = checks(summary)
    assert list(found) == ["onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"]
    assert all(check["answer"] == "pass" for check in found.values())


def test_the_other_commands_tell_before_their_figures(tmp_path):
    make(unlike_graphs.random_normal_like, tmp_path)
    fields = spec_for(tmp_path / "random_normal_like.onnx", tmp_path)
    calibrated = {name: fields[name] for name in ("model", "calib", "contract")}
    compared = {name: fields[name] for name in ("model", "data", "contract")}
    target = TargetSpec("onnxruntime", "int8")
    report = export(flat(ExportSpec, out=tmp_path / "exported.onnx", **compared), ear := Ear())
    assert "'culprit'" in ear.heard[0]
    assert not report.proven
    assert report.file.name == "exported.differs.onnx"
    made = quantize(flat(QuantizeSpec, out=tmp_path / "int8.onnx", **calibrated), ear := Ear())
    assert "'culprit'" in ear.heard[0]
    assert "'culprit'" in made.warnings[0]
    build(flat(BuildSpec, targets=(target,), **calibrated), ear := Ear())
    assert "'culprit'" in ear.heard[0]
    found = diff(DiffSpec(flat(RunSpec, targets=(target,), **fields)), ear := Ear())
    assert "'culprit'" in ear.heard[0]
    assert "'culprit'" in sentences(found)[0]
    result = search(flat(ContractSpec, **compared), ear := Ear())
    assert "'culprit'" in ear.heard[0]
    assert "'culprit'" in result.notes[0]


def test_an_exported_file_that_mixes_its_batch_stays_free(tmp_path):
    make(unlike_graphs.batch_norm_by_hand, tmp_path)
    fields = spec_for(tmp_path / "batch_norm_by_hand.onnx", tmp_path)
    compared = {name: fields[name] for name in ("model", "data", "contract")}
    report = export(flat(ExportSpec, out=tmp_path / "exported.onnx", **compared), ear := Ear())
    assert "'culprit'" in ear.heard[0]
    assert report.proven
    assert report.model.fixed_batch is None
    assert load_onnx(report.file).fixed_batch is None
    report = export(flat(ExportSpec, out=tmp_path / "one.onnx", batch=1, **compared), Silent())
    assert report.proven
    assert load_onnx(report.file).fixed_batch == 1


def test_the_other_commands_take_a_held_batch(tmp_path):
    make(unlike_graphs.reshape_of_maps_holds, tmp_path, 4)
    fields = spec_for(tmp_path / "reshape_of_maps_holds.onnx", tmp_path)
    calibrated = {name: fields[name] for name in ("model", "calib", "contract")}
    compared = {name: fields[name] for name in ("model", "data", "contract")}
    target = TargetSpec("openvino", "int8")
    out = tmp_path / "exported.onnx"
    assert export(flat(ExportSpec, out=out, **compared), Silent()).proven
    assert load_onnx(out).fixed_batch == 4
    assert export(flat(ExportSpec, out=out, batch="free", **compared), Silent()).proven
    assert load_onnx(out).fixed_batch is None
    made = quantize(flat(QuantizeSpec, engine="openvino", out=tmp_path / "int8.onnx", **calibrated), Silent())
    assert made.realized is not None
    (built,) = build(flat(BuildSpec, targets=(target,), **calibrated), Silent())
    assert built.error is None
    found = diff(DiffSpec(flat(RunSpec, targets=(target,), **fields)), Silent())
    assert found.images == 33
    assert search(flat(ContractSpec, **compared), Silent()).images == 33


@pytest.fixture
def case(shared, tmp_path):
    """Makes the files of one of the shared cases in a folder of its own."""

    def made(name):
        (tmp_path / "data").symlink_to(shared / "data")
        shutil.copytree(shared / "cases" / name, tmp_path / "cases" / name)
        shutil.copy(shared / "cases" / "common.py", tmp_path / "cases")
        folder = tmp_path / "cases" / name
        subprocess.run([sys.executable, folder / "make.py"], check=True, capture_output=True, timeout=120)
        return folder

    return made


FEED = ["--size", "32", "--resize", "none", "--mean", "0.5", "--std", "0.25", "--conditions", "clean"]


@pytest.mark.parametrize(
    ("name", "verdict", "node"),
    [("08-batch-in-reshape", "INCONCLUSIVE", "Reshape11"), ("20-training-mode-dropout", "ANOMALOUS", "Dropout13")],
)
def test_files_as_users_had_them(name, verdict, node, case, tmp_path):
    folder = case(name)
    flags = ["--model", folder / "m.onnx", "--data", folder / "test.npz", "--calib", folder / "calib.npz", *FEED]
    done = bench([*flags, "--bits", "8", "--advisory", "--out", tmp_path / "run"])
    assert done.returncode == 0, done.stderr
    assert done.stderr.index(node) < done.stderr.index("Timing")
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["gate"]["verdict"] == verdict

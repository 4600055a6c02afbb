"""Entropy calibration of a MobileNet on 200 images against ONNX Runtime's, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from calibrate_once import load_mobilenet
from conftest import ROOT

from seatrial import engines
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.metrics.paired import compare
from seatrial.harness.pipeline.reader import SourceReader

pytestmark = pytest.mark.performance

MODEL = "models/imagenet_mobilenet_v1_075.onnx"
QUANTIZERS = ("seatrial", "onnxruntime")
ROUNDS = 2


def pixels(shared, model, split):
    label_of = labeller(model.classes, None, shared / "data/imagenet/classes.csv")
    chosen = select(open_source(shared / f"data/imagenet/{split}", model.classes, label_of), seed=0, limit=200)
    return SourceReader(chosen, model.contract).read(0, len(chosen)), chosen.labels


def calibrate(shared, folder, quantizer):
    words = [shared / MODEL, folder / "calib.npz", quantizer, "entropy", folder / f"{quantizer}.onnx"]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("calibrate_once.py"), *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout)


def answers(model, onnx_bytes, images, precision):
    request = engines.BuildRequest(
        onnx_bytes, model.input_name, model.output_name, model.contract.tensor_shape, model.classes, precision
    )
    with engines.build("onnxruntime", request) as engine:
        parts = np.array_split(images, 20)
        return np.concatenate([engine.infer(model.contract.normalise(part)).argmax(axis=1) for part in parts])


def test_entropy_calibration_takes_half_the_time_and_a_quarter_of_the_memory(shared, tmp_path):
    model = load_mobilenet(shared / MODEL)
    np.savez(tmp_path / "calib.npz", images=pixels(shared, model, "calib")[0])
    taken = {name: [] for name in QUANTIZERS}
    for _ in range(ROUNDS):
        for name in QUANTIZERS:
            taken[name].append(calibrate(shared, tmp_path, name))
    seconds = {name: min(one["seconds"] for one in found) for name, found in taken.items()}
    memory = {name: max(one["peak_mib"] for one in found) for name, found in taken.items()}
    images, labels = pixels(shared, model, "val")
    found = {name: answers(model, (tmp_path / f"{name}.onnx").read_bytes(), images, "int8") for name in QUANTIZERS}
    right = {name: found[name] == labels for name in QUANTIZERS}
    ours, theirs = QUANTIZERS
    paired = compare(right[ours], right[theirs], found[ours] == found[theirs], seed=0)
    print()
    for name in QUANTIZERS:
        print(f"{name:12} {seconds[name]:6.1f} s, peak {memory[name]:6.0f} MiB, top-1 {right[name].mean():.3f}")
    print(f"top-1 against ONNX Runtime's: {paired.delta:+.3f}, 95 % interval {paired.ci95}")
    print(
        f"{seconds['onnxruntime'] / seconds['seatrial']:.1f} times as fast, "
        f"{memory['onnxruntime'] / memory['seatrial']:.1f} times less memory"
    )
    assert seconds["onnxruntime"] / seconds["seatrial"] >= 2
    assert memory["onnxruntime"] / memory["seatrial"] >= 4
    assert paired.ci95[1] >= 0

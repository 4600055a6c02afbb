"""Trials spread over two nodes of one core each, against two local workers: the same cores, the same answers.

Minutes: pytest -m performance -s tests/performance/test_ray_efficiency.py
"""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from quick_timing import QUICK_TIMING
from ray_cluster import needs_ray, ray_cluster
from trial_files import trial_files

pytestmark = [pytest.mark.performance, needs_ray]

# Images; runs of each kind, in turns: A B B A.
LIMIT, TURNS = int(os.environ.get("SEATRIAL_IMAGES", "2000")), ("local", "nodes", "nodes", "local")
LEAST = 0.85


def test_two_nodes_of_one_core_do_at_least_85_percent_of_what_two_local_workers_do(shared, tmp_path):
    cifar = shared / "data/cifar10"
    words = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--advisory", "--quiet"]
    words += ["--data", cifar / "test.npz", "--calib", cifar / "calib.npz", "--limit", LIMIT, "--workers", 2]
    words += ["--engine", "onnxruntime", "--engine", "openvino", "--bits", 8, *QUICK_TIMING]
    words += ["--conditions", "clean", "--conditions", "corruption/*@3"]
    seconds, steady = {"local": [], "nodes": []}, {"local": [], "nodes": []}
    for turn, kind in enumerate(TURNS):
        out = tmp_path / f"{turn}"
        if kind == "local":
            answered(words, out)
        else:
            with ray_cluster() as cluster:
                answered([*words, "--executor", f"ray:{cluster.address}"], out, cluster.environment)
        spent = json.loads((out / "spent.json").read_text())
        seconds[kind].append(spent["wall"])
        filed = [path.stat().st_mtime for path in trial_files(out).values()]
        steady[kind].append(max(filed) - min(filed))  # from the first trial to the last
        print(
            f"{kind}: {spent['wall']:.1f} s, of which engines {spent['engines']:.1f}, images {spent['conditions']:.1f}"
        )
    files, others = (
        {key: path.read_bytes() for key, path in trial_files(tmp_path / name).items()} for name in ("0", "1")
    )
    assert files == others
    ratio = sum(seconds["local"]) / sum(seconds["nodes"])
    without = sum(steady["local"]) / sum(steady["nodes"])
    print(f"efficiency: {ratio:.3f}; without the nodes' set-up: {without:.3f}")
    assert ratio >= LEAST


def answered(words, out, environment=None):
    done = subprocess.run(
        [sys.executable, ROOT / "bench.py", *map(str, words), "--out", out],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr

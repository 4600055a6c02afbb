"""One trial by its description alone, in another process and another folder: the same bits."""

import json
import os
import shutil
import subprocess
import sys

import onnx
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, bench_process
from onnx import numpy_helper
from trial_files import trial_files

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.demo import demo_model_path
from seatrial.harness.run.trial import run_trial

CONDITIONS = ("clean", "corruption/fog@3", "pipeline/combined", "attack/fgsm-linf@2+qdq", "blackbox/square-linf@8")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A run of every kind of condition, with relative paths, and the descriptions of its trials."""
    root = tmp_path_factory.mktemp("world")
    shutil.copy(demo_model_path(), root / "m.onnx")
    words = [
        "--model",
        "m.onnx",
        "--data",
        "demo",
        "--limit",
        24,
        "--calib-limit",
        24,
        "--queries",
        20,
        "--rebuilds",
        2,
        "--advisory",
    ]
    words += [word for name in CONDITIONS for word in ("--conditions", name)]
    done = bench_process([*words, "--bits", 8, "--out", "run"], cwd=root)
    assert done.returncode == 0, done.stderr
    done = bench_process(["trial", "--from", "run"], cwd=root)
    assert done.returncode == 0, done.stderr
    return root, [json.loads(line) for line in done.stdout.splitlines()]


def test_every_trial_of_a_run_is_described(world):
    root, described = world
    names = {path.stem for path in trial_files(root / "run").values()}
    assert {one["key"] for one in described} == names
    assert {one["condition"].partition("@")[0].partition("/")[0] for one in described} == {
        *("clean", "corruption", "pipeline", "attack", "blackbox")
    }
    assert {one["build"] for one in described} == {1, 2}
    assert any(one["parts"] for one in described)
    assert str(root) in json.dumps(described[0]["spec"]), "paths mean the same elsewhere"


def some(described):
    """One of each kind, of a target that is not the reference; a second build, and a stack."""
    wanted = {}
    for one in described:
        if one["target"] != "onnxruntime/fp32@cpu":
            kind = "stack" if one["parts"] else one["condition"].partition("/")[0]
            wanted.setdefault((kind, one["build"]), one)
    return list(wanted.values())


def test_a_trial_is_run_from_its_json_in_another_folder_to_the_same_bits(world, tmp_path):
    root, described = world
    asked = some(described)
    assert len(asked) >= 6
    (tmp_path / "trials.jsonl").write_text("".join(json.dumps(one) + "\n" for one in asked))
    done = bench_process(["trial", "trials.jsonl", "--out", "there"], cwd=tmp_path, env=_other_cache(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(asked)
    for one in asked:
        here, there = (folder / f"trials/{one['key']}.parquet" for folder in (root / "run", tmp_path / "there"))
        assert pq.read_table(there).equals(pq.read_table(here)), one["condition"]


def _other_cache(folder):
    return {**os.environ, "SEATRIAL_CACHE": str(folder / "cache")}


def test_what_would_be_shaped_otherwise_is_refused_and_named(world, tmp_path):
    _, described = world
    one = next(one for one in described if one["condition"] == "clean" and one["target"] == "onnxruntime/int8@cpu")
    other = onnx.load(demo_model_path())
    bias = next(one for one in other.graph.initializer if len(one.dims) == 1)
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
    onnx.save(other, tmp_path / "other.onnx")
    changed = json.loads(json.dumps(one))
    changed["spec"]["source"]["model"] = str(tmp_path / "other.onnx")
    with pytest.raises(UsageError, match=r"another run\.model\.digest\."):
        run_trial(changed, tmp_path / "out")
    changed = json.loads(json.dumps(one))
    changed["spec"]["seed"] = 9
    with pytest.raises(UsageError, match=r"another .*run\.seed"):
        run_trial(changed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"key": "../../etc/passwd"},
        {"key": None},
        {"build": 0},
        {"parts": [1]},
        {"spec": {}, "target": 3},
        {"spec": {"seed": "x"}},
        {"target": "nothing"},
    ],
)
def test_what_is_no_description_is_told(world, tmp_path, change):
    with pytest.raises((BadInputError, UsageError)):
        run_trial({**world[1][0], **change}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["x.jsonl"], ["x.jsonl", "--out", "o"], ["--from", "nowhere"]])
def test_the_command_says_what_it_needs(tmp_path, words):
    done = subprocess.run(
        [sys.executable, ROOT / "bench.py", "trial", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "seatrial: " in done.stderr
    assert "Traceback" not in done.stderr

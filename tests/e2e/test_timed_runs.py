"""Runs that are timed in every way: what is filed, what extends them, and what a killed one keeps."""

import json
import shlex
import sys

import numpy as np
import pytest
from conftest import bench, make_folders, make_model

from seatrial.engines.machine import Waited
from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.latencies import read_samples, timed
from seatrial.harness.records.timing import HERE
from seatrial.harness.run.timing import cool_down, server, sustained, time_targets
from seatrial.harness.run.timing.scenes import IN_TURNS

FP32, INT8 = "onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"
SINGLE = "single_stream"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("timed")
    make_model(root / "m.onnx")
    make_folders(root / "test", images=8)
    make_folders(root / "calib", images=4, seed=1)
    return root


# A power meter that always shows the same.
METER = shlex.join([sys.executable, "-c", "print(12.5)"])


@pytest.fixture(autouse=True)
def _shortly(monkeypatch):
    """What users wait for seconds for is over at once."""
    monkeypatch.setattr(server, "_LEAST_S", 0.01)
    monkeypatch.setattr(server, "_LEAST_CONFIRMED_S", 0.01)
    monkeypatch.setattr(server, "_TIMES_BOUND", 0)
    monkeypatch.setattr(sustained, "BLOCK_S", 0.2)


def run(world, name, *words):
    asked = ["--model", world / "m.onnx", "--size", 16, "--data", world / "test", "--calib", world / "calib"]
    out = world / name
    done = bench([*asked, "--conditions", "clean", "--advisory", "--out", out, *words])
    assert done.returncode == 0, done.stderr
    return read_values(out / "timing.json"), out


@pytest.fixture(scope="module")
def everything(world):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_LEAST_S", 0.01), ("_LEAST_CONFIRMED_S", 0.01), ("_TIMES_BOUND", 0)):
            patch.setattr(server, name, value)
        patch.setattr(sustained, "BLOCK_S", 0.2)
        words = ["--scenario", "all", "--starts", 2, "--sustained", 0.7, "--latency-bound", 200, "--threads", 1]
        words += ["--sweep-batch", 1, 4, "--cool-down", "steady", "--power-command", METER, "--duration", 0.02]
        patch.setattr(cool_down, "wait_for_steady", lambda probe, limit_s: Waited(probe() > 0, 0.5, "steady after 0 s"))
        return run(world, "everything", *words)


def test_a_command_that_a_run_directory_names_is_not_run(everything, tmp_path):
    _, out = everything
    done = bench(["--from", out, "--out", tmp_path / "again"])
    assert done.returncode == 2
    assert "a command that a run directory names is not run" in " ".join(done.stderr.split())
    assert not (tmp_path / "again").exists()


def test_every_scenario_of_every_target_is_filed(everything):
    record, out = everything
    scenarios = {SINGLE, "multi_stream", "offline", "server", "sustained"}
    assert set(record["places"][HERE]["scenarios"]) == scenarios
    assert timed(out / "latency.parquet") == {(name, key) for name in (FP32, INT8) for key in scenarios}
    for name in (FP32, INT8):
        for key in scenarios:
            entry, samples = record["targets"][name][key], read_samples(out / "latency.parquet", name, key)
            assert sum(block["queries"] for block in entry["blocks"]) == len(samples) > 0
            assert entry["checked"] > 0
            assert entry["wrong"] == entry["expected_differs"] == 0
            assert not entry["unsteady"]
            assert (np.diff(samples.block) >= 0).all()
            assert {block["round"] for block in entry["blocks"]} == set(samples.round.tolist())


def test_rounds_are_of_processes_of_their_own(everything):
    record, out = everything
    for scenario in IN_TURNS:
        found = record["places"][HERE]["scenarios"][scenario.replace("-", "_")]
        assert [one["number"] for one in found["rounds"]] == [1, 2]
        assert found["stopped"] in ("asked", "narrow")
        assert found["spent_s"] > 0
    samples = read_samples(out / "latency.parquet", INT8, SINGLE)
    assert set(samples.round.tolist()) == {1, 2}
    assert len(samples) >= minimum(90)
    assert samples.fresh.any()
    assert not samples.fresh.all()


def test_each_scenario_says_how_it_asked(everything):
    targets = everything[0]["targets"]
    assert targets[INT8]["offline"]["batch"] == 32
    assert targets[INT8]["offline"]["workers"] >= 1
    found = targets[INT8]["server"]
    assert found["bound_ms"] == 200
    assert found["tried"]
    assert found["rate"] is None or any(one["confirmed"] and one["rate"] == found["rate"] for one in found["tried"])
    assert len(found["tried"]) == len(found["blocks"])
    assert len(targets[INT8]["sustained"]["blocks"]) >= 2


def test_what_stands_beside_the_scenarios(everything):
    record, _ = everything
    assert record["places"][HERE]["place"]["name"] == "this machine"
    assert record["places"][HERE]["place"]["cores"] >= 1
    assert record["options"]["starts"] == 2
    assert {"before", "during", "after"} == set(record["places"][HERE]["machine"])
    assert record["places"][HERE]["machine"]["before"]["cores"] >= 1
    waited = [one["before"] for one in record["places"][HERE]["cool_down"]]
    assert waited == ["round 1", "round 2", *(2 * [FP32, INT8])]
    assert all(one["reached"] for one in record["places"][HERE]["cool_down"])
    for name in (FP32, INT8):
        found = record["targets"][name]
        assert found["memory"]["host_bytes"] > 1 << 20
        assert "device" not in found
        assert [(one["threads"], one["batch"]) for one in found["sweep"]] == [(1, 1), (1, 4)]
        assert all(one["images_per_s"] > 0 and one["queries"] >= 1 for one in found["sweep"])


def test_the_same_command_again_times_nothing(world, everything):
    _, out = everything
    before = (out / "latency.parquet").read_bytes(), (out / "timing.json").read_bytes()
    done = bench(["--from", out, "--out", out, "--advisory", "--power-command", METER])
    assert done.returncode == 0, done.stderr
    assert before == ((out / "latency.parquet").read_bytes(), (out / "timing.json").read_bytes())


def test_a_further_scenario_extends_a_run_and_leaves_the_rest(world):
    first, out = run(world, "extended")
    assert set(first["places"][HERE]["scenarios"]) == {SINGLE}
    kept = read_samples(out / "latency.parquet", INT8, SINGLE).taken.tolist()
    second, _ = run(world, "extended", "--scenario", "multi-stream")
    assert set(second["places"][HERE]["scenarios"]) == {SINGLE, "multi_stream"}
    assert read_samples(out / "latency.parquet", INT8, SINGLE).taken.tolist() == kept
    assert len(read_samples(out / "latency.parquet", INT8, "multi_stream")) > 0
    trials = {path.name: path.stat().st_mtime_ns for path in (out / "trials").iterdir()}
    third, _ = run(world, "extended", "--starts", 2)
    assert len(third["places"][HERE]["scenarios"][SINGLE]["rounds"]) == 2
    assert third["places"][HERE]["scenarios"]["multi_stream"] == second["places"][HERE]["scenarios"]["multi_stream"]
    assert {path.name: path.stat().st_mtime_ns for path in (out / "trials").iterdir()} == trials
    assert json.loads((out / "summary.json").read_text())["status"] == "complete"


def test_a_killed_run_keeps_the_scenarios_that_were_finished(world, monkeypatch):
    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time_targets, "serve", interrupted)
        asked = ["--model", world / "m.onnx", "--size", 16, "--data", world / "test", "--calib", world / "calib"]
        words = [*asked, "--conditions", "clean", "--advisory", "--out", world / "killed", "--latency-bound", 200]
        assert bench([*words, "--scenario", "server"]).returncode == 130
    path = world / "killed/latency.parquet"
    assert timed(path) == {(FP32, SINGLE), (INT8, SINGLE)}
    kept = read_samples(path, INT8, SINGLE).taken.tolist()
    record, _ = run(world, "killed", "--scenario", "server", "--latency-bound", 200)
    assert read_samples(path, INT8, SINGLE).taken.tolist() == kept
    assert record["targets"][INT8]["server"]["tried"]

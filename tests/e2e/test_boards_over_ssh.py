"""Runs over a real ssh server: a board is lost and comes back, and whoever interrupts a run leaves nothing there."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from conftest import ROOT, make_folders, make_model
from quick_timing import QUICK_TIMING
from trial_files import trial_files, trials

import bench
from seatrial.harness.records.rundir import RunDirectory

HERE, FAR = "onnxruntime/int8@cpu", "onnxruntime/int8@pi5/cpu"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("ssh-boards")
    model = make_model(root / "small.onnx")
    return [
        *("--model", model, "--size", 16, "--data", make_folders(root / "test", images=16)),
        *("--calib", make_folders(root / "calib", images=4, seed=1)),
    ]


@pytest.fixture
def boards(ssh_server, tmp_path):
    file = tmp_path / "boards.yaml"
    board = ssh_server.board("pi5")
    fields = {name: getattr(board, name) for name in ("ssh", "python", "lease_file")}
    file.write_text(json.dumps({"pi5": {**fields, "ssh": list(board.ssh), "lanes": 2}}))
    yield file
    assert ssh_server.wait_until_empty(10) == []


def words(world, boards, out, *more):
    asked = ("--target", HERE, "--target", FAR, "--boards", boards, "--out", out, "--advisory", "--batch-size", 4)
    return [*map(str, (*world, *asked, *more))]


def rows(out, target, condition):
    return trials(out)[target, condition].drop_columns(["target", "condition"]).to_pydict()


def test_a_board_that_is_lost_comes_back_to_the_same_answers(world, boards, ssh_server, tmp_path, capsys):
    out, conditions = tmp_path / "run", ("--conditions", "clean", "--conditions", "corruption/*@1")
    command = words(world, boards, out, *conditions)
    lost = threading.Event()

    def switch_off():
        """Everything on the board ends, once some trials are there and others are not."""
        while len(list((out / "trials").glob("*.parquet"))) < 4 and not lost.is_set():
            time.sleep(0.02)
        ssh_server.stop()
        for process in ssh_server.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    off = threading.Thread(target=switch_off)
    off.start()
    try:
        assert bench.main(command) == 3
    finally:
        lost.set()
        off.join()
    summary = json.loads((out / "summary.json").read_text())
    assert [target["id"] for target in summary["targets"]] == ["onnxruntime/fp32@cpu", HERE]
    (failed,) = summary["failed"]
    assert (failed["target"], failed["outcome"]) == (FAR, "cut off")
    assert "was cut off" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in trial_files(out).values()}

    assert bench.main(command) == 3, "it is not back yet"
    ssh_server.start()
    assert bench.main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    found = trial_files(out)
    asked = {condition for target, condition in found if target == HERE}
    assert len(asked) > 10
    assert {condition for target, condition in found if target == FAR} == asked
    for condition in asked:
        assert rows(out, FAR, condition) == rows(out, HERE, condition)

    ssh_server.stop()  # and what is finished is told without it
    assert bench.main(command) == 0
    ssh_server.start()


def test_nothing_is_left_there_by_a_run_that_is_interrupted(world, boards, ssh_server, tmp_path):
    command = words(world, boards, tmp_path / "run", "--conditions", "corruption/*@[1-5]", *QUICK_TIMING)
    with subprocess.Popen(
        [sys.executable, ROOT / "bench.py", *command], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        for line in process.stderr:
            if line.startswith("Running trials"):
                break
        assert any("places.server" in word for one in ssh_server.processes() for word in one.cmdline())
        os.kill(process.pid, signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert ssh_server.wait_until_empty(10) == []


def test_a_board_without_an_answer_is_told_and_the_others_go_on(world, boards, ssh_server, tmp_path, capsys):
    ssh_server.stop()
    try:
        assert bench.main(words(world, boards, tmp_path / "run", "--conditions", "clean")) == 3
        told = capsys.readouterr().out
        assert "pi5" in told
        assert {target for target, _ in trial_files(tmp_path / "run")} == {HERE, "onnxruntime/fp32@cpu"}
        alone = ["--board", "pi5", "--boards", boards, "--out", tmp_path / "alone", "--conditions", "clean"]
        assert bench.main([*map(str, (*world, *alone))]) == 3
        assert "pi5" in capsys.readouterr().err
        assert not (tmp_path / "alone").exists()
    finally:
        ssh_server.start()


def test_other_commands_take_a_board_too(world, boards, tmp_path, capsys):
    out, at = tmp_path / "run", ("--board", "pi5", "--boards", boards)
    assert bench.main(words(world, boards, out, "--conditions", "clean")) == 0
    capsys.readouterr()
    assert bench.main(["trial", "--from", str(out), "--target", FAR]) == 0
    lines = tmp_path / "trials.jsonl"
    lines.write_text(capsys.readouterr().out)
    assert bench.main(["trial", str(lines), "--out", str(tmp_path / "elsewhere"), "--boards", str(boards)]) == 0
    again, before = trial_files(tmp_path / "elsewhere"), trial_files(out)
    assert again[FAR, "clean"].read_bytes() == before[FAR, "clean"].read_bytes()

    made = list(map(str, (*world[:4], *world[6:])))  # without test images
    assert bench.main(["build", *made, *map(str, at), "--bits", "8"]) == 0
    assert FAR in " ".join(capsys.readouterr().out.split())
    assert bench.main(["quantize", *made, *map(str, at), "--bits", "8", "--out", str(tmp_path / "q.onnx")]) == 0
    assert "int8 100" in capsys.readouterr().out
    assert bench.main(["diff", *map(str, (*world, *at)), "--bits", "8", "--top", "1"]) == 0
    assert f"{FAR} against onnxruntime/fp32@cpu" in capsys.readouterr().out


def test_a_trial_reaches_no_board_that_it_does_not_need(world, boards, ssh_server, tmp_path, capsys):
    out = tmp_path / "run"
    assert bench.main(words(world, boards, out, "--conditions", "clean")) == 0
    capsys.readouterr()
    assert bench.main(["trial", "--from", str(out), "--target", HERE]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert [target["board"] for target in json.loads(line)["spec"]["targets"]["asked"]] == [None, None]


def test_how_a_board_is_reached_is_not_taken_from_a_run_directory(world, boards, tmp_path):
    out = tmp_path / "run"
    assert bench.main(words(world, boards, out, "--conditions", "clean")) == 0
    assert "-F" not in (out / "run.json").read_text()
    bench.main(["--from", str(out), "--advisory", "--out", str(tmp_path / "again")])
    (lost,) = RunDirectory(tmp_path / "again").told_failures()
    assert lost["target"] == FAR
    assert "there is no such host" in lost["says"]

"""A target that crashes, hangs or eats the machine ends alone: the run, its other targets and its report do not."""

import json
import xml.etree.ElementTree as ET

import pytest
from conftest import make_folders, make_model
from trial_files import trial_files

import bench
from seatrial.harness.spec.targets import REFERENCE

QUICK = ["--timeout", "2", "--build-timeout", "4", "--memory-limit", "1"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("unruly")
    return (
        make_model(root / "small.onnx"),
        make_folders(root / "test", images=12),
        make_folders(root / "calib", images=4, seed=1),
    )


def run(world, out, *more):
    model, data, calib = world
    words = ["--model", model, "--size", 16, "--data", data, "--calib", calib, "--out", out, "--conditions", "clean"]
    words += ["--advisory"]
    status = bench.main([*map(str, words), "--conditions", "corruption/fog@3", *QUICK, *more])
    summary = out / "summary.json"
    return status, json.loads(summary.read_text()) if summary.exists() else None


@pytest.mark.parametrize(
    ("name", "stage", "outcome", "says"),
    [
        ("segfaults", "trials", "crashed", "SIGSEGV"),
        ("sleeps", "trials", "hung", "did not answer within 2 s"),
        ("eats", "trials", "out of memory", "1 GiB"),
        ("gives-nan", "trials", "failed", "NaN or infinite"),
        ("segfaults-building", "build", "crashed", "SIGSEGV"),
        ("sleeps-building", "build", "hung", "did not build within 4 s"),
    ],
)
def test_the_run_goes_on_without_it(unruly, world, tmp_path, capsys, name, stage, outcome, says):
    out = tmp_path / "run"
    more = ["--engine", name, "--engine", "onnxruntime", "--precision", "int8"]
    if name == "eats":  # it must reach its limit before its time is over, on a busy machine, too
        more += ["--timeout", "120"]
    status, summary = run(world, out, *more)
    shown = capsys.readouterr()
    assert status == 3
    assert summary["status"] == "partial"
    assert [target["id"] for target in summary["targets"]] == [REFERENCE.id, "onnxruntime/int8@cpu"]
    assert all(len(target["conditions"]) == 2 for target in summary["targets"])
    (failed,) = summary["failed"]
    assert (failed["target"], failed["stage"], failed["outcome"]) == (f"{name}/int8@cpu", stage, outcome)
    assert says in failed["says"]
    checks = {(check["name"], check["target"]): check["answer"] for check in summary["gate"]["checks"]}
    assert checks["built and run", f"{name}/int8@cpu"] == "fail"
    assert summary["gate"]["verdict"] != "ACCEPT"
    assert says in " ".join(shown.out.split())
    assert "exit status 3" in shown.out
    assert says in (out / "report.html").read_text()
    cases = ET.parse(out / "junit.xml").findall("testsuite/testcase")
    (error,) = [case.find("error") for case in cases if case.get("classname") == f"{name}/int8@cpu"]
    assert says in error.text
    assert not [target for target, _ in trial_files(out) if name in target]

    # The same command tries again: what failed, and nothing else.
    before = {path: path.stat().st_mtime_ns for path in (out / "trials").iterdir()}
    status, again = run(world, out, *more)
    assert status == 3
    assert again["failed"][0]["outcome"] == outcome
    assert {path: path.stat().st_mtime_ns for path in (out / "trials").iterdir()} == before


def test_nothing_is_left_to_test(unruly, world, tmp_path, capsys):
    status, summary = run(world, tmp_path / "run", "--engine", "segfaults-building")
    assert (status, summary) == (3, None)
    assert "SIGSEGV" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_runtime_that_crashes_on_import_is_told_before_anything_is_computed(unruly, world, tmp_path, capsys):
    status, summary = run(world, tmp_path / "run", "--engine", "segfaults-starting", "--engine", "onnxruntime")
    assert (status, summary) == (3, None)
    assert "'segfaults-starting' crashed (signal 11, SIGSEGV" in capsys.readouterr().err


def test_independent_builds_show_how_far_they_lie_apart(unruly, world, tmp_path, capsys):
    status, summary = run(
        world, tmp_path / "run", "--rebuilds", "3", "--engine", "varies", "--engine", "onnxruntime", "--bits", "8"
    )
    shown = capsys.readouterr().out.replace("\n", " ")
    assert status == 0
    reference, varies, steady = summary["targets"]
    assert reference["rebuilds"] is None
    assert varies["rebuilds"]["builds"] == steady["rebuilds"]["builds"] == 3
    assert varies["rebuilds"]["agreement"] in (0.0, 1.0)
    assert steady["rebuilds"]["agreement"] == 1.0
    assert steady["rebuilds"]["top1"]["std"] == 0
    assert steady["rebuilds"]["top1"]["values"] == [steady["conditions"]["clean"]["top1"]] * 3
    assert varies["rebuilds"]["top1"]["values"][0] == varies["conditions"]["clean"]["top1"]
    assert len(set(steady["rebuilds"]["p50_ms"]["values"])) > 1
    assert len(trial_files(tmp_path / "run")) == 3 * 2 + 2 * 2  # further builds answer the first condition alone
    assert "3 builds: top-1" in shown
    audit = json.loads((tmp_path / "run/audit.json").read_text())["targets"]
    assert {"onnxruntime/int8@cpu", "onnxruntime/int8@cpu#2", "onnxruntime/int8@cpu#3"} <= audit.keys()


def test_rebuilds_need_a_number_above_zero(world, tmp_path, capsys):
    assert run(world, tmp_path / "run", "--rebuilds", "0")[0] == 2
    assert "--rebuilds is 0" in capsys.readouterr().err

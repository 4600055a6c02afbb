"""The command, as a user runs it: results, continuing, and how it does not depend on how the work is done."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, bench, bench_process, make_folders, make_model
from PIL import Image
from quick_timing import QUICK_TIMING
from specs import flat
from trial_files import trials

from seatrial.exporters import ContractOptions
from seatrial.harness.run.run import run
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

CONDITIONS = 16  # of the suite `quick`


def flags(model, data, calib, out, *more):
    words = ["--model", model, "--size", "16", "--data", data, "--calib", calib, "--out", out, "--advisory"]
    return [*words, *(() if "--conditions" in more else ("--suite", "quick")), *more]


def same_predictions(one, other):
    first, second = trials(one), trials(other)
    return first.keys() == second.keys() and all(first[name].equals(second[name]) for name in first)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, test and calibration images, and one whole run of them."""
    root = tmp_path_factory.mktemp("world")
    model = make_model(root / "small.onnx")
    data = make_folders(root / "test", images=12)
    calib = make_folders(root / "calib", images=4, seed=1)
    done = bench_process(flags(model, data, calib, root / "run"))
    assert done.returncode == 0, done.stderr
    return root, model, data, calib, done


def test_the_run_directory_is_whole(world):
    root, _, _, _, done = world
    run = root / "run"
    assert {path.name for path in run.iterdir()} == {
        *(
            "run.json",
            "audit.json",
            "spent.json",
            "findings.json",
            "summary.json",
            "report.html",
            "latency.parquet",
            "timing.json",
        ),
        *("trials", "flips.json", "report.md", "junit.xml", "metrics.json", "bencher.json"),
    }
    assert len(list((run / "trials").iterdir())) == 2 * CONDITIONS
    assert "onnxruntime/int8@cpu" in done.stdout
    assert str(run / "report.html") in done.stdout.replace("\n", "")


def test_the_summary_follows_its_schema_and_the_rows(world):
    root = world[0]
    summary = json.loads((root / "run/summary.json").read_text())
    assert (summary["schema"], summary["status"], summary["seed"]) == (3, "complete", 0)
    assert [target["id"] for target in summary["targets"]] == ["onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"]
    assert summary["gate"]["verdict"] in ("ACCEPT", "REGRESSION", "INCONCLUSIVE", "ANOMALOUS")
    rows = trials(root / "run")
    reference = summary["targets"][0]["conditions"]
    for target in summary["targets"]:
        assert len(target["conditions"]) == CONDITIONS
        assert sum(target["realized"].values()) == pytest.approx(1)
        assert target["engine_bytes"] > 0
        assert target["latency"]["single_stream"]["samples"] >= 662
        for name, values in target["conditions"].items():
            table = rows[target["id"], name]
            correct = table["top1"].to_numpy() == table["label"].to_numpy()
            assert values["images"] == len(table) == 48
            assert values["top1"] == correct.mean()
            if target is not summary["targets"][0]:
                against = values["vs_reference"]
                assert against["delta"] == pytest.approx(values["top1"] - reference[name]["top1"])
                assert against["ci95"][0] <= against["delta"] <= against["ci95"][1]
                assert (against["p"] < 0.05) == (not against["ci95"][0] <= 0 <= against["ci95"][1])
        assert set(target["classes"]) == {"class0", "class1", "class2", "class3"}
        assert all(one["images"] == 12 for one in target["classes"].values())
    assert summary["targets"][1]["realized"]["int8"] >= 0.95


def test_the_audit_lists_every_layer(world):
    audit = json.loads((world[0] / "run/audit.json").read_text())["targets"]["onnxruntime/int8@cpu"]
    assert audit["requested"] == "int8"
    assert [layer["realized"] for layer in audit["layers"]] == ["int8"] * 3
    assert audit["options"]["provider"] == "CPUExecutionProvider"
    assert audit["options"]["threads"] == 1


def test_the_same_command_again_computes_nothing(world):
    root, model, data, calib, _ = world
    before = {path: path.stat().st_mtime_ns for path in (root / "run/trials").iterdir()}
    again = bench(flags(model, data, calib, root / "run"))
    assert again.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (root / "run/trials").iterdir()} == before
    assert "Running trials" not in again.stderr


@pytest.mark.parametrize("how", [("--workers", 1, "--batch-size", 1), ("--workers", 5, "--batch-size", 7)])
def test_predictions_do_not_depend_on_how_the_work_is_done(world, tmp_path, how):
    root, model, data, calib, _ = world
    assert bench(flags(model, data, calib, tmp_path / "run", *how)).returncode == 0
    assert same_predictions(root / "run", tmp_path / "run")


def test_predictions_do_not_depend_on_where_the_files_lie(world, tmp_path):
    root, model, data, calib, _ = world
    shutil.copytree(data, tmp_path / "elsewhere" / "test")
    shutil.copy(model, tmp_path / "small.onnx")
    done = bench(flags(tmp_path / "small.onnx", tmp_path / "elsewhere/test", calib, tmp_path / "run"))
    assert done.returncode == 0
    assert same_predictions(root / "run", tmp_path / "run")


def test_a_limited_run_is_a_part_of_the_whole(world, tmp_path):
    root, model, data, calib, _ = world
    done = bench(flags(model, data, calib, tmp_path / "run", "--limit", 10))
    assert done.returncode == 0
    whole, part = trials(root / "run"), trials(tmp_path / "run")
    assert len(part) == 2 * CONDITIONS
    for name, table in part.items():
        assert table.equals(whole[name].slice(0, 10))


def test_another_seed_is_another_run(world, tmp_path):
    root, model, data, calib, _ = world
    refused = bench(flags(model, data, calib, root / "run", "--seed", 1))
    assert refused.returncode == 2
    assert "differ in: " in refused.stderr
    assert "seed" in refused.stderr


def interrupt(arguments, out, kill_signal, trials):
    """Starts the command and sends the signal once `trials` trials are finished."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "bench.py", *map(str, arguments), *QUICK_TIMING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell inherits an ignored Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while len(list((out / "trials").glob("[!.]*.parquet"))) < trials:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(kill_signal)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("kill_signal", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_continues_where_it_stopped(world, tmp_path, kill_signal):
    root, model, data, calib, _ = world
    out = tmp_path / "run"
    arguments = flags(model, data, calib, out, "--batch-size", 1)
    code, errors = interrupt(arguments, out, kill_signal, trials=5)
    finished = {path: path.stat().st_mtime_ns for path in (out / "trials").glob("[!.]*.parquet")}
    assert 5 <= len(finished) < 2 * CONDITIONS
    assert not (out / "summary.json").exists()
    if kill_signal == signal.SIGINT:
        assert code == 130
        assert "the same command continues" in errors
        assert not list(out.rglob(".tmp-*"))
    (out / "trials" / ".tmp-1-half.parquet").write_bytes(b"half")
    assert bench(arguments).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not list(out.rglob(".tmp-*"))
    assert same_predictions(root / "run", out)
    whole = json.loads((root / "run/summary.json").read_text())
    again = json.loads((out / "summary.json").read_text())
    assert [t["conditions"] for t in whole["targets"]] == [t["conditions"] for t in again["targets"]]
    assert whole["gate"] == again["gate"]


def test_the_null_engine_measures_the_harness(world, tmp_path):
    _, model, data, calib, _ = world
    out = tmp_path / "run"
    done = bench(flags(model, data, calib, out, "--engine", "null", "--conditions", "clean"))
    assert done.returncode == 0, done.stderr
    reference, null = json.loads((out / "summary.json").read_text())["targets"]
    assert null["id"] == "null/int8@cpu"
    assert null["realized"] == {}
    assert null["conditions"]["clean"]["top1"] == 0.25  # it always answers the first of four classes
    assert null["latency"]["single_stream"]["p50_ms"] < reference["latency"]["single_stream"]["p50_ms"]


def test_fp32_alone_needs_no_calibration_images(world, tmp_path):
    _, model, data, _, _ = world
    words = [
        "--model",
        model,
        "--size",
        16,
        "--data",
        data,
        "--bits",
        32,
        "--advisory",
        "--suite",
        "quick",
        "--out",
        tmp_path / "run",
    ]
    assert bench(words).returncode == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert [target["id"] for target in summary["targets"]] == ["onnxruntime/fp32@cpu"]


def test_python_makes_the_same_calls(world, tmp_path):
    root, model, data, calib, _ = world
    spec = flat(
        RunSpec,
        model=str(model),
        data=str(data),
        calib=str(calib),
        contract=ContractOptions(size=(16, 16)),
        targets=(TargetSpec("onnxruntime", "int8"),),
        suite="quick",
        out=tmp_path / "run",
    )
    summary, directory = run(spec)
    assert directory == tmp_path / "run"
    assert same_predictions(root / "run", directory)
    assert summary == json.loads((directory / "summary.json").read_text())


def test_npz_and_folders_of_the_same_pixels_give_the_same_answers(tmp_path):
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8), np.arange(12) % 4
    model = make_model(tmp_path / "m.onnx")
    calib = make_folders(tmp_path / "calib", seed=1)
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / f"folder/{label}/{index:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    answers = {}
    for data in (tmp_path / "d.npz", tmp_path / "folder"):
        out = tmp_path / f"run-{data.stem}"
        assert bench(flags(model, data, calib, out, "--conditions", "clean")).returncode == 0
        table = trials(out)["onnxruntime/int8@cpu", "clean"].to_pylist()
        answers[data.stem] = {row["image_id"].rpartition("/")[2][:6]: row["p_top1"] for row in table}
    assert answers["d"] == answers["folder"]


def test_a_run_killed_right_after_its_last_trial_is_completed(world, tmp_path):
    root, model, data, calib, _ = world
    shutil.copytree(root / "run", tmp_path / "run")
    for late in ("spent.json", "summary.json", "report.html", "report.md", "junit.xml"):
        (tmp_path / "run" / late).unlink()
    done = bench(flags(model, data, calib, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    whole = json.loads((root / "run/summary.json").read_text())
    assert summary["timing"] is None
    assert summary["targets"] == whole["targets"]

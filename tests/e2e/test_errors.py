"""Everything that goes wrong ends with one clear message, the right exit status and nothing half-written."""

import os
import resource
import subprocess
import sys

import numpy as np
import onnx
import pytest
from conftest import ROOT, bench, bench_process, make_folders, make_model
from onnx import TensorProto, helper, numpy_helper
from quick_timing import QUICK_TIMING

import bench as command
from seatrial.harness.records.lock import locked
from seatrial.harness.run.session import Session


def broken_jpeg(root):
    path = root / "test/class1/002.jpg"
    path.write_bytes(path.read_bytes()[:400])


def no_images(root):
    for path in (root / "test").rglob("*.jpg"):
        path.unlink()


def text_file(root):
    (root / "test/class0/readme.txt").write_text("hello")


def text_named_jpeg(root):
    (root / "test/class0/readme.jpg").write_text("hello")


def not_onnx(root):
    (root / "m.onnx").write_text("#!/usr/bin/env python\n")


def no_model(root):
    (root / "m.onnx").unlink()


def two_inputs(root):
    def change(model):
        model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 1]))

    make_model(root / "m.onnx", change=change)


def nan_weights(root):
    model = onnx.load(root / "m.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "w1":
            values = numpy_helper.to_array(tensor).copy()
            values[0] = np.nan
            tensor.CopyFrom(numpy_helper.from_array(values, "w1"))
    onnx.save(model, root / "m.onnx")


def other_size(root):
    make_model(root / "m.onnx", size=20)


def fewer_classes(root):
    make_model(root / "m.onnx", classes=3)


def overlapping(root):
    (root / "calib/class3/same-but-renamed.jpg").write_bytes((root / "test/class0/001.jpg").read_bytes())


def foreign_out(root):
    (root / "run").mkdir()
    (root / "run/notes.md").write_text("mine")


def nothing(root):
    pass


CASES = [
    (no_model, [], 2, "no model file"),
    (not_onnx, [], 2, "not an ONNX file"),
    (two_inputs, [], 2, "2 inputs (input, mask)"),
    (nan_weights, [], 2, "'w1' holds 27 NaN"),
    (other_size, [], 2, "takes 20x20"),
    (fewer_classes, [], 2, "4 class folders"),
    (broken_jpeg, [], 2, "test/class1/002.jpg"),
    (no_images, [], 2, "holds no images"),
    (text_file, [], 2, "test/class0/readme.txt"),
    (text_named_jpeg, [], 2, "test/class0/readme.jpg"),
    (overlapping, [], 2, "1 of 17 calibration images are test images"),
    (foreign_out, [], 2, "holds files but no run"),
    (nothing, ["--engine", "tensorfow"], 2, "Known: kserve, null, onnxruntime"),
    (nothing, ["--bits", "3"], 2, "Known: 32 (fp32), 16 (fp16), 8 (int8), 4 (int4)"),
    (nothing, ["--precision", "fp8"], 3, "does not run fp8"),
    (nothing, ["--device", "tpu"], 3, "It has: cpu"),
    (nothing, ["--data", "nowhere"], 2, "no data at nowhere"),
    (nothing, ["--suite", "endless"], 2, "Known: quick, standard, full"),
    (nothing, ["--limit", "0"], 2, "at least 1"),
    (nothing, ["--corruption-scale", "96"], 2, "for 224, 64, 32"),
    (nothing, ["--frost-textures", "nowhere"], 2, "nowhere/frost1.png"),
    (nothing, ["--seed", "-1"], 2, "from 0 to"),
    (nothing, ["--seed", "9" * 80], 2, "from 0 to"),
    (nothing, ["--classes", "nowhere.txt"], 2, "no class file"),
    (nothing, ["--color", "hsv"], 2, "Known: rgb, bgr"),
]


@pytest.fixture
def root(tmp_path):
    make_model(tmp_path / "m.onnx")
    make_folders(tmp_path / "test")
    make_folders(tmp_path / "calib", images=4, seed=1)
    return tmp_path


def words(root, *more):
    paths = ["--model", root / "m.onnx", "--data", root / "test", "--calib", root / "calib", "--out", root / "run"]
    return [*paths, "--size", 16, "--suite", "quick", *more]


@pytest.mark.parametrize(
    ("spoil", "more", "code", "says"), CASES, ids=[f"{c[0].__name__}{' '.join(c[1])}" for c in CASES]
)
def test_it_ends_clearly(root, spoil, more, code, says):
    spoil(root)
    before = sorted(path for path in root.rglob("*") if path.is_file())
    done = bench(words(root, *more))
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(path for path in root.rglob("*") if path.is_file()) == before


def test_a_thousand_labels_on_a_ten_class_model(root):
    make_model(root / "m.onnx", classes=10)
    np.savez(root / "d.npz", images=np.zeros((1000, 16, 16, 3), np.uint8), labels=np.arange(1000))
    done = bench(words(root, "--data", root / "d.npz"))
    assert done.returncode == 2
    assert "0 to 999, but the model has 10 outputs" in done.stderr


def test_data_without_a_model_of_its_own_needs_a_name(root):
    done = bench(["--model", root / "m.onnx", "--size", 16])
    assert done.returncode == 2
    assert "Give --data" in done.stderr
    done = bench(["--model", root / "m.onnx", "--size", 16, "--data", root / "test"])
    assert done.returncode == 2
    assert "needs calibration images" in done.stderr


def test_an_engine_that_is_not_installed_gives_the_install_line(root):
    hidden = root / "hidden/onnxruntime"
    hidden.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(hidden.parent)}
    for raised, told in (
        ("ModuleNotFoundError('No module', name='onnxruntime')", "not installed. Install it: pip install 'seatrial["),
        (
            "ImportError('libonnxruntime.so.1: cannot open')",
            "does not import: ImportError: libonnxruntime.so.1: cannot",
        ),
    ):
        (hidden / "__init__.py").write_text(f"raise {raised}")
        done = bench_process(words(root), env=environment)
        assert done.returncode == 3
        assert told in done.stderr
        assert not (root / "run").exists()


@pytest.mark.parametrize("limit", [600, 9000])
def test_a_disk_that_takes_no_more(root, limit):
    """The system's limit on a file's size stands for a full disk: both refuse a write in the middle of a file."""

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [
            sys.executable,
            ROOT / "bench.py",
            *map(str, words(root)),
            *QUICK_TIMING,
            "--workers",
            "1",
            "--batch-size",
            "1",
        ],
        capture_output=True,
        text=True,
        preexec_fn=full,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2
    assert "Cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(root.rglob(".tmp-*"))


def test_a_read_only_folder(root):
    if os.geteuid() == 0:
        out = "/proc/run"  # root may write anywhere but here
    else:
        (root / "locked").mkdir(mode=0o500)
        out = root / "locked/run"
    done = bench(words(root, "--out", out))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_fault_of_our_own_is_no_failed_gate(monkeypatch, capsys):
    def fault(*_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("seatrial.harness.run.run.run", fault)
    assert command.main([]) == 4
    assert "Please report it" in capsys.readouterr().err


def test_a_directory_that_another_run_holds_is_left_alone(root):
    with locked(root / "run"):
        done = bench(words(root))
        assert sorted(path.name for path in (root / "run").iterdir()) == [".lock"]
    assert done.returncode == 2
    assert f"run is in use by process {os.getpid()} on " in done.stderr


def test_a_run_whose_folder_is_moved_away_ends_and_goes_on_where_it_is_back(root, monkeypatch):
    file, filed = Session.file_trial, []

    def moved(self, target, condition, rows):
        if len(filed) == 1:
            (root / "run").rename(root / "elsewhere")
        file(self, target, condition, rows)
        filed.append(condition.id)

    monkeypatch.setattr(Session, "file_trial", moved)
    done = bench(words(root, "--advisory"))
    assert done.returncode == 2
    assert f"{root / 'run'} is not the run's folder any more" in done.stderr
    assert not (root / "run").exists()
    (root / "elsewhere").rename(root / "run")
    monkeypatch.setattr(Session, "file_trial", file)
    assert bench(words(root, "--advisory")).returncode == 0

"""`bench.py quantize`, and what may be chosen of a quantization in a run."""

import json

import onnx
import pytest
from conftest import bench, make_folders, make_model

from seatrial import exporters


@pytest.fixture
def words(tmp_path, model_file, calib_folder):
    return ["--model", model_file, "--size", "16", "--calib", calib_folder]


def test_the_file_carries_its_contract_and_runs_in_int8(tmp_path, words):
    done = bench(["quantize", *words, "--bits", "8", "--out", tmp_path / "q.onnx"])
    assert done.returncode == 0, done.stderr
    assert "int8 100.0%" in done.stdout
    model = exporters.load(tmp_path / "q.onnx")
    assert model.precision == "int8"
    assert model.contract.size == (16, 16)


def test_ranges_change_the_file(tmp_path, words):
    found = set()
    for ranges in ("minmax", "percentile", "entropy"):
        out = tmp_path / f"{ranges}.onnx"
        done = bench(["quantize", *words, "--ranges", ranges, "--percentile", "99", "--out", out])
        assert done.returncode == 0, done.stderr
        found.add(out.read_bytes())
    assert len(found) == 3


def test_degraded_calibration_images_change_the_file(tmp_path, words):
    for name, more in (("clean", ()), ("noisy", ("--calib-condition", "corruption/gaussian_noise@5"))):
        done = bench(["quantize", *words, *more, "--out", tmp_path / f"{name}.onnx"])
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean.onnx").read_bytes() != (tmp_path / "noisy.onnx").read_bytes()


def test_a_run_takes_the_same_flags_and_keeps_them(tmp_path, words, data_folder):
    run = [*words, "--data", data_folder, "--conditions", "clean", "--advisory"]
    for name, more in (("a", ()), ("b", ("--calib-condition", "corruption/jpeg_compression@5"))):
        done = bench([*run, *more, "--out", tmp_path / name])
        assert done.returncode == 0, done.stderr
    first, second = (
        json.loads((tmp_path / name / "run.json").read_text())["identity"]["targets"]["onnxruntime/int8@cpu"]
        for name in ("a", "b")
    )
    assert first["calibration"]["condition"]["id"] == "clean"
    assert second["calibration"]["condition"]["id"] == "corruption/jpeg_compression@5"
    assert first["quantization"]["ranges"] == "minmax"
    refused = bench([*run, "--ranges", "entropy", "--out", tmp_path / "a"])
    assert refused.returncode == 2
    assert "quantization" in refused.stderr


def test_switches_stand_in_configuration_files_as_true(tmp_path, words):
    (tmp_path / "c.yaml").write_text("equalize: true\nbias_correction: false\nranges: minmax\n")
    done = bench(["quantize", *words, "--config", tmp_path / "c.yaml", "--out", tmp_path / "q.onnx"])
    assert done.returncode == 0, done.stderr
    assert onnx.load(tmp_path / "q.onnx").graph.node


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        (("--ranges", "maximum"), 2, "Known: minmax"),
        (("--quantizer", "magic"), 2, "Known: seatrial"),
        (("--percentile", "20"), 2, "--percentile is 20"),
        (("--calib-condition", "corruption/rain@3"), 2, "rain"),
        (("--engine", "abacus"), 3, "no recipe for int8 on engine 'abacus'"),
        (("--bits", "3"), 2, "--bits 3"),
        (("--precision", "w4a8"), 3, "w4a8"),
        (("--calib", "missing"), 2, "no data at"),
    ],
)
def test_errors_say_what_to_do(tmp_path, words, more, status, says):
    done = bench(["quantize", *words, *more, "--out", tmp_path / "q.onnx"])
    assert done.returncode == status, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "q.onnx").exists()


def test_calibration_images_that_are_no_images(tmp_path):
    make_model(tmp_path / "m.onnx")
    folder = make_folders(tmp_path / "c", images=2)
    (folder / "class0/000.jpg").write_bytes(b"no image")
    done = bench(
        ["quantize", "--model", tmp_path / "m.onnx", "--size", "16", "--calib", folder, "--out", tmp_path / "q.onnx"]
    )
    assert done.returncode == 2
    assert "000.jpg" in done.stderr


def test_an_odd_calibration_is_told(tmp_path, model_file, data_folder):
    """Four images of one class, in a run and in a quantization alone."""
    calib = make_folders(tmp_path / "one", classes=4, images=4, seed=3)
    for label in (1, 2, 3):
        for image in (calib / f"class{label}").iterdir():
            image.unlink()
    words = ["--model", model_file, "--size", "16", "--calib", calib]
    done = bench(["quantize", *words, "--out", tmp_path / "q.onnx"])
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "All calibration images are of one class" in said
    assert "4 calibration images are few" in said
    done = bench([*words, "--data", data_folder, "--conditions", "clean", "--advisory", "--out", tmp_path / "run"])
    assert done.returncode == 0, done.stderr
    notes = " ".join(json.loads((tmp_path / "run/summary.json").read_text())["notes"])
    assert "All calibration images are of one class" in notes
    assert "onnxruntime/int8@cpu: 4 calibration images are few" in notes


def test_nodes_are_kept_in_float_by_name(tmp_path, words):
    done = bench(["quantize", *words, "--keep-float", "conv2", "--out", tmp_path / "q.onnx"])
    assert done.returncode == 0, done.stderr
    assert "conv2" in done.stdout
    assert "fp32" in done.stdout.partition("the engine runs")[2]
    done = bench(["quantize", *words, "--keep-float", "conv9", "--out", tmp_path / "q.onnx"])
    assert done.returncode == 2
    assert "conv2" in done.stderr, "close names are listed"


def test_another_seed_takes_other_calibration_images(tmp_path, words):
    found = []
    for seed in (0, 0, 1):
        out = tmp_path / f"{len(found)}.onnx"
        done = bench(["quantize", *words, "--calib-limit", "6", "--calib-seed", seed, "--out", out])
        assert done.returncode == 0, done.stderr
        found.append(out.read_bytes())
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(("engine", "bits"), [("openvino", "8"), ("tensorrt", "16"), ("tensorrt-rtx", "16")])
def test_no_device_is_spoken_of_that_nobody_named(tmp_path, words, engine, bits):
    """The engine is built on its own first device, be it there or not."""
    done = bench(["quantize", *words, "--engine", engine, "--bits", bits, "--out", tmp_path / "q.onnx"])
    assert done.returncode == 0, done.stderr
    assert "has no device" not in done.stdout

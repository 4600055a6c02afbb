"""`--variant NAME=FILE`: a vendor's file beside the model, asked, extended, compared, described and looked into."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import bench, make_folders, make_model
from onnx_files import brevitas_style, ort_quantized
from trial_files import trial_files

TARGETS = ["onnxruntime/fp32@cpu", "vendor:onnxruntime/int8@cpu"]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A model, its images, and a vendor's int8 file, in fp32 alone: nothing is calibrated."""
    root = tmp_path_factory.mktemp("variants")
    model, data = make_model(root / "m.onnx"), make_folders(root / "data", images=6)
    vendor = brevitas_style(root / "v.onnx")
    return [
        *("--model", model, "--size", 16, "--data", data, "--bits", 32, "--variant", f"vendor={vendor}"),
        *("--conditions", "clean", "--advisory"),
    ]


def summary_of(run):
    return json.loads((run / "summary.json").read_text())


def ran(*arguments):
    done = bench(arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    done = bench([*words, "--out", out], COLUMNS="80")
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_one_command_one_table(run):
    out, text = run
    summary = summary_of(out)
    assert [target["id"] for target in summary["targets"]] == TARGETS
    assert summary["targets"][1]["variant"] == "vendor"
    assert summary["targets"][1]["conditions"]["clean"]["vs_reference"] is not None
    assert summary["variants"]["vendor"]["digest"] != summary["model"]["digest"]
    assert all(name in text for name in TARGETS)
    said = [line for line in text.splitlines() if not line.startswith(("    python ", "Report: "))]
    assert max(map(len, said)) <= 80
    for file in ("report.html", "report.md", "junit.xml"):
        assert "vendor:onnxruntime/int8@cpu" in (out / file).read_text()
    assert "vendor_onnxruntime/int8_cpu/clean/top1" in json.loads((out / "metrics.json").read_text())


def test_a_run_is_extended_by_a_file_and_keeps_what_others_answered(run, tmp_path):
    out, _ = run
    before = {path: path.stat().st_mtime_ns for path in trial_files(out).values()}
    other = make_model(tmp_path / "o.onnx", seed=3)
    ran("--from", out, "--variant", f"other={other}", "--out", out)
    names = [target["id"] for target in summary_of(out)["targets"]]
    assert names == [*TARGETS, "other:onnxruntime/fp32@cpu"]
    assert before.items() <= {path: path.stat().st_mtime_ns for path in trial_files(out).values()}.items()
    done = bench(["--from", out, "--variant", f"other={make_model(tmp_path / 'p.onnx', seed=4)}", "--out", out])
    assert done.returncode == 2, "another file is no continuation"
    assert "other:onnxruntime/fp32@cpu" in done.stderr


def test_a_trial_of_a_variant_runs_from_its_description_alone(run, tmp_path):
    out, _ = run
    described = ran("trial", "--from", out, "--target", "vendor:*", "--conditions", "clean")
    (tmp_path / "t.jsonl").write_text(described)
    path = ran("trial", tmp_path / "t.jsonl", "--out", tmp_path / "t").strip()
    assert Path(path).read_bytes() == (out / "trials" / Path(path).name).read_bytes()
    own = json.loads(ran("trial", "--from", out, "--target", "onnxruntime/fp32@cpu", "--conditions", "clean"))
    assert own["spec"]["source"]["variants"] == []


def test_a_variant_is_paired_with_itself_in_the_baseline(run, words, tmp_path):
    out, _ = run
    ran(*words, "--baseline", out, "--out", tmp_path / "again")
    baseline = summary_of(tmp_path / "again")["baseline"]
    assert "vendor:onnxruntime/int8@cpu" in json.dumps(baseline)


def test_where_a_variant_parts_from_its_own_float_form(run, words, tmp_path):
    out, _ = run
    assert "vendor:onnxruntime/int8@cpu against onnxruntime/fp32@cpu" in ran(
        "diff", "--from", out, "--variant", "vendor"
    )
    done = bench(["diff", "--from", out, "--variant", "nobody"])
    assert done.returncode == 2
    assert "--variant nobody=FILE" in done.stderr


def test_variants_are_built_beside_the_model(words):
    built = ran("build", *words[:4], *words[6:10])
    assert "vendor:onnxruntime/int8@cpu" in built


@pytest.fixture(scope="module")
def cifar(shared):
    data = shared / "data/cifar10"
    words = ["--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10", "--data", data / "test.npz"]
    return [*words, "--calib", data / "calib.npz", "--calib-limit", 64, "--conditions", "clean", "--advisory"]


def fed(shared, count=64):
    images = np.load(shared / "data/cifar10/calib.npz")["images"][:count]
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return ((images / np.float32(255) - mean) / std).transpose(0, 3, 1, 2).copy()


@pytest.mark.long
def test_onnx_runtimes_own_file_stands_beside_ours(shared, cifar, tmp_path):
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(cifar[1], tmp_path / "prepared.onnx", skip_symbolic_shape=True)
    name = onnx.load(cifar[1]).graph.input[0].name
    assert name == "input", "what ort_quantized feeds"
    types = {"activation_type": QuantType.QUInt8}
    file = ort_quantized(tmp_path / "ort.onnx", tmp_path / "prepared.onnx", np.split(fed(shared), 4), **types)
    text = ran(*cifar, "--variant", f"ort={file}", "--limit", 128, "--bits", 8, "--out", tmp_path / "run")
    reference, ours, theirs = summary_of(tmp_path / "run")["targets"]
    assert (ours["id"], theirs["id"]) == ("onnxruntime/int8@cpu", "ort:onnxruntime/int8@cpu")
    for target in (ours, theirs):
        assert target["realized"]["int8"] > 0.9
        assert abs(target["conditions"]["clean"]["top1"] - reference["conditions"]["clean"]["top1"]) < 0.06
        assert target["id"] in text


@pytest.mark.long
def test_model_optimizers_file_stands_beside_ours(shared, cifar, tmp_path):
    pytest.importorskip("modelopt.onnx")
    np.save(tmp_path / "fed.npy", fed(shared, 32))
    script = (
        "import sys, numpy as np; from modelopt.onnx.quantization import quantize; "
        "quantize(sys.argv[1], quantize_mode='int8', calibration_data=np.load(sys.argv[2]), calibration_eps=['cpu'], "
        "high_precision_dtype='fp32', output_path=sys.argv[3])"
    )
    file = tmp_path / "modelopt.onnx"
    subprocess.run([sys.executable, "-c", script, cifar[1], tmp_path / "fed.npy", file], check=True, timeout=600)
    ran(*cifar, "--variant", f"modelopt={file}", "--limit", 128, "--bits", 8, "--out", tmp_path / "run")
    reference, _, theirs = summary_of(tmp_path / "run")["targets"]
    assert theirs["id"] == "modelopt:onnxruntime/int8@cpu"
    assert abs(theirs["conditions"]["clean"]["top1"] - reference["conditions"]["clean"]["top1"]) < 0.06

"""The networks of docs/studies/merkel on real digits: as trained, as files, and under the whole command."""

import ctypes
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from conftest import ROOT, bench
from quick_timing import QUICK_TIMING

from seatrial import exporters

STUDY = ROOT / "docs" / "studies" / "merkel"
# At 3 to 10 bits: Fig. 3(c) of arXiv 2105.00227.
PUBLISHED = dict(zip(range(3, 11), (97.59, 97.76, 97.67, 97.81, 97.83, 97.61, 97.81, 97.73), strict=True))


@pytest.fixture(scope="module")
def written(shared, tmp_path_factory):
    """What export.py makes of the first seed."""
    folder = tmp_path_factory.mktemp("merkel")
    words = ["--mnist", shared / "data" / "mnist.npz", "--out", folder, "--seeds", "1"]
    subprocess.run([sys.executable, STUDY / "export.py", *words], check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    return folder


def test_from_three_bits_up_the_networks_are_within_a_point_of_the_published_curve(written):
    clean = json.loads((written / "clean.json").read_text())
    for bits, published in PUBLISHED.items():
        for grid in ("levels", "sign"):
            assert abs(100 * clean[f"{grid}-w{bits}"][0] - published) < 1, (grid, bits)
    assert clean["levels-w1"][0] < clean["levels-w2"][0] < clean["levels-w3"][0]


def test_files_say_their_bits_and_answer_like_their_integers(written):
    with np.load(written / "test.npz") as file:
        images, labels = file["images"], file["labels"]
    clean = json.loads((written / "clean.json").read_text())
    for bits in range(1, 11):
        assert exporters.load(written / "seed0" / f"levels-w{bits}.onnx").precision == f"sim-w{bits}"
        if bits < 10:
            assert exporters.load(written / "seed0" / f"sign-w{bits}.onnx").precision == f"sim-w{bits + 1}"
    for name in ("float", "levels-w1", "levels-w9"):
        model = exporters.load(written / "seed0" / f"{name}.onnx")
        tensor = model.contract.normalise(np.repeat(images[..., None], 3, axis=3))
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        scores = ort.InferenceSession(model.onnx_bytes, options).run(None, {model.input_name: tensor})[0]
        # A tie of two classes in float32 may fall either way.
        assert abs((scores.argmax(1) == labels).mean() - clean[name][0]) <= 2 / len(labels)


def test_the_training_code_s_gradients_are_autograd_s_and_its_grids_hold(tmp_path):
    torch = pytest.importorskip("torch")
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler, cc")
    library = tmp_path / "epoch.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, STUDY / "epoch.c", "-lm"], check=True)
    code = ctypes.CDLL(str(library))
    rng = np.random.default_rng(0)
    flat = rng.uniform(-0.2, 0.2, 79510).astype(np.float32)
    image = (rng.integers(0, 256, 784) * (rng.random(784) < 0.2)).astype(np.uint8)
    gradient, used = np.zeros_like(flat), np.zeros_like(flat)
    at = [ctypes.c_void_p(array.ctypes.data) for array in (flat, image, gradient)]
    code.backward(at[0], at[1], 3, at[2])
    values = torch.tensor(flat, requires_grad=True)
    w1, b1, w2, b2 = values.split([78400, 100, 1000, 10])
    scores = (torch.tensor(image / np.float32(255)) @ w1.view(784, 100) + b1).relu() @ w2.view(100, 10) + b2
    torch.nn.functional.cross_entropy(scores[None], torch.tensor([3])).backward()
    np.testing.assert_allclose(gradient, values.grad.numpy(), rtol=1e-4, atol=1e-6)
    grids = _loaded("grids")
    for name in ("levels-w1", "levels-w3", "sign-w1", "sign-w2"):
        scale, most = grids.grid_of(name)
        code.round_all(at[0], ctypes.c_void_p(used.ctypes.data), ctypes.c_float(scale), ctypes.c_float(most))
        levels = np.arange(-most, most + 1, 2) / scale
        nearest = levels[np.abs(flat[:, None] - levels).argmin(1)]
        np.testing.assert_allclose(used, nearest, atol=1e-6)


@pytest.mark.long
def test_the_whole_command_runs_on_digits_of_a_flat_network(written, tmp_path):
    pytest.importorskip("torch")
    with np.load(written / "test.npz") as file:
        images, labels = file["images"][:400].reshape(-1, 784), file["labels"][:400]
    np.savez(tmp_path / "flat.npz", images=images[:60], labels=labels[:60])
    np.savez(tmp_path / "calib.npz", images=images[60:], labels=labels[60:])
    words = f"--advisory --bits 8 --variant two={written}/seed0/levels-w2.onnx --out {tmp_path}/run"
    words += " --conditions clean --conditions corruption/gaussian_noise@3 --conditions attack/fgsm-linf@16"
    files = ["--model", written / "seed0" / "float.onnx", "--data", tmp_path / "flat.npz"]
    done = bench([*files, "--calib", tmp_path / "calib.npz", *words.split(), *QUICK_TIMING])
    assert done.returncode == 0, done.stderr
    targets = {one["id"]: one for one in json.loads((tmp_path / "run" / "summary.json").read_text())["targets"]}
    assert set(targets) == {"onnxruntime/fp32@cpu", "onnxruntime/int8@cpu", "two:onnxruntime/sim-w2@cpu"}
    for one in targets.values():
        right = {name: found["top1"] for name, found in one["conditions"].items()}
        assert right["clean"] > 0.85
        assert right["corruption/gaussian_noise@3"] > 0.8
    assert targets["onnxruntime/fp32@cpu"]["conditions"]["attack/fgsm-linf@16"]["top1"] < 0.6


def _loaded(name):
    spec = importlib.util.spec_from_file_location(f"merkel_{name}", Path(STUDY / f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

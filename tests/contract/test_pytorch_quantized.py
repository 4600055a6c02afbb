"""Files that are quantized already, at their own precision on the PyTorch engine: what their nodes say, simulated."""

import dataclasses
import json

import numpy as np
import pytest
from calibration_images import ArrayImages as Images
from conftest import bench
from onnx_files import brevitas_style

from seatrial import calib, engines, exporters
from seatrial.engines import BuildRequest
from seatrial.exporters.presets import PRESETS

torch = pytest.importorskip("torch")

from seatrial.engines.torch_graph import TorchGraph  # noqa: E402  (needs PyTorch)

COUNT = 100
QUICK = ("--conditions", "clean", "--advisory", "--size", "16")


@pytest.fixture(scope="module")
def resnet(shared):
    return exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])


@pytest.fixture(scope="module")
def pixels(shared):
    with np.load(shared / "data/cifar10/test.npz") as archive:
        return archive["images"][:COUNT]


def labels_of(model, batch, engine, **changes):
    request = BuildRequest(
        model.onnx_bytes,
        model.input_name,
        model.output_name,
        model.contract.tensor_shape,
        model.classes,
        model.precision,
    )
    with engines.build(engine, dataclasses.replace(request, **changes)) as built:
        return built.infer(batch).argmax(1), built.audit()


@pytest.mark.parametrize("precision", ["int8", "sim-w4a4", "sim-w2a2"])
def test_a_quantized_file_gets_the_labels_of_onnxruntime_without_optimisation(resnet, shared, pixels, precision):
    with np.load(shared / "data/cifar10/calib.npz") as archive:
        images = Images(archive["images"][:64])
    made = calib.quantize(resnet, precision, engine="onnxruntime", images=images)
    batch = made.contract.normalise(pixels)
    found, audit = labels_of(made, batch, "pytorch")
    expected, _ = labels_of(made, batch, "onnxruntime", optimization="disable")
    # Float32 sums in another order now and then carry a value over a half; with 53 bits of them nothing comes near one.
    graph = TorchGraph(made.onnx_bytes).double()
    with torch.inference_mode():
        exact = graph(torch.from_numpy(batch).double()).argmax(1).numpy()
    print(
        f"{precision}: of {COUNT} labels {(found != expected).sum()} are not ONNX Runtime's, "
        f"{(found != exact).sum()} and {(expected != exact).sum()} not those of float64"
    )
    assert (found != exact).sum() <= 2
    assert (found != expected).sum() <= 2
    assert {layer.requested for layer in audit.layers} == {precision}
    assert audit.realized() == {"fp32": 1.0}


def test_a_run_takes_the_files_own_precision_and_says_that_it_is_simulated(tmp_path, data_folder):
    path = brevitas_style(tmp_path / "m.onnx")
    words = ["--model", path, "--data", data_folder, *QUICK, "--out", tmp_path / "run"]
    done = bench([*words, "--target", "pytorch/int8", "--target", "onnxruntime/int8", "--optimization", "disable"])
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text(encoding="utf-8"))
    assert [(target["id"], target["simulated"]) for target in summary["targets"]] == [
        ("onnxruntime/fp32@cpu", False),
        ("pytorch/int8@cpu", True),
        ("onnxruntime/int8@cpu", False),
    ]
    assert not [
        check
        for check in summary["gate"]["checks"]
        if (check["name"], check["target"]) == ("realized", "pytorch/int8@cpu")
    ]
    audit = json.loads((tmp_path / "run/audit.json").read_text(encoding="utf-8"))["targets"]["pytorch/int8@cpu"]
    assert (audit["requested"], audit["realized"], audit["simulated"]) == ("int8", {"fp32": 1.0}, True)
    (pair,) = (one for one in summary["agreement"]["pairs"] if one["same_file"])
    assert pair["differing"] == 0


def test_a_float_model_is_not_quantized_for_it(model_file, data_folder, calib_folder, tmp_path):
    words = ["--model", model_file, "--data", data_folder, "--calib", calib_folder, *QUICK]
    done = bench([*words, "--engine", "pytorch", "--bits", "8", "--out", tmp_path / "run"])
    assert done.returncode == 3
    assert "has no int8 form of its own" in done.stderr
    assert "Ask for a simulated precision (sim-wXaY, sim-wX), or give such a file" in done.stderr
    assert not (tmp_path / "run").exists()

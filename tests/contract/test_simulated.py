"""Fake quantization: the arithmetic it stands for, the same on every engine, never in integers, differentiable."""

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from calibration_images import RandomImages as Images
from conftest import bench, make_model
from onnx import numpy_helper

from seatrial import calib, engines, exporters
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.simulated import SIMULATED_KEY
from seatrial.engines import BuildRequest
from seatrial.engines.torch_graph import TorchGraph
from seatrial.exporters.presets import PRESETS

SMALL = exporters.ContractOptions(size=(16, 16))


class Cifar:
    """The first calibration images of CIFAR-10."""

    def __init__(self, shared, count=64):
        with np.load(shared / "data/cifar10/calib.npz") as archive:
            self.images = archive["images"][:count]
        self.digest = f"cifar {count}"

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


@pytest.fixture(scope="module")
def resnet(shared):
    return exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])


@pytest.fixture(scope="module")
def labelled(shared):
    with np.load(shared / "data/cifar10/test.npz") as archive:
        return archive["images"][:600], archive["labels"][:600]


def simulated(model, precision, images, **options):
    return calib.quantize(model, precision, engine="onnxruntime", images=images, options=QuantizeOptions(**options))


def build(model, engine="onnxruntime", **changes):
    request = BuildRequest(
        model.onnx_bytes, model.input_name, model.output_name, model.contract.tensor_shape, model.classes
    )
    return engines.build(engine, dataclasses.replace(request, precision=model.precision, **changes))


def logits(model, images, engine="onnxruntime", **changes):
    with build(model, engine, **changes) as built:
        return built.infer(model.contract.normalise(images))


def with_product_of_activations(model):
    """A MatMul of two activations between the convolutions, as in attention."""
    nodes = []
    for node in model.graph.node:
        if node.name == "conv2":
            node.input[0] = "product"
            nodes.append(onnx.helper.make_node("MatMul", ["r1", "r1"], ["product"], name="product"))
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        nodes.append(copy)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@pytest.mark.parametrize("precision", ["sim-w8a8", "sim-w4a4"])
def test_nothing_runs_in_integers(precision, tmp_path):
    path = make_model(tmp_path / "m.onnx", change=with_product_of_activations)
    made = simulated(exporters.load(path, contract=SMALL), precision, Images())
    assert sum(node.op_type == "QuantizeLinear" for node in made.proto.graph.node) >= 4
    for engine in ("onnxruntime", "pytorch"):
        with build(made, engine) as built:
            assert built.audit().realized() == {"fp32": 1.0}
            assert all(layer.requested == precision for layer in built.audit().layers)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "o.onnx")
    ort.InferenceSession(made.onnx_bytes, options, providers=["CPUExecutionProvider"])
    kernels = {node.op_type for node in onnx.load(tmp_path / "o.onnx").graph.node}
    assert not {
        kernel for kernel in kernels if kernel.startswith("QLinear") or "Integer" in kernel or kernel == "QGemm"
    }
    assert {"QuantizeLinear", "DequantizeLinear", "Clip"} <= kernels


@pytest.mark.parametrize(
    ("precision", "levels"), [("sim-w2a3", (4, 8)), ("sim-w4a4", (16, 16)), ("sim-w8a2", (256, 4))]
)
def test_weights_and_activations_keep_as_many_values_as_their_bits_allow(model_of_three, precision, levels):
    made = simulated(model_of_three, precision, Images())
    nodes = {node.name: node for node in made.proto.graph.node}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.proto.graph.initializer}
    middle = nodes["conv2"]
    for channel in constants[middle.input[1]]:
        assert len(np.unique(channel)) <= levels[0]
    with build(made, "pytorch") as engine:
        values = engine.intermediates(made.contract.normalise(Images(seed=9).images))
    assert levels[1] / 2 < len(np.unique(values[middle.input[0]])) <= levels[1]
    for outer in ("conv1", "fc"):  # the first and the last keep 8 bits
        assert len(np.unique(constants[nodes[outer].input[1]])) > 16
        assert nodes[outer].input[0].endswith("_8bit")


@pytest.fixture
def model_of_three(model_file):
    return exporters.load(model_file, contract=SMALL)


def test_an_activation_is_what_the_formula_says(model_of_three):
    images = Images()
    made = simulated(model_of_three, "sim-w4a4", images)
    batch = made.contract.normalise(images.images)
    with build(dataclasses.replace(model_of_three), "pytorch") as engine:
        x = engine.intermediates(batch)["r1"].astype(np.float64)
    scale = np.float32(x.max() / 15)
    reader = next(node for node in made.proto.graph.node if node.name == "conv2")
    with build(made, "pytorch") as engine:
        values = engine.intermediates(batch)
    # The first layer's 8 bits move r1 by a little; the grid is the float model's.
    steps = values[reader.input[0]] / scale
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    own = values["r1"].astype(np.float64)
    sure = np.abs(own / scale - np.floor(own / scale) - 0.5) > 1e-3
    np.testing.assert_array_equal(np.rint(steps)[sure], np.clip(np.rint(own / scale), 0, 15)[sure])


@pytest.mark.parametrize("optimization", ["disable", "basic", "all"])
@pytest.mark.parametrize("precision", ["sim-w8a8", "sim-w4a4", "sim-w2a8"])
def test_engines_and_optimisations_agree_value_by_value(model_of_three, precision, optimization):
    images = Images(count=8)
    made = simulated(model_of_three, precision, images)
    expected = logits(made, images.images, "pytorch")
    found = logits(made, images.images, optimization=optimization)
    # A value on the edge between two steps may fall to either side, so a few logits differ by a step's share.
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
    assert np.median(np.abs(found - expected)) < 1e-4


@pytest.mark.parametrize("precision", ["sim-w8a8", "sim-w4a4"])
def test_a_real_model_answers_alike_on_both_engines(resnet, shared, labelled, precision):
    made = simulated(resnet, precision, Cifar(shared, 128))
    images, labels = labelled[0][:256], labelled[1][:256]
    runs = [
        logits(made, images),
        logits(made, images, optimization="disable"),
        logits(made, images, "pytorch"),
    ]
    for run in runs[1:]:
        assert (run.argmax(1) == runs[0].argmax(1)).mean() > 0.9
        assert abs(int((run.argmax(1) == labels).sum()) - int((runs[0].argmax(1) == labels).sum())) <= 8


def test_8_simulated_bits_score_as_8_real_ones(resnet, shared, labelled):
    images, labels = labelled
    calibration = Cifar(shared, 128)
    real = calib.quantize(resnet, "int8", engine="onnxruntime", images=calibration)
    top1 = {
        model.precision: int((logits(model, images).argmax(1) == labels).sum())
        for model in (
            resnet,
            real,
            simulated(resnet, "sim-w8a8", calibration),
            simulated(resnet, "sim-w4a4", calibration),
        )
    }
    assert abs(top1["sim-w8a8"] - top1["int8"]) <= 6
    assert top1["fp32"] - 90 < top1["sim-w4a4"] < top1["fp32"] - 5  # 4 bits cost something, and not everything


def test_gradients_pass_straight_through(resnet, shared):
    images = Cifar(shared, 32)
    batch = resnet.contract.normalise(images.images[:8])
    found = {}
    for model in (resnet, simulated(resnet, "sim-w8a8", images), simulated(resnet, "sim-w2a2", images)):
        graph = TorchGraph(model.onnx_bytes)
        x = torch.from_numpy(batch).requires_grad_()
        graph(x).square().sum().backward()
        found[model.precision] = x.grad.flatten()
    assert torch.nn.functional.cosine_similarity(found["fp32"], found["sim-w8a8"], dim=0) > 0.9
    assert (found["sim-w2a2"] != 0).float().mean() > 0.5


def test_the_range_method_decides_what_is_cut_off(model_of_three):
    scales = {}
    for ranges in ("minmax", "percentile", "mse", "entropy"):
        made = simulated(model_of_three, "sim-w4a4", Images(), ranges=ranges, percentile=99)
        tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.proto.graph.initializer}
        scales[ranges] = float(tensors["r1_4bit_scale"])
    assert scales["percentile"] < scales["minmax"]
    assert scales["mse"] < scales["minmax"]
    assert 0 < scales["entropy"] <= scales["minmax"]


def test_the_file_and_the_cache_say_that_it_is_simulated(model_of_three, tmp_path):
    runs = [
        calib.quantize(model_of_three, "sim-w4a4", engine="pytorch", images=Images(), cache=tmp_path / "c")
        for _ in range(2)
    ]
    assert [run.precision for run in runs] == ["sim-w4a4"] * 2
    assert runs[0].onnx_bytes == runs[1].onnx_bytes
    assert {entry.key: entry.value for entry in runs[0].proto.metadata_props}[SIMULATED_KEY] == "sim-w4a4"


def test_the_verdict_does_not_hold_float_kernels_against_it(model_file, data_folder, calib_folder, tmp_path):
    done = bench(
        [
            *("--model", model_file, "--data", data_folder, "--calib", calib_folder, "--size", "16"),
            *(
                "--precision",
                "sim-w8a8",
                "--suite",
                "quick",
                "--conditions",
                "clean",
                "--advisory",
                "--out",
                tmp_path / "run",
            ),
        ]
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text(encoding="utf-8"))
    target = summary["targets"][1]
    assert (target["id"], target["simulated"]) == ("onnxruntime/sim-w8a8@cpu", True)
    assert target["realized"] == {"fp32": 1.0}
    assert not [check for check in summary["gate"]["checks"] if check["name"] == "realized"]
    assert "simulated" in done.stdout

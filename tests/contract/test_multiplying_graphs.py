"""Every operator that multiplies, with the attributes that shape how it does, at every engine's int8: quantizing gives
a file that means the same, and the engine takes it.
"""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from multiplying_graphs import GRAPHS, build
from small_graphs import Images

from seatrial import calib
from seatrial.calib import QuantizeOptions
from seatrial.calib.integer import quantize_integer
from seatrial.calib.quantizers import Request
from seatrial.calib.recipes import recipe_for
from seatrial.calib.warn import kept_float_of
from seatrial.engines import ENGINES
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.places import EngineProcess
from seatrial.harness.attacks.surrogate import Surrogate
from seatrial.harness.plan.request import build_request

IMAGES = Images(16).images[:6]
# What the noise of rounding leaves, in decibels, of random networks with channels of unlike size.
LEAST_DB = 15


def as_written(proto, tensor):
    """The scores as ONNX defines them: no operator is fused, Q/DQ nodes compute in float."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": tensor})[0]


def decibels(exact, found):
    exact, found = exact.astype(np.float64), found.astype(np.float64)
    return 10 * np.log10((exact**2).sum() / max(((exact - found) ** 2).sum(), 1e-30))


def made_of(name, engine, path, **options):
    model = build(name, path)
    return model, calib.quantize(model, "int8", engine=engine, images=Images(), **options)


def check_meaning(model, made):
    tensor = model.contract.normalise(IMAGES)
    assert decibels(as_written(model.proto, tensor), as_written(made.proto, tensor)) > LEAST_DB
    return tensor


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", GRAPHS)
def test_int8_answers_as_fp32_does(name, engine, tmp_path):
    model, made = made_of(name, engine, tmp_path)
    tensor = check_meaning(model, made)
    with (
        ENGINES[engine](build_request(model)) as exact,
        ENGINES[engine](build_request(made, precision="int8")) as built,
    ):
        assert decibels(exact.infer(tensor), built.infer(tensor)) > LEAST_DB


@pytest.mark.parametrize("name", GRAPHS)
def test_pytorch_computes_the_quantized_graph_as_written(name, tmp_path):
    model, made = made_of(name, "onnxruntime", tmp_path)
    tensor = model.contract.normalise(IMAGES)
    with ENGINES["pytorch"](build_request(made)) as built:
        assert decibels(as_written(made.proto, tensor), built.infer(tensor)) > 40


@pytest.fixture(scope="module")
def rtx():
    pytest.importorskip("tensorrt_rtx")
    with EngineProcess("tensorrt-rtx") as process:
        yield process


@pytest.mark.parametrize("name", GRAPHS)
def test_tensorrt_builds_the_int8_graph(name, rtx, tmp_path):
    model, made = made_of(name, "tensorrt-rtx", tmp_path)
    check_meaning(model, made)
    builder = BuilderOptions(compute_capability="8.9")
    assert rtx.compile(build_request(made, precision="int8", device="cuda", builder=builder)).engine_bytes


TRANSPOSED = [name for name in GRAPHS if name.startswith("transposed")]
GROUPED = [name for name in TRANSPOSED if "groups" in name or "depthwise" in name or name == "transposed dilated"]


@pytest.mark.parametrize("name", TRANSPOSED)
def test_a_transposed_convolution_is_quantized_where_there_is_a_kernel_for_it(name, tmp_path):
    kept = {}
    for engine in ("onnxruntime", "openvino", "tensorrt-rtx"):
        kept[engine] = kept_float_of(made_of(name, engine, tmp_path)[1]).get("odd")
    assert kept["onnxruntime"] == "onnxruntime has no integer kernel for ConvTranspose"
    grouped = "openvino has no integer kernel for grouped ConvTranspose" if name in GROUPED else None
    assert kept["openvino"] == grouped
    assert kept["tensorrt-rtx"] is None


@pytest.mark.parametrize("name", GROUPED[:3])
def test_openvino_runs_a_grouped_transposed_convolution_in_float_whatever_its_form(name, tmp_path):
    """Why the recipe leaves it so; when this fails, OpenVINO has a kernel, and `no_kernel` can go."""
    recipe = dataclasses.replace(recipe_for("openvino", "int8"), no_kernel=())
    made = quantize_integer(Request(build(name, tmp_path), recipe, Images(), QuantizeOptions()))
    assert "odd" not in kept_float_of(made)
    with ENGINES["openvino"](build_request(made, precision="int8")) as built:
        assert next(layer.realized for layer in built.audit().layers if "Deconvolution" in layer.op) == "fp32"


def test_the_groups_of_a_transposed_convolution_share_their_scales_and_those_of_the_bias(tmp_path):
    """The form of an engine that would run it in integers, bias and all: it means the same, too."""
    recipe = dataclasses.replace(recipe_for("onnxruntime", "int8"), no_kernel=())
    model = build("transposed of uneven groups", tmp_path)
    check_meaning(model, quantize_integer(Request(model, recipe, Images(), QuantizeOptions())))


@pytest.mark.parametrize("name", GROUPED)
def test_onnxruntimes_own_quantizer_leaves_transposed_convolutions_in_float(name, tmp_path):
    options = QuantizeOptions(quantizer="onnxruntime")
    model, made = made_of(name, "onnxruntime", tmp_path, options=options)
    check_meaning(model, made)


@pytest.mark.parametrize("name", ["conv 3-d", "transposed 3-d of groups", "transposed of groups, output padding"])
def test_attacks_reach_the_image_through_the_quantized_graph(name, tmp_path):
    _, made = made_of(name, "onnxruntime", tmp_path)
    images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float().div(255).requires_grad_()
    Surrogate(made)(images).square().sum().backward()
    assert (images.grad.flatten(1).abs().amax(dim=1) > 0).all()

"""ONNX Runtime on an NVIDIA GPU, with every provider that starts here, against ONNX Runtime on the CPU."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from calibration_images import ArrayImages
from onnx import TensorProto, helper

from seatrial import calib, engines, exporters
from seatrial.engines import ENGINES, BuildRequest
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.onnxruntime_compiled import context_settings
from seatrial.engines.onnxruntime_providers import PROVIDERS
from seatrial.errors import BuildError, UnsupportedError

pytestmark = pytest.mark.gpu

MODELS = {"cifar10_resnet20": 32, "gtsrbnet64": 64, "imagenet_mobilenet_v1_075": 224}


@pytest.fixture(params=[device for device in PROVIDERS if device != "cpu"])
def device(request):
    try:
        ENGINES["onnxruntime"].check_support("fp32", request.param)
    except UnsupportedError as error:
        pytest.skip(str(error))
    return request.param


def load(shared, name):
    size = (MODELS[name], MODELS[name])
    contract = exporters.ContractOptions(size=size, mean=(0.5,) * 3, std=(0.5,) * 3)
    return exporters.load(shared / f"models/{name}.onnx", contract=contract)


def request_of(model, device, precision="fp32", **changes):
    return BuildRequest(
        model.onnx_bytes,
        model.input_name,
        model.output_name,
        model.contract.tensor_shape,
        model.classes,
        precision,
        device,
        **changes,
    )


def pictures(model, count, seed=0):
    """Smooth uint8 images [count, H, W, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    times = model.contract.size[0] // 4
    return coarse.repeat(times, 1).repeat(times, 2)


def made_for(model, device, precision):
    recipe = ENGINES["onnxruntime"].recipe(device)
    return calib.quantize(model, precision, engine=recipe, images=ArrayImages(pictures(model, 32, seed=1)))


@pytest.mark.parametrize("name", MODELS)
def test_float32_is_that_of_the_cpu(shared, device, name):
    model = load(shared, name)
    batch = model.contract.normalise(pictures(model, 9))
    with engines.build("ort", request_of(model, "cpu")) as cpu, engines.build("ort", request_of(model, device)) as gpu:
        expected = cpu.infer(batch)
        np.testing.assert_allclose(gpu.infer(batch), expected, rtol=0, atol=2e-3)
        for size in (1, 1, 4, 1):
            np.testing.assert_allclose(gpu.infer(batch[:size]), expected[:size], rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_files_of_other_precisions_run_and_agree_with_what_they_mean(shared, device, name, precision):
    if precision not in PROVIDERS[device].precisions:
        pytest.skip(f"the provider of {device} does not run {precision}")
    model = load(shared, name)
    made = made_for(model, device, precision)
    batch = model.contract.normalise(pictures(model, 16))
    written = request_of(made, "cpu", optimization="disable")
    with engines.build("ort", written) as cpu, engines.build("ort", request_of(made, device, precision)) as gpu:
        expected, found = cpu.infer(batch), gpu.infer(batch)
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.9
    assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean() + 0.02


@pytest.mark.parametrize(("precision", "expected"), [("fp32", {"fp32": 1.0}), ("fp16", {"fp16": 1.0})])
def test_the_audit_tells_what_cuda_computes_in_and_admits_what_it_does_not_see(shared, device, precision, expected):
    model = load(shared, "cifar10_resnet20")
    made = model if precision == "fp32" else made_for(model, device, precision)
    with engines.build("ort", request_of(made, device, precision)) as gpu:
        audit = gpu.audit()
    assert audit.realized() == ({"unknown": 1.0} if PROVIDERS[device].compiles else expected)
    assert len(audit.layers) == 20


def test_tf32_is_off(device):
    """1 + 2^-12 is rounded to 1 in TF32, whose significand has 10 bits."""
    almost = np.float32(1 + 2**-12)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "w"], ["c"]), helper.make_node("Flatten", ["c"], ["logits"])],
        "one",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 64, 1, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 64])],
        [onnx.numpy_helper.from_array(np.eye(64, dtype=np.float32)[:, :, None, None] * almost, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    request = BuildRequest(model.SerializeToString(), "input", "logits", (64, 1, 1), 64, device=device)
    with engines.build("ort", request) as gpu:
        found = gpu.infer(np.full((1, 64, 1, 1), almost, np.float32))
    np.testing.assert_allclose(found, almost * almost, rtol=1e-7)


def test_batches_beyond_the_largest_are_answered(shared, device):
    model = load(shared, "cifar10_resnet20")
    batch = model.contract.normalise(pictures(model, 11))
    small = request_of(model, device, builder=BuilderOptions(max_batch=4))
    with engines.build("ort", request_of(model, "cpu")) as cpu, engines.build("ort", small) as gpu:
        np.testing.assert_allclose(gpu.infer(batch), cpu.infer(batch), rtol=0, atol=2e-3)


def test_a_kept_engine_answers_like_a_new_one_and_serves_no_other_weights(shared, device, tmp_path):
    if not PROVIDERS[device].compiles:
        pytest.skip(f"the provider of {device} compiles nothing that could be kept")
    model = load(shared, "cifar10_resnet20")
    batch = model.contract.normalise(pictures(model, 4))
    request = request_of(model, device, cache=tmp_path)
    with engines.build("ort", request) as one, engines.build("ort", request) as other:
        assert (one.from_cache, other.from_cache) == (False, True)
        expected = one.infer(batch)
        np.testing.assert_array_equal(other.infer(batch), expected)
        assert one.save() == other.save()
    doubled = onnx.load_model_from_string(model.onnx_bytes)
    bias = next(t for t in doubled.graph.initializer if t.name == doubled.graph.node[-1].input[2])
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(1), bias.name))
    changed = request_of(model, device, cache=tmp_path)
    changed = type(changed)(**{**vars(changed), "onnx_bytes": doubled.SerializeToString()})
    with engines.build("ort", changed) as third:
        assert not third.from_cache
        np.testing.assert_allclose(third.infer(batch), expected + 1, rtol=0, atol=2e-3)


def test_a_node_that_the_gpu_cannot_run_is_refused_and_not_run_on_the_cpu(model_file, device):
    model = onnx.load(model_file)
    model.graph.node[-1].output[0] = "raw"
    # A string comes and goes: no provider for GPUs has strings.
    model.graph.node.append(helper.make_node("Cast", ["raw"], ["text"], to=TensorProto.STRING))
    model.graph.node.append(helper.make_node("Cast", ["text"], ["logits"], to=TensorProto.FLOAT))
    request = BuildRequest(model.SerializeToString(), "input", "logits", (3, 16, 16), 4)
    engines.build("ort", request).close()
    with pytest.raises(BuildError):
        engines.build("ort", type(request)(**{**vars(request), "device": device}))


def test_a_gpu_that_is_not_there_is_refused(device):
    with pytest.raises(UnsupportedError, match=f"{device}:99"):
        ENGINES["onnxruntime"].check_support("fp32", f"{device}:99")


def test_the_names_of_all_options_stand_in_the_providers_library(model_file, device):
    """Its library tells: an option that it does not know may be ignored, by version."""
    provider = PROVIDERS[device]
    builder = BuilderOptions(level=None if provider.plugin else 3, workspace_mib=64)
    request = BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4, device=device, builder=builder)
    folder = Path(ort.__file__).parent / "capi"
    if provider.plugin is not None:
        folder = Path(importlib.util.find_spec(provider.plugin).origin).parent
    code = b"".join(path.read_bytes() for path in folder.iterdir() if ".so" in path.name or ".dll" in path.name)
    used = [*provider.options(request), *(context_settings(provider, Path("m.onnx"))[1] if provider.compiles else ())]
    assert [name for name in used if name.encode() not in code] == []

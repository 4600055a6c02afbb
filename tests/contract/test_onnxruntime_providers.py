"""ONNX Runtime's providers for GPUs, as far as a machine without one can tell: their names, their options, what is
refused, and that nothing falls back silently.
"""

import dataclasses
import importlib.util
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import make_model
from onnx import TensorProto, helper

from seatrial import engines
from seatrial.engines import ENGINES, BuildRequest
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.onnxruntime_audit import read_audit, unseen_audit
from seatrial.engines.onnxruntime_binding import DeviceBinding
from seatrial.engines.onnxruntime_compiled import context_settings, gpu_identity, kept_or_compiled
from seatrial.engines.onnxruntime_evidence import kernel_calls
from seatrial.engines.onnxruntime_profile import executions, profile_of
from seatrial.engines.onnxruntime_providers import NO_CPU_NODES, ONE_NODE, PROVIDERS, check_provider, open_session
from seatrial.engines.onnxruntime_written import Written
from seatrial.errors import BuildError, UnsupportedError, UsageError

GPUS = [device for device in PROVIDERS if device != "cpu"]


def request_for(path, **changes):
    given = {"onnx_bytes": path.read_bytes(), "input_name": "input", "output_name": "logits"}
    return BuildRequest(**{**given, "input_shape": (3, 16, 16), "classes": 4, **changes})


@pytest.fixture
def small(model_file):
    return request_for(model_file)


def test_the_providers_are_those_that_onnxruntime_knows():
    assert {provider.name for provider in PROVIDERS.values()} <= set(ort.get_all_providers())
    assert list(PROVIDERS) == ["cpu", "cuda", "tensorrt", "tensorrt-rtx"]


@pytest.mark.parametrize("device", PROVIDERS)
def test_the_keys_of_a_sessions_configuration_are_those_that_onnxruntime_reads(small, device):
    """It takes any key without a word; those that it reads stand in its library."""
    options = ort.SessionOptions()
    used = ["session.qdq_matmulnbits_accuracy_level", NO_CPU_NODES[0]]
    used += context_settings(PROVIDERS[device], Path("m.onnx"))[0]
    options.add_session_config_entry("session.no_such_key", "1")
    (library,) = (Path(ort.__file__).parent / "capi").glob("onnxruntime_pybind11_state*")
    code = library.read_bytes()
    assert b"session.no_such_key" not in code
    assert [key for key in used if key.encode() not in code] == []


def test_every_device_says_whose_files_it_takes():
    engine = ENGINES["onnxruntime"]
    recipes = {device: engine.recipe(device) for device in ("cpu", "cuda", "cuda:1", "tensorrt:1", "tensorrt-rtx")}
    assert recipes == {
        "cpu": "onnxruntime",
        "cuda": "tensorrt",
        "cuda:1": "tensorrt",
        "tensorrt:1": "tensorrt",
        "tensorrt-rtx": "tensorrt-rtx",
    }


def test_the_cuda_provider_has_no_integer_convolutions_and_is_asked_for_none():
    assert "int8" not in ENGINES["onnxruntime"].manifest["cuda"]
    with pytest.raises(UnsupportedError, match=r"does not run int8 on 'cuda'\. It runs: fp32, fp16"):
        ENGINES["onnxruntime"].check_offered("int8", "cuda")


@pytest.mark.parametrize("device", GPUS)
def test_what_is_simulated_runs_where_nothing_executes_it_natively(device):
    with pytest.raises(UnsupportedError, match=f"does not simulate sim-w4a4 on '{device}'"):
        ENGINES["onnxruntime"].check_offered("sim-w4a4", device)
    ENGINES["onnxruntime"].check_offered("sim-w4a4", "cpu")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt"])
def test_a_build_for_the_cpu_says_which_package_to_take(small, device):
    provider = PROVIDERS[device.partition(":")[0]].name
    if provider in ort.get_available_providers():
        pytest.skip(f"this build of ONNX Runtime has {provider}")
    with pytest.raises(UnsupportedError, match=rf"one for the CPU, without {provider}.*seatrial\[gpu\]") as caught:
        engines.build("onnxruntime", dataclasses.replace(small, device=device))
    assert caught.value.exit_code == 3


def test_a_missing_plugin_is_told_with_its_install_line(small):
    module = PROVIDERS["tensorrt-rtx"].plugin
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(UnsupportedError, match="pip install onnxruntime-ep-nv-tensorrt-rtx"):
        engines.build("onnxruntime", dataclasses.replace(small, device="tensorrt-rtx"))


def test_the_number_of_a_device_is_checked_before_anything_else(small):
    with pytest.raises(UsageError, match="cuda:first is no device"):
        engines.build("onnxruntime", dataclasses.replace(small, device="cuda:first"))


def test_the_graph_of_a_trial_is_what_onnx_writes():
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx.load_model_from_string(ONE_NODE) == model
    onnx.checker.check_model(model, full_check=True)
    (found,) = ort.InferenceSession(ONE_NODE).run(None, {"x": np.array([[-1, 0, 1, 2]], np.float32)})
    assert found.tolist() == [[0, 0, 1, 2]]


def test_the_cpu_needs_no_trial():
    check_provider(ort, "cpu")


def test_a_session_that_runs_elsewhere_is_no_session(small):
    """ONNX Runtime builds for the CPU where it lacks the provider: here its answer is looked at."""
    if PROVIDERS["cuda"].name in ort.get_available_providers():
        pytest.skip("this build of ONNX Runtime has the provider")
    cuda = dataclasses.replace(small, device="cuda")
    settings = PROVIDERS["cuda"].options(cuda)
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(BuildError, match="built for CPUExecutionProvider instead of CUDAExecutionProvider"),
    ):
        open_session(ort, small.onnx_bytes, ort.SessionOptions(), "cuda", settings)
    options = ort.SessionOptions()
    options.add_session_config_entry(*NO_CPU_NODES)
    options.log_severity_level = 4
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(Exception, match="fallback to CPU EP has been explicitly disabled"),
    ):
        open_session(ort, small.onnx_bytes, options, "cuda", settings)


def test_float32_on_cuda_is_float32(small):
    options = PROVIDERS["cuda"].options(dataclasses.replace(small, device="cuda:3"))
    assert options["use_tf32"] == "0"
    assert options["device_id"] == "3"


def test_tensorrt_is_strongly_typed_and_keeps_no_cache_of_its_own(small):
    builder = BuilderOptions(max_batch=32, level=4, workspace_mib=256, hardware_compatible=True)
    options = PROVIDERS["tensorrt"].options(dataclasses.replace(small, device="tensorrt:1", builder=builder))
    assert options == {
        "device_id": "1",
        "trt_fp16_enable": "False",
        "trt_int8_enable": "False",
        "trt_engine_cache_enable": "False",
        "trt_timing_cache_enable": "False",
        "trt_cuda_graph_enable": "False",
        "trt_engine_hw_compatible": "True",
        "trt_builder_optimization_level": "4",
        "trt_max_workspace_size": str(256 * 2**20),
        "trt_profile_min_shapes": "input:1x3x16x16",
        "trt_profile_opt_shapes": "input:1x3x16x16",
        "trt_profile_max_shapes": "input:32x3x16x16",
    }
    frozen = PROVIDERS["tensorrt"].options(dataclasses.replace(small, device="tensorrt", fixed_batch=8))
    assert not any("profile" in name or "level" in name or "workspace" in name for name in frozen)


def test_tensorrt_rtx_takes_its_own_options(small):
    builder = BuilderOptions(max_batch=8, workspace_mib=64)
    options = PROVIDERS["tensorrt-rtx"].options(dataclasses.replace(small, device="tensorrt-rtx", builder=builder))
    assert options == {
        "enable_cuda_graph": "0",
        "nv_max_workspace_size": str(64 * 2**20),
        "nv_profile_min_shapes": "input:1x3x16x16",
        "nv_profile_opt_shapes": "input:1x3x16x16",
        "nv_profile_max_shapes": "input:8x3x16x16",
    }


@pytest.mark.parametrize(
    ("device", "builder", "said"),
    [
        ("tensorrt", {"version_compatible": True}, "leave --version-compatible"),
        ("tensorrt", {"compute_capability": "8.9"}, "--compute-capability out"),
        ("tensorrt-rtx", {"compute_capability": "8.9"}, "--compute-capability out"),
        ("tensorrt-rtx", {"level": 3}, "--builder-level"),
        ("tensorrt-rtx", {"hardware_compatible": True}, "--hardware-compatible"),
    ],
)
def test_what_a_provider_has_no_option_for_is_refused(small, device, builder, said):
    request = dataclasses.replace(small, device=device, builder=BuilderOptions(**builder))
    with pytest.raises(UnsupportedError, match=said):
        PROVIDERS[device].options(request)


def test_bound_buffers_answer_like_the_session_whatever_the_sizes_of_batches(small):
    session = ort.InferenceSession(small.onnx_bytes, providers=["CPUExecutionProvider"])
    binding = DeviceBinding(ort, session, ("input", "logits"), "cpu", 0)
    rng = np.random.default_rng(0)
    answers = []
    for size in (3, 3, 1, 1, 5, 3, 3):
        batch = rng.standard_normal((size, 3, 16, 16), dtype=np.float32)
        answers.append((binding.infer(batch), session.run(None, {"input": batch})[0]))
    # Compared at the end: an answer must not change with the next query.
    for found, expected in answers:
        np.testing.assert_array_equal(found, expected)


def test_a_query_that_fails_leaves_the_bound_buffers_usable(small):
    session = ort.InferenceSession(small.onnx_bytes, providers=["CPUExecutionProvider"])
    binding = DeviceBinding(ort, session, ("input", "logits"), "cpu", 0)
    batch = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    expected = binding.infer(batch)
    with pytest.raises(Exception, match="Got invalid dimensions"):
        binding.infer(batch[:1, :, :8])
    np.testing.assert_array_equal(binding.infer(batch), expected)


def test_batches_larger_than_the_profile_are_answered_in_parts(small):
    batch = np.random.default_rng(0).standard_normal((11, 3, 16, 16), dtype=np.float32)
    with engines.build("onnxruntime", small) as engine:
        expected = engine.infer(batch)
        engine._most = 4
        np.testing.assert_allclose(engine.infer(batch), expected, rtol=0, atol=1e-6)


def test_what_happens_inside_a_compiled_engine_is_unknown_and_not_assumed(small):
    with engines.build("onnxruntime", small) as engine:
        known = engine.audit()
        audit = unseen_audit(profile_of(engine.evidence("written"))[0], PROVIDERS["tensorrt"], "fp16", 1)
    assert audit.realized() == {"unknown": 1.0}
    assert audit.share_as_requested() is None
    assert [layer.op for layer in audit.layers] == ["TensorrtExecutionProvider"] * 3
    assert [layer.macs for layer in audit.layers] == [layer.macs for layer in known.layers]
    assert [layer.name for layer in audit.layers] == ["conv1", "conv2", "fc"]


def test_a_kernel_that_ran_on_another_provider_is_named_with_it(small, tmp_path):
    options = ort.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
    optimized = tmp_path / "optimized.onnx"
    options.optimized_model_filepath = str(optimized)
    session = ort.InferenceSession(small.onnx_bytes, options, providers=["CPUExecutionProvider"])
    session.run(None, {"input": np.zeros((1, 3, 16, 16), np.float32)})
    calls, graph = (
        executions(kernel_calls(Path(session.end_profiling())), onnx.load(optimized).graph),
        onnx.load_from_string(small.onnx_bytes).graph,
    )
    own, other = (
        read_audit(calls, lambda: Written(calls, graph), "fp32", provider, 1)
        for provider in ("CPUExecutionProvider", "CUDAExecutionProvider")
    )
    assert [layer.op for layer in other.layers] == [f"{layer.op} (CPUExecutionProvider)" for layer in own.layers]
    assert list(other.other_ops) == [f"{op} (CPUExecutionProvider)" for op in own.other_ops]


class Compiler:
    """Stands for a session of a TensorRT provider: writes its engine where it is told, which needs a GPU otherwise."""

    def __init__(self, provider, writes=True):
        self.provider, self.writes, self.calls = provider, writes, 0

    def __call__(self, onnx_bytes, entries, settings):
        self.calls += 1
        path = {**entries, **settings}["ep.context_file_path" if self.provider.plugin else "trt_ep_context_file_path"]
        if self.writes:
            Path(path).write_bytes(b"engine of " + onnx_bytes)
        return self

    def run(self, outputs, feed):
        assert [value.shape for value in feed.values()] == [(1, 3, 16, 16)]
        return []


def gpus(folder, monkeypatch, listed):
    """An nvidia-smi that lists these."""
    folder.mkdir(exist_ok=True)
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{listed}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("device", ["tensorrt", "tensorrt-rtx"])
def test_a_compiled_engine_is_kept_for_its_model_options_versions_and_gpus_alone(small, tmp_path, monkeypatch, device):
    provider = PROVIDERS[device]
    compiler = Compiler(provider)
    gpus(tmp_path / "bin", monkeypatch, "0, NVIDIA L4, 8.9, 590.1")
    request = dataclasses.replace(small, device=device, cache=tmp_path / "cache")

    def entry(request, versions="1.31"):
        return kept_or_compiled(request, provider, {"onnxruntime": versions}, compiler)

    first = entry(request)
    assert first.compiled == b"engine of " + small.onnx_bytes
    assert not first.from_cache
    again = entry(request)
    assert (again.from_cache, again.compiled, again.build_s) == (True, first.compiled, first.build_s)
    assert compiler.calls == 1
    other = make_model(tmp_path / "other.onnx", seed=1).read_bytes()  # of the same structure
    assert entry(dataclasses.replace(request, onnx_bytes=other)).compiled == b"engine of " + other
    assert not entry(dataclasses.replace(request, builder=BuilderOptions(level=5))).from_cache
    assert not entry(request, versions="1.32").from_cache
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert not entry(request).from_cache
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    gpus(tmp_path / "bin", monkeypatch, "0, NVIDIA L4, 8.9, 591.0")
    assert not entry(request).from_cache
    assert compiler.calls == 6


def test_nothing_is_kept_where_no_tool_names_the_gpu(small, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_identity() is None
    compiler = Compiler(PROVIDERS["tensorrt"])
    for _ in range(2):
        request = dataclasses.replace(small, device="tensorrt", cache=tmp_path / "cache")
        assert not kept_or_compiled(request, PROVIDERS["tensorrt"], {}, compiler).from_cache
    assert compiler.calls == 2
    assert not (tmp_path / "cache").exists()


def test_a_graph_that_is_not_compiled_whole_is_refused(small):
    with pytest.raises(BuildError, match="no engine of the whole graph"):
        kept_or_compiled(small, PROVIDERS["tensorrt"], {}, Compiler(PROVIDERS["tensorrt"], writes=False))


def test_the_compiled_graph_holds_its_engine(tmp_path):
    entries, options = context_settings(PROVIDERS["tensorrt-rtx"], tmp_path / "m.onnx")
    assert (entries["ep.context_embed_mode"], options) == ("1", {})
    entries, options = context_settings(PROVIDERS["tensorrt"], tmp_path / "m.onnx")
    assert (entries, options["trt_ep_context_embed_mode"]) == ({}, "1")

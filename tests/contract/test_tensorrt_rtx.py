"""The engine `tensorrt-rtx` builds real plans here, without a GPU; what it needs to run them, it says."""

import dataclasses
import itertools
import time

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx_files import set_batch
from tensorrt_plans import plan_request

from seatrial import calib, engines, exporters
from seatrial.engines.graph import named_nodes
from seatrial.engines.tensorrt.build import build_plan
from seatrial.engines.tensorrt.engine import TensorRtEngine, TensorRtRtxEngine
from seatrial.engines.tensorrt.macs import node_macs
from seatrial.engines.tensorrt.rtx import Rtx
from seatrial.errors import BuildError, UnsupportedError, UsageError
from seatrial.exporters.presets import PRESETS

SIGNS = dataclasses.replace(PRESETS["imagenet-inception"], size=(64, 64), resize="exact", resize_to=None)
LONG = ("cifar10_resnet56", "imagenet_squeezenet1_1")
CONTRACTS = {
    "cifar10_resnet20": PRESETS["cifar10"],
    "cifar10_resnet56": PRESETS["cifar10"],
    "gtsrbnet64": SIGNS,
    "imagenet_mobilenet_v1_075": PRESETS["imagenet-inception"],
    "imagenet_squeezenet1_1": PRESETS["imagenet"],
}


class Noise:
    """Images to calibrate on: plans are built from the scales, whatever they are."""

    digest = "noise"

    def __init__(self, size):
        self.images = np.random.default_rng(0).integers(0, 256, (4, *size, 3), dtype=np.uint8)

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


@pytest.fixture(scope="module")
def trt():
    return pytest.importorskip("tensorrt_rtx", reason="pip install tensorrt-rtx")


@pytest.fixture
def small(trt, tmp_path):
    """A request to build the small model of the tests for 8.9."""
    return plan_request(make_model(tmp_path / "small.onnx").read_bytes(), "8.9")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in CONTRACTS]
)
def test_every_model_compiles_at_every_precision_for_every_gpu(trt, shared, name):
    contract = CONTRACTS[name]
    model = exporters.load(shared / f"models/{name}.onnx", contract=contract)
    plans = {}
    for precision, capability in itertools.product(("fp32", "fp16", "int8"), ("8.6", "8.9", "12.0")):
        images = Noise(contract.size) if precision == "int8" else None
        made = model if precision == "fp32" else calib.quantize(model, precision, engine="tensorrt-rtx", images=images)
        request = plan_request(made.onnx_bytes, capability, precision=precision)
        assert (request.input_name, request.classes) == (model.input_name, model.classes)
        TensorRtRtxEngine.check_compile(precision, "cuda", capability)
        entry = TensorRtRtxEngine.compile(request)
        assert entry.build_s > 0
        assert not entry.from_cache
        plans[precision, capability] = entry.compiled
    assert len(set(plans.values())) == len(plans), "two requests gave one plan"


def test_a_plan_is_kept_by_content_and_served_to_its_own_request_alone(small, tmp_path):
    request = dataclasses.replace(small, cache=tmp_path / "cache")
    first, again = TensorRtRtxEngine.compile(request), TensorRtRtxEngine.compile(request)
    assert (first.from_cache, again.from_cache) == (False, True)
    assert again.compiled == first.compiled
    assert again.build_s == first.build_s
    other = dataclasses.replace(request, builder=dataclasses.replace(request.builder, compute_capability="8.6"))
    assert not TensorRtRtxEngine.compile(other).from_cache
    model = onnx.load_model_from_string(request.onnx_bytes)
    model.graph.initializer[0].raw_data = bytes(reversed(model.graph.initializer[0].raw_data))
    assert not TensorRtRtxEngine.compile(dataclasses.replace(request, onnx_bytes=model.SerializeToString())).from_cache


def test_the_options_reach_the_builder(trt, small):
    """No plan is made without workspace, and one for other versions needs a library that the wheel lacks."""

    def built(**options):
        return build_plan(trt, Rtx(), dataclasses.replace(small, builder=dataclasses.replace(small.builder, **options)))

    assert built(max_batch=1) != built(max_batch=256)
    assert built(cuda_graph=True) != built(cuda_graph=False)
    assert built(level=0)
    none = dataclasses.replace(small.builder)
    object.__setattr__(none, "workspace_mib", 0)  # which no flag can say
    with pytest.raises(BuildError, match="increase the workspace"):
        build_plan(trt, Rtx(), dataclasses.replace(small, builder=none))
    with pytest.raises(BuildError, match="libnvinfer_lean"):
        built(version_compatible=True)
    with pytest.raises(UnsupportedError, match="no hardware-compatible plans"):
        built(hardware_compatible=True)


def test_float32_is_not_tf32(trt, small, monkeypatch):
    """Whether the flag is off in the real builder config, when the build begins."""
    seen = []
    configure = Rtx.configure

    def watch(self, trt, config, *rest):
        seen.append((config.get_flag(trt.BuilderFlag.TF32), config.profiling_verbosity))
        configure(self, trt, config, *rest)

    monkeypatch.setattr(Rtx, "configure", watch)
    TensorRtRtxEngine.compile(small)
    assert seen == [(False, trt.ProfilingVerbosity.DETAILED)]


def test_a_frozen_batch_builds(trt, tmp_path):
    path = make_model(tmp_path / "three.onnx", change=set_batch(3))
    request = plan_request(path.read_bytes(), "8.9")
    assert request.fixed_batch == 3
    assert TensorRtRtxEngine.compile(request).compiled


def test_marked_outputs_build_and_make_another_plan(trt, small):
    names = [name for node in onnx.load_model_from_string(small.onnx_bytes).graph.node for name in node.output]
    assert len(build_plan(trt, Rtx(), small, shown=names)) > len(build_plan(trt, Rtx(), small))


def test_the_parsers_words_are_shown_whole(trt, small):
    model = onnx.load_model_from_string(small.onnx_bytes)
    model.graph.node[1].op_type = "Elephant"
    model.graph.node[1].name = "relu1"
    with pytest.raises(BuildError) as caught:
        TensorRtRtxEngine.compile(dataclasses.replace(small, onnx_bytes=model.SerializeToString()))
    said = str(caught.value)
    for part in ("node 1", "'relu1'", "(Elephant)", "INVALID_NODE", "Plugin not found", ".cpp:"):
        assert part in said, said


def test_a_graph_with_another_input_is_refused(trt, small):
    other = dataclasses.replace(small, input_name="image")
    with pytest.raises(BuildError, match=r"has the inputs \['input'\]; .* takes 'image' alone"):
        TensorRtRtxEngine.compile(other)


def test_what_the_gpu_lacks_is_refused_before_anything_is_built(trt):
    begin = time.perf_counter()
    with pytest.raises(UnsupportedError, match=r"fp8 from compute capability 8\.9 on"):
        TensorRtRtxEngine.check_compile("fp8", "cuda", "8.6")
    with pytest.raises(
        UnsupportedError, match=r"does not build for 9\.0\. It builds for: 7\.5, 8\.0, 8\.6, 8\.9, 12\.0"
    ):
        TensorRtRtxEngine.check_compile("fp32", "cuda", "9.0")
    with pytest.raises(UnsupportedError, match="does not run w4a8"):
        TensorRtRtxEngine.check_compile("w4a8", "cuda", "8.9")
    with pytest.raises(UnsupportedError, match="has no device 'dla'"):
        TensorRtRtxEngine.check_compile("fp16", "dla", "8.9")
    with pytest.raises(UsageError, match="no compute capability"):
        TensorRtRtxEngine.check_compile("fp32", "cuda", "89")
    assert time.perf_counter() - begin < 5


def test_without_a_gpu_running_says_what_is_missing(small):
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        pass
    else:
        pytest.skip("this machine has an NVIDIA driver")
    with pytest.raises(UnsupportedError, match=r"(cuda-python|NVIDIA GPU and its driver)"):
        engines.build("tensorrt-rtx", small)


def test_tensorrt_builds_for_no_other_gpu_and_says_why(monkeypatch):
    monkeypatch.setattr(TensorRtEngine, "module", "onnx")  # any module that is here
    with pytest.raises(UnsupportedError, match=r"builds for the GPU at hand alone.*tensorrt-rtx"):
        TensorRtEngine.check_compile("int8", "cuda", "8.9")


def test_tensorrt_that_is_not_installed_says_the_line_that_installs_it(small):
    if TensorRtEngine.version() is not None:
        pytest.skip("TensorRT is installed here")
    request = dataclasses.replace(small, builder=dataclasses.replace(small.builder, compute_capability=None))
    with pytest.raises(UnsupportedError, match=r"not installed.*pip install 'seatrial\[trt\]'"):
        engines.build("trt", request)


def test_the_version_is_told_without_importing(trt):
    assert TensorRtRtxEngine.version() == trt.__version__


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8", "fp8", "int4"])
@pytest.mark.parametrize("name", ["gtsrbnet64", "imagenet_mobilenet_v1_075"])
def test_the_audit_finds_the_same_work_in_every_form_of_a_model(shared, name, precision):
    """Through Q/DQ pairs, Casts, and a Gemm that became a MatMul of blocked weights."""
    contract = CONTRACTS[name]
    model = exporters.load(shared / f"models/{name}.onnx", contract=contract)
    images = Noise(contract.size) if precision in ("int8", "fp8") else None
    options = calib.QuantizeOptions(int4_method="rtn")
    made = calib.quantize(model, precision, engine="tensorrt", images=images, options=options)
    plain, formed = (node_macs(named_nodes(one.onnx_bytes), one.input_name) for one in (model, made))
    assert min(plain.values()) > 0
    assert list(formed.values()) == list(plain.values())

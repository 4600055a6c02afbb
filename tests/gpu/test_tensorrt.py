"""TensorRT and TensorRT-RTX on a GPU: what they answer, what they built, how they run it."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from calibration_images import ArrayImages
from conftest import make_model
from onnx_files import set_batch

from seatrial import calib, engines, exporters
from seatrial.engines import ENGINES, BuildRequest, places
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.cuda import open_cuda
from seatrial.errors import BuildError, UnsupportedError
from seatrial.exporters.presets import PRESETS
from seatrial.harness.guard import Guard
from seatrial.harness.guard.sample import seeded
from seatrial.harness.plan.request import build_request

pytestmark = pytest.mark.gpu

SIGNS = dataclasses.replace(PRESETS["imagenet-inception"], size=(64, 64), resize="exact", resize_to=None)
MODELS = {
    "cifar10_resnet20": PRESETS["cifar10"],
    "gtsrbnet64": SIGNS,
    "imagenet_mobilenet_v1_075": PRESETS["imagenet-inception"],
}
MAX_BATCH = 8


@pytest.fixture(params=["tensorrt", "tensorrt-rtx"])
def name(request):
    try:
        ENGINES[request.param].check_support("fp32", "cuda")
    except UnsupportedError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def made(shared, name):
    """Loads a shared model at a precision: (model, normalised noise images)."""

    def make(model_name, precision="fp32"):
        try:
            ENGINES[name].check_support(precision, "cuda")
        except UnsupportedError as error:
            pytest.skip(str(error))
        contract = MODELS[model_name]
        model = exporters.load(shared / f"models/{model_name}.onnx", contract=contract)
        images = np.random.default_rng(0).integers(0, 256, (3 * MAX_BATCH - 3, *contract.size, 3), dtype=np.uint8)
        tensor = contract.normalise(images)
        if precision != "fp32":
            model = calib.quantize(model, precision, engine=name, images=ArrayImages(images[:8]))
        return model, tensor

    return make


def request_of(model, tensor, precision="fp32", **changes):
    options = {"max_batch": MAX_BATCH, **changes.pop("builder", {})}
    return BuildRequest(
        model.onnx_bytes,
        model.input_name,
        model.output_name,
        tensor.shape[1:],
        model.classes,
        precision=precision,
        device="cuda",
        builder=BuilderOptions(**options),
        **changes,
    )


@pytest.fixture
def small(name, tmp_path):
    """A request for the small model of the tests, with a free batch."""
    onnx_bytes = make_model(tmp_path / "small.onnx").read_bytes()
    return BuildRequest(
        onnx_bytes, "input", "logits", (3, 16, 16), 4, device="cuda", builder=BuilderOptions(max_batch=MAX_BATCH)
    )


@pytest.fixture
def batch():
    return np.random.default_rng(1).standard_normal((MAX_BATCH, 3, 16, 16), dtype=np.float32)


def on_cpu(onnx_bytes, tensor, names=None):
    """ONNX Runtime's values, computed node by node."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(onnx_bytes, options, providers=["CPUExecutionProvider"])
    return session.run(names, {session.get_inputs()[0].name: tensor})


@pytest.mark.parametrize("model_name", MODELS)
def test_float32_answers_like_onnx_runtime(name, made, model_name):
    """Within float32's rounding: with TF32 the error would be a thousand times that."""
    model, tensor = made(model_name)
    expected = on_cpu(model.onnx_bytes, tensor)[0].reshape(len(tensor), -1)
    with engines.build(name, request_of(model, tensor)) as engine:
        found = engine.infer(tensor)
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
        assert engine.audit().realized() == {"fp32": 1.0}


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8", "fp8"])
@pytest.mark.parametrize("model_name", ["cifar10_resnet20", "gtsrbnet64"])
def test_lower_precisions_answer_like_their_files_and_are_what_they_say(name, made, model_name, precision):
    model, tensor = made(model_name, precision)
    with engines.build(name, request_of(model, tensor, precision)) as engine:
        found = engine.infer(tensor)
        audit = engine.audit()
    if precision != "bf16":  # ONNX Runtime's CPU has no bfloat16 convolution
        expected = on_cpu(model.onnx_bytes, tensor)[0].reshape(len(tensor), -1)
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.9
        np.testing.assert_allclose(found, expected, atol=0.1 * np.abs(expected).max())
    assert sum(layer.macs for layer in audit.layers) > 0
    assert audit.realized().get("unknown", 0) < 0.1, audit
    assert audit.realized().get(precision, 0) >= 0.9, audit


@pytest.mark.parametrize("precision", ["int8", "fp8", "int4"])
def test_the_guard_finds_that_quantized_engines_compute_what_their_files_say(name, made, precision):
    model, _ = made("gtsrbnet64", precision)
    with places.build(name, build_request(model, precision=precision, device="cuda")) as engine:
        verdict = Guard(seeded(model.contract.size)).look(engine, model)
    assert verdict.not_looked is None
    assert verdict.faithful


def test_the_audit_counts_all_work_of_the_graph(name, made):
    model, tensor = made("cifar10_resnet20")
    cpu = dataclasses.replace(request_of(model, tensor), device="cpu", optimization="disable")
    with engines.build("onnxruntime", cpu) as reference, engines.build(name, request_of(model, tensor)) as engine:
        expected = sum(layer.macs for layer in reference.audit().layers)
        assert sum(layer.macs for layer in engine.audit().layers) == expected


def test_a_replayed_graph_answers_as_what_is_queued(name, small, batch):
    plain = dataclasses.replace(small, builder=dataclasses.replace(small.builder, cuda_graph=False))
    with engines.build(name, small) as replayed, engines.build(name, plain) as queued:
        if replayed.describe()["cuda_graph_missing"]:
            pytest.skip(replayed.describe()["cuda_graph_missing"])
        assert (replayed.describe()["cuda_graph"], queued.describe()["cuda_graph"]) == (True, False)
        for image in batch:
            np.testing.assert_allclose(replayed.infer(image[None]), queued.infer(image[None]), rtol=1e-5, atol=1e-6)
        replayed.infer(batch)  # another shape in between must not spoil the graph
        np.testing.assert_allclose(replayed.infer(batch[:1]), queued.infer(batch[:1]), rtol=1e-5, atol=1e-6)


def test_every_batch_from_one_to_beyond_the_largest(name, small, batch):
    images = np.concatenate([batch, batch[::-1], batch[:3]])
    expected = on_cpu(small.onnx_bytes, images)[0]
    with engines.build(name, small) as engine:
        for count in (1, 2, MAX_BATCH - 1, MAX_BATCH, MAX_BATCH + 1, 2 * MAX_BATCH, len(images), 1):
            np.testing.assert_allclose(engine.infer(images[:count]), expected[:count], atol=1e-4)


def test_a_frozen_batch(name, tmp_path, batch):
    onnx_bytes = make_model(tmp_path / "three.onnx", change=set_batch(3)).read_bytes()
    free = make_model(tmp_path / "free.onnx").read_bytes()
    request = BuildRequest(onnx_bytes, "input", "logits", (3, 16, 16), 4, device="cuda", fixed_batch=3)
    with engines.build(name, request) as engine:
        np.testing.assert_allclose(engine.infer(batch), on_cpu(free, batch)[0], atol=1e-4)


def test_two_engines_on_two_streams_do_not_disturb_each_other(name, small, batch):
    """Each asked from several threads at once, with images of its own."""
    with engines.build(name, small) as left, engines.build(name, small) as right, ThreadPoolExecutor(8) as pool:
        parts = [np.roll(batch, shift, axis=0)[: 1 + shift % MAX_BATCH] for shift in range(40)]
        alone = [left.infer(part) for part in parts]
        futures = [pool.submit(engine.infer, part) for part in parts for engine in (left, right)]
        for index, future in enumerate(futures):
            np.testing.assert_allclose(future.result(), alone[index // 2], rtol=1e-5, atol=1e-6)


def test_phases_are_parts_of_the_whole(name, made):
    model, tensor = made("imagenet_mobilenet_v1_075")
    with engines.build(name, request_of(model, tensor)) as engine:
        for part in (tensor[:1], tensor[:MAX_BATCH], tensor):
            engine.phases(part)
            begin = time.perf_counter()
            phases = engine.phases(part)
            wall = (time.perf_counter() - begin) * 1e3
            assert list(phases) == ["h2d", "compute", "d2h"]
            assert all(value > 0 for value in phases.values())
            assert sum(phases.values()) <= wall
        few, many = engine.phases(tensor[:1]), engine.phases(tensor[:MAX_BATCH])
        assert few["h2d"] < many["h2d"]


def test_a_plan_is_built_once_and_then_loaded(name, small, batch, tmp_path):
    kept = dataclasses.replace(small, cache=tmp_path / "cache")
    with engines.build(name, kept) as first, engines.build(name, kept) as again:
        assert (first.from_cache, again.from_cache) == (False, True)
        assert again.save() == first.save()
        np.testing.assert_array_equal(again.infer(batch), first.infer(batch))
    model = onnx.load_model_from_string(kept.onnx_bytes)
    model.graph.initializer[0].raw_data = bytes(reversed(model.graph.initializer[0].raw_data))
    with engines.build(name, dataclasses.replace(kept, onnx_bytes=model.SerializeToString())) as other:
        assert not other.from_cache


def test_the_timing_cache_is_kept_and_used(name, made, tmp_path):
    if name == "tensorrt-rtx":
        pytest.skip("TensorRT-RTX times nothing when it builds")
    model, tensor = made("cifar10_resnet20")
    request = request_of(model, tensor, cache=tmp_path)
    with engines.build(name, request):
        (timing,) = tmp_path.glob("*.timing")
        size = timing.stat().st_size
        assert size > 100
    for plan in tmp_path.glob("*.engine"):
        plan.unlink()
    with engines.build(name, request) as warm:
        assert not warm.from_cache  # how long it took is noise: what counts is that the cache was taken
    assert timing.stat().st_size >= size
    timing.write_bytes(b"damaged")
    with engines.build(name, dataclasses.replace(request, optimization="basic")) as engine:
        assert engine.infer(tensor[:1]).shape == (1, model.classes)
    assert timing.stat().st_size > 100


@pytest.mark.parametrize(
    "options", [{"version_compatible": True}, {"hardware_compatible": True}, {"level": 1}, {"workspace_mib": 256}]
)
def test_builder_options_give_plans_that_run(name, small, batch, options):
    request = dataclasses.replace(small, builder=dataclasses.replace(small.builder, **options))
    if name == "tensorrt-rtx" and "hardware_compatible" in options:
        with pytest.raises(UnsupportedError, match="no hardware-compatible plans"):
            engines.build(name, request)
        return
    try:
        engine = engines.build(name, request)
    except BuildError as error:  # the lean runtime inside such plans is a package of its own
        if "libnvinfer_lean" not in str(error):
            raise
        pytest.skip(str(error))
    with engine:
        np.testing.assert_allclose(engine.infer(batch), on_cpu(small.onnx_bytes, batch)[0], atol=1e-4)


def test_the_values_inside_are_those_of_onnx_runtime(name, small, batch):
    model = onnx.load_model_from_string(small.onnx_bytes)
    names = [output for node in model.graph.node for output in node.output]
    model.graph.output.extend(onnx.ValueInfoProto(name=output) for output in names[:-1])
    expected = dict(zip(["logits", *names[:-1]], on_cpu(model.SerializeToString(), batch), strict=True))
    with engines.build(name, small) as engine:
        found = engine.intermediates(batch)
        assert list(found) == [output for output in names if output in found]
        assert set(found) >= {"c1", "c2", "logits"}
        for output, value in found.items():
            np.testing.assert_allclose(value, expected[output], atol=1e-3, err_msg=output)
        assert list(engine.intermediates(batch, ["c2"])) == ["c2"]


def test_a_graph_that_tensorrt_refuses_is_a_build_error_with_its_words(name, small):
    model = onnx.load_model_from_string(small.onnx_bytes)
    model.graph.node[1].op_type = "Elephant"
    with pytest.raises(BuildError, match="Elephant"):
        engines.build(name, dataclasses.replace(small, onnx_bytes=model.SerializeToString()))


def test_what_was_built_is_described(name, small):
    with engines.build(name, small) as engine:
        told = engine.describe()
        assert told["version"] == ENGINES[name].version() == engine.runtime().__version__
        assert told["profile"] == {"min": 1, "opt": 1, "max": MAX_BATCH}
        assert (told["strongly_typed"], told["tf32"]) == (True, False)
        assert engine.engine_bytes == len(engine.save()) > 0
        assert engine.build_s > 0


def test_an_engine_gives_its_memory_back(name, small, batch):
    """Ten engines one after the other take no more than two."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} sees no CUDA device to ask for its free memory")
    free = []
    for _ in range(10):
        with engines.build(name, small) as engine:
            engine.infer(batch)
        free.append(torch.cuda.mem_get_info()[0])
    assert free[-1] >= free[1] - (8 << 20)


def test_another_gpu_than_the_one_here_is_not_run(name, small):
    if name == "tensorrt":
        pytest.skip("TensorRT builds for no other GPU")
    here = open_cuda().info().compute_capability
    other = "8.6" if here != (8, 6) else "8.9"
    request = dataclasses.replace(small, builder=dataclasses.replace(small.builder, compute_capability=other))
    with pytest.raises(UnsupportedError, match="does not run here"):
        engines.build(name, request)

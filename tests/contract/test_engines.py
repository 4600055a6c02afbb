"""What every engine must do, and whether ONNX Runtime's audit tells the truth."""

import dataclasses
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import make_model

from seatrial import calib, engines, exporters
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request
from seatrial.calib.static import quantize_static
from seatrial.engines import ENGINES, Audit, BuildRequest, Engine, Layer
from seatrial.engines.cpu import Processor
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.precision import AS_WRITTEN, PRECISIONS
from seatrial.engines.registry import default_device
from seatrial.errors import BuildError, DeviceError, UnsupportedError, UsageError
from seatrial.exporters.presets import PRESETS
from seatrial.registry import Registry


class Images:
    """Calibration images from an array."""

    def __init__(self, images, digest="test"):
        self.images = images
        self.digest = digest

    def __len__(self):
        return len(self.images)

    def batches(self, size):
        for start in range(0, len(self.images), size):
            yield self.images[start : start + size]


def request_for(path, **changes):
    return BuildRequest(
        **{
            "onnx_bytes": path.read_bytes(),
            "input_name": "input",
            "output_name": "logits",
            "input_shape": (3, 16, 16),
            "classes": 4,
            **changes,
        }
    )


@pytest.fixture(params=ENGINES)
def name(request):
    """Every engine that this machine can run, on the device that it is meant for."""
    try:
        ENGINES[request.param].check_support("fp32", default_device(request.param))
    except UnsupportedError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def request_small(model_file):
    return request_for(model_file)


def on_its_device(name, request):
    return dataclasses.replace(request, device=default_device(name))


def test_an_engine_answers_one_row_per_image(name, request_small, batch):
    with engines.build(name, on_its_device(name, request_small)) as engine:
        logits = engine.infer(batch)
        assert logits.shape == (6, 4)
        assert logits.dtype == np.float32
        assert engine.build_s > 0
        assert isinstance(engine.audit(), Audit)


def test_an_engine_refuses_what_is_no_batch_and_what_comes_after_close(name, request_small, batch):
    engine = engines.build(name, on_its_device(name, request_small))
    for wrong in (batch.astype(np.float64), batch[0], batch[:, :, :8], batch[:0]):
        with pytest.raises(ValueError, match="takes float32"):
            engine.infer(wrong)
    engine.close()
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.infer(batch)


def test_threads_may_share_an_engine(name, request_small):
    batches = np.random.default_rng(1).standard_normal((40, 2, 3, 16, 16), dtype=np.float32)
    with engines.build(name, on_its_device(name, request_small)) as engine, ThreadPoolExecutor(8) as pool:
        alone = [engine.infer(one) for one in batches]
        for expected, found in zip(alone, pool.map(engine.infer, batches), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_an_engine_that_is_not_thread_safe_is_asked_one_by_one(request_small, batch, monkeypatch):
    inside, most = [], []

    def watch(self, images):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.002)
        inside.pop()
        return np.zeros((len(images), 4), np.float32)

    null = ENGINES["null"]
    monkeypatch.setattr(null, "_infer", watch)
    monkeypatch.setattr(null, "thread_safe", False)
    with null(request_small) as engine, ThreadPoolExecutor(8) as pool:
        list(pool.map(engine.infer, [batch] * 20))
    assert max(most) == 1


def test_onnxruntime_gives_the_logits_of_a_bare_session(model_file, request_small, batch):
    bare = ort.InferenceSession(model_file, providers=["CPUExecutionProvider"]).run(None, {"input": batch})[0]
    with engines.build("onnxruntime", request_small) as engine:
        np.testing.assert_array_equal(engine.infer(batch), bare)


def test_a_frozen_batch_of_one_is_fed_one_by_one(tmp_path, batch):
    def freeze(model):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1

    frozen = request_for(make_model(tmp_path / "frozen.onnx", change=freeze), fixed_batch=1)
    free = request_for(make_model(tmp_path / "free.onnx"))
    with engines.build("onnxruntime", frozen) as one, engines.build("onnxruntime", free) as many:
        np.testing.assert_array_equal(one.infer(batch), many.infer(batch))


def test_a_graph_that_the_runtime_refuses_is_a_build_error(request_small):
    broken = dataclasses.replace(request_small, onnx_bytes=request_small.onnx_bytes[:-700])
    with pytest.raises(BuildError, match="cannot build"):
        engines.build("onnxruntime", broken)


def test_infinite_logits_are_a_device_error(tmp_path, batch):
    path = make_model(tmp_path / "m.onnx")
    with engines.build("onnxruntime", request_for(path)) as engine, pytest.raises(DeviceError, match="NaN or infinite"):
        engine.infer(batch * np.float32(np.inf))


def test_unknown_engines_precisions_and_devices_list_the_known(request_small):
    with pytest.raises(UsageError, match="Known: kserve, null, onnxruntime"):
        engines.build("tensorflow", request_small)
    with pytest.raises(UsageError, match="Did you mean 'onnxruntime'"):
        engines.build("onnxruntim", request_small)
    with pytest.raises(UnsupportedError, match="It runs: fp32, int8"):
        engines.build("ort", dataclasses.replace(request_small, precision="fp8"))
    with pytest.raises(UnsupportedError, match="It has: cpu"):
        engines.build("ort", dataclasses.replace(request_small, device="tpu"))


def test_an_engine_that_is_not_installed_gives_the_install_line(request_small, monkeypatch):
    monkeypatch.setattr(ENGINES["onnxruntime"], "module", "onnxruntime_that_is_not_there")
    with pytest.raises(UnsupportedError, match=r"pip install 'seatrial\[cpu\]'") as caught:
        engines.build("onnxruntime", request_small)
    assert caught.value.exit_code == 3


def test_registering_a_name_twice_raises():
    registry = Registry("part")
    registry.register("a", "b")(1)
    for taken in ("a", "b"):
        with pytest.raises(ValueError, match="registered twice"):
            registry.register(taken)(2)
    assert registry["b"] == 1


def test_the_engines_are_those_that_the_documentation_names():
    assert {"null", "onnxruntime", "openvino", "pytorch"} <= set(ENGINES)
    for short, name in (("ort", "onnxruntime"), ("ov", "openvino"), ("torch", "pytorch")):
        assert ENGINES[short] is ENGINES[name]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_manifest_names_devices_and_precisions_that_there_are(engine):
    manifest = ENGINES[engine].manifest
    assert manifest
    for device, precisions in manifest.items():
        assert ":" not in device
        assert precisions
        assert set(precisions) <= set(PRECISIONS)


@pytest.mark.parametrize("engine", [name for name in ENGINES if ENGINES[name].executes_graph])
def test_every_quantized_precision_of_a_manifest_has_files_made_for_it(engine):
    for device, precisions in ENGINES[engine].manifest.items():
        recipe = ENGINES[engine].recipe(device)
        for precision in set(precisions) & {"int8", "int4", "fp8"}:
            assert calib.recipe_for(recipe, precision).precision == precision


@pytest.mark.parametrize("engine", ENGINES)
def test_what_an_engine_does_not_offer_is_refused_with_what_it_does(engine):
    kind = ENGINES[engine]
    for device, precisions in kind.manifest.items():
        for precision in set(PRECISIONS) - set(precisions) - set(AS_WRITTEN if kind.as_written else ()):
            with pytest.raises(UnsupportedError, match=f"does not run {precision} on '{device}'. It runs: "):
                kind.check_offered(precision, device)
    for device in ("tpu", "tpu:1", "", ":0"):
        with pytest.raises(UnsupportedError, match=f"has no device '{device}'. It has: {next(iter(kind.manifest))}"):
            kind.check_offered("fp32", device)
    for device in ("cpu:", "cpu:x", "cpu:-1", "cpu:1.0", "cpu:\N{SUPERSCRIPT ONE}", "cpu:1:2"):
        if "cpu" in kind.manifest:
            with pytest.raises(UsageError, match="is no device: behind the colon stands its number"):
                kind.check_offered("fp32", device)
    if "cpu" in kind.manifest:
        kind.check_offered("fp32", "cpu:0")
        with pytest.raises(UnsupportedError, match="has no device 'cpu:1': all processors are one"):
            kind.check_offered("fp32", "cpu:1")


def test_a_device_is_a_kind_and_a_number():
    assert (device_kind("cuda"), device_index("cuda")) == ("cuda", 0)
    assert (device_kind("cuda:12"), device_index("cuda:12")) == ("cuda", 12)
    for device in ("cuda:", "cuda:a", "cuda:-1", "cuda:1 ", "cuda:0x1", "cuda:1:1"):
        with pytest.raises(UsageError, match="as in cuda:0") as caught:
            device_index(device)
        assert caught.value.exit_code == 2


def test_a_device_with_its_number_is_the_same_device(request_small, batch):
    for engine in ("null", "onnxruntime", "pytorch"):
        with (
            engines.build(engine, request_small) as one,
            engines.build(engine, dataclasses.replace(request_small, device="cpu:0")) as other,
        ):
            np.testing.assert_array_equal(one.infer(batch), other.infer(batch))


def test_shares_are_of_macs_not_of_layers():
    audit = Audit(
        (Layer("a", "Conv", 900, "int8", "int8"), Layer("b", "Gemm", 100, "int8", "fp32")),
        {},
    )
    assert audit.realized() == {"int8": 0.9, "fp32": 0.1}
    assert audit.share_as_requested() == 0.9
    assert Audit((), {}).share_as_requested() is None


def test_the_audit_of_a_float_model_finds_every_layer(request_small):
    with engines.build("onnxruntime", request_small) as engine:
        audit = engine.audit()
    assert audit.realized() == {"fp32": 1.0}
    # conv1 at 16 x 16, conv2 at 7 x 7, fc.
    assert [layer.macs for layer in audit.layers] == [16 * 256 * 27, 32 * 49 * 144, 4 * 32]


def test_nodes_without_names_are_audited_too(tmp_path):
    def nameless(model):
        for node in model.graph.node:
            node.name = ""

    with engines.build("onnxruntime", request_for(make_model(tmp_path / "m.onnx", change=nameless))) as engine:
        assert len(engine.audit().layers) == 3


@pytest.mark.parametrize("optimization", ["disable", "basic", "extended", "all"])
def test_the_optimisation_level_is_the_one_asked_for(tmp_path, optimization, batch):
    path = make_model(tmp_path / "m.onnx")
    with engines.build("onnxruntime", request_for(path, optimization=optimization)) as engine:
        assert sum(layer.macs for layer in engine.audit().layers) >= 16 * 256 * 27
        assert ("Relu" in engine.audit().other_ops) == (optimization in ("disable", "basic"))
        assert engine.infer(batch).shape == (6, 4)


def cifar(shared, count=64):
    with np.load(shared / "data/cifar10/calib.npz") as archive:
        return Images(archive["images"][:count])


def build_int8(model, images, recipe=None):
    quantized = quantize_static(
        Request(model, recipe or calib.chosen_recipe("onnxruntime", "int8"), images, QuantizeOptions())
    )
    return engines.build(
        "onnxruntime",
        BuildRequest(
            quantized.onnx_bytes, model.input_name, model.output_name, (3, *model.contract.size), model.classes, "int8"
        ),
    )


@pytest.mark.parametrize("name", ["cifar10_resnet20", "cifar10_resnet56"])
def test_the_recipe_runs_all_of_a_resnet_in_int8(shared, name):
    model = exporters.load(shared / f"models/{name}.onnx", contract=PRESETS["cifar10"])
    with build_int8(model, cifar(shared)) as engine:
        assert engine.audit().share_as_requested() >= 0.95


def test_the_audit_reveals_the_symmetric_recipe_that_runs_half_in_float(shared):
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])
    symmetric = dataclasses.replace(
        calib.chosen_recipe("onnxruntime", "int8"), activation_type="int8", symmetric_activations=True
    )
    with build_int8(model, cifar(shared), symmetric) as engine:
        audit = engine.audit()
    convolutions = [layer for layer in audit.layers if "Conv" in layer.op]
    assert len(convolutions) == 19
    assert sum(layer.realized == "int8" for layer in convolutions) == 10
    assert audit.share_as_requested() < 0.6


@pytest.mark.parametrize("activations", [False, True])
def test_the_audit_reveals_4_bit_convolutions_that_are_folded_to_float(shared, activations):
    """int4 weights, with float or 8-bit activations: no kernel multiplies by them, and ONNX Runtime says nothing."""
    model = exporters.load(shared / "models/cifar10_resnet20.onnx", contract=PRESETS["cifar10"])
    request = BuildRequest(
        with_4_bit_convolutions(model.onnx_bytes, activations),
        model.input_name,
        model.output_name,
        model.contract.tensor_shape,
        model.classes,
        "int4",
    )
    with engines.build("onnxruntime", request) as engine:
        audit = engine.audit()
    convolutions = [layer for layer in audit.layers if "Conv" in layer.op]
    assert len(convolutions) == 19
    assert {layer.realized for layer in convolutions} == {"fp32"}
    assert audit.share_as_requested() == 0
    assert audit.realized() == {"fp32": 1.0}


def with_4_bit_convolutions(onnx_bytes, activations):
    """Every convolution with an int4 weight behind a DequantizeLinear, one scale per output channel; with 8-bit Q/DQ
    nodes before its input.
    """
    model = onnx.load_model_from_string(onnx_bytes)
    graph = model.graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes, constants = [], {"step": np.array(0.05, np.float32), "middle": np.array(128, np.uint8)}
    for node in graph.node:
        if node.op_type == "Conv":
            weight = weights[node.input[1]]
            scale = np.abs(weight).max((1, 2, 3)) / 7
            codes = np.round(weight / scale[:, None, None, None]).astype(ml_dtypes.int4)
            constants |= {f"{node.name}_codes": codes, f"{node.name}_scale": scale.astype(np.float32)}
            parts = [f"{node.name}_codes", f"{node.name}_scale"]
            nodes.append(onnx.helper.make_node("DequantizeLinear", parts, [f"{node.name}_w"], axis=0))
            node.input[1] = f"{node.name}_w"
            if activations:
                source, grid = node.input[0], ["step", "middle"]
                nodes.append(onnx.helper.make_node("QuantizeLinear", [source, *grid], [f"{node.name}_q"]))
                nodes.append(onnx.helper.make_node("DequantizeLinear", [f"{node.name}_q", *grid], [f"{node.name}_x"]))
                node.input[0] = f"{node.name}_x"
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
    model.opset_import[0].version = max(21, model.opset_import[0].version)
    model.ir_version = max(10, model.ir_version)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_the_audit_reveals_an_int8_request_on_a_float_file(request_small):
    with engines.build("onnxruntime", dataclasses.replace(request_small, precision="int8")) as engine:
        assert engine.audit().share_as_requested() == 0.0
        assert engine.audit().realized() == {"fp32": 1.0}


def test_an_adapter_only_fills_the_underscored_methods():
    for engine in ENGINES.values():
        assert issubclass(engine, Engine)
        for checked in ("infer", "audit", "close", "__init__"):
            assert checked not in vars(engine)


def test_the_saved_engine_is_the_optimized_graph_and_answers_like_it(request_small, batch):
    with engines.build("onnxruntime", request_small) as engine:
        saved, expected = engine.save(), engine.infer(batch)
        assert len(saved) == engine.engine_bytes
        assert 0 < engine.engine_bytes < 10 * len(request_small.onnx_bytes)
    graph = onnx.load_model_from_string(saved).graph
    assert len(graph.node) != len(onnx.load_model_from_string(request_small.onnx_bytes).graph.node)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(saved, options, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"input": batch})[0], expected)


def test_the_processor_runs_as_many_queries_as_it_has_cores_for(request_small):
    inside, most, gate = [], [], threading.Event()

    class Counting(ENGINES["null"]):
        def _infer(self, images):
            inside.append(1)
            most.append(len(inside))
            gate.wait(0.05)
            inside.pop()
            return np.zeros((len(images), 4), np.float32)

    cores = os.cpu_count() or 1
    batch = np.zeros((1, 3, 16, 16), np.float32)
    with Counting(request_small) as engine, ThreadPoolExecutor(2 * cores) as pool:
        list(pool.map(engine.infer, [batch] * 4 * cores))
    assert max(most) == cores


def test_a_runtime_that_fails_leaves_room_for_the_next_query(request_small, batch):
    class Failing(ENGINES["null"]):
        thread_safe = False

        def _infer(self, images):
            raise RuntimeError("no")

    with Failing(request_small) as engine:
        for _ in range(3):
            with pytest.raises(DeviceError, match="failed while it ran: no"):
                engine.infer(batch)


@pytest.mark.parametrize(
    ("version", "amx", "precision", "warned"),
    [
        ("1.24.4", True, "int8", True),
        ("1.25.0", True, "int8", False),
        ("1.24.4", False, "int8", False),
        ("1.24.4", True, "fp32", False),
    ],
)
def test_a_runtime_that_is_known_to_be_wrong_is_told_of(monkeypatch, version, amx, precision, warned):
    features = frozenset({"amx_int8"} if amx else {"avx2"})
    monkeypatch.setattr("seatrial.engines.onnxruntime.processor", lambda: Processor("x86_64", features))
    monkeypatch.setattr(ENGINES["onnxruntime"], "version", classmethod(lambda cls: version))
    found = ENGINES["onnxruntime"].cautions_of(precision, "cpu")
    assert bool(found) is warned
    assert all("1.25 or newer" in caution for caution in found)

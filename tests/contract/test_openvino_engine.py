"""The OpenVINO engine against ONNX Runtime on real models and images, and whether its audit tells the truth."""

import dataclasses
import functools
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from calibration_images import ArrayImages as Images
from conftest import ROOT, make_model
from onnx import TensorProto, helper
from PIL import Image

from seatrial import calib, engines, exporters
from seatrial.calib import QuantizeOptions
from seatrial.calib.observe import session_for
from seatrial.calib.quantizers import Request, quantizer_for
from seatrial.engines import BuildRequest
from seatrial.engines.cpu import Processor, processor
from seatrial.engines.openvino import OpenVinoEngine, openvino_device, settings
from seatrial.engines.openvino_audit import kernels, read_audit, realized
from seatrial.errors import BuildError, DeviceError, UnsupportedError

if importlib.util.find_spec("openvino") is None:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)

# Model -> data, images tested, how many of them are right in float (of models.json; ResNets: the first of 10000).
MODELS = {
    "cifar10_resnet20": ("cifar10", 2000, None),
    "cifar10_resnet56": ("cifar10", 300, None),
    "gtsrbnet64": ("gtsrb", 880, 871),
    "imagenet_mobilenet_v1_075": ("imagenet", 200, 163),
    "imagenet_squeezenet1_1": ("imagenet", 200, 120),
}
LONG = ("cifar10_resnet56", "imagenet_squeezenet1_1")
NAMES = [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in MODELS]
CONTRACTS = {
    "cifar10": {"preset": "cifar10"},
    "gtsrb": {"size": (64, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3},
    "imagenet_mobilenet": {"preset": "imagenet-inception"},
    "imagenet_squeezenet": {"preset": "imagenet"},
}
# How much worse int8 may be than float, as a share of the images.
DROP = {"cifar10": 0.005, "gtsrb": 0.005, "imagenet": 0.015}


@functools.cache
def load(shared, name):
    options = next(options for prefix, options in CONTRACTS.items() if name.startswith(prefix))
    return exporters.load(shared / f"models/{name}.onnx", contract=exporters.ContractOptions(**options))


@functools.cache
def labelled(shared, data, split):
    """(uint8 images [N, H, W, 3], labels) as the models take them."""
    folder = shared / "data" / data
    if data == "cifar10":
        with np.load(folder / f"{split}.npz") as archive:
            return archive["images"][:2000], archive["labels"][:2000]
    if data == "gtsrb":
        label_of = {f"{index:02d}": index for index in range(43)}
    else:
        rows = (line.split(",")[:2] for line in (folder / "classes.csv").read_text().splitlines()[1:])
        label_of = {synset: int(index) for index, synset in rows}
    root = folder / ({"test": "val"}.get(split, split) if data == "imagenet" else split)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    images = np.stack([image_of(path, data) for path in paths])
    return images, np.array([label_of[path.parent.name] for path in paths])


def image_of(path, data):
    image = Image.open(path).convert("RGB")
    if data == "gtsrb":
        return np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR))
    scale = 256 / min(image.size)
    image = image.resize([int(side * scale) for side in image.size], Image.Resampling.BILINEAR)
    left, top = (round((side - 224) / 2) for side in image.size)
    return np.asarray(image.crop((left, top, left + 224, top + 224)))


def spread(images, count):
    """`count` of them, from all over the set, so that many classes are among them."""
    return images[:: len(images) // count][:count]


@functools.cache
def int8_of(shared, name, quantizer="seatrial"):
    images = Images(spread(labelled(shared, MODELS[name][0], "calib")[0], 48))
    options = QuantizeOptions(quantizer=quantizer)
    return calib.quantize(load(shared, name), "int8", engine="openvino", images=images, options=options)


def request_of(model, precision="fp32", **changes):
    return BuildRequest(
        **{
            "onnx_bytes": model.onnx_bytes,
            "input_name": model.input_name,
            "output_name": model.output_name,
            "input_shape": (3, *model.contract.size),
            "classes": model.classes,
            "precision": precision,
            **changes,
        }
    )


def logits_of(engine, model, images, size=50):
    starts = range(0, len(images), size)
    return np.concatenate([engine.infer(model.contract.normalise(images[start : start + size])) for start in starts])


@functools.cache
def float_logits(shared, name, engine):
    data, count, _ = MODELS[name]
    model = load(shared, name)
    with engines.build(engine, request_of(model)) as built:
        return logits_of(built, model, labelled(shared, data, "test")[0][:count])


def total(audit):
    return sum(layer.macs for layer in audit.layers)


@pytest.mark.parametrize("name", NAMES)
def test_float_is_float32_to_the_last_image(shared, name):
    data, count, right = MODELS[name]
    labels = labelled(shared, data, "test")[1][:count]
    expected, found = float_logits(shared, name, "onnxruntime"), float_logits(shared, name, "openvino")
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    hits = int((found.argmax(1) == labels).sum())
    assert hits == (expected.argmax(1) == labels).sum()
    if right is not None:
        assert hits == right
    with engines.build("openvino", request_of(load(shared, name))) as engine:
        assert engine.audit().realized() == {"fp32": 1.0}


@pytest.mark.parametrize("name", MODELS)
def test_work_is_counted_as_by_onnxruntime(shared, name):
    model = load(shared, name)
    with (
        engines.build("openvino", request_of(model)) as ours,
        engines.build("onnxruntime", request_of(model, optimization="disable")) as ort,
        engines.build("onnxruntime", request_of(model)) as optimized,
    ):
        audit, expected = ours.audit(), ort.audit()
        assert total(audit) == total(expected) == total(optimized.audit())
    assert {layer.name: layer.macs for layer in audit.layers} == {layer.name: layer.macs for layer in expected.layers}


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_runs_in_int8_and_stays_accurate(shared, name):
    data, count, _ = MODELS[name]
    model, quantized = load(shared, name), int8_of(shared, name)
    images, labels = (part[:count] for part in labelled(shared, data, "test"))
    with engines.build("openvino", request_of(quantized, "int8")) as engine:
        audit = engine.audit()
        found = logits_of(engine, model, images).argmax(1)
        assert engine.engine_bytes < 0.5 * len(model.onnx_bytes)
    some = min(count, 500 if data == "cifar10" else 100)
    session = session_for(quantized.proto, threads=2)
    written = np.concatenate(
        [
            session.run(None, {model.input_name: model.contract.normalise(images[start : start + 20])})[0].argmax(1)
            for start in range(0, some, 20)
        ]
    )
    expected = float_logits(shared, name, "onnxruntime").argmax(1)
    drop = ((expected == labels).sum() - (found == labels).sum()) / count
    print(
        f"{name}: {audit.realized()}, {100 * drop:+.2f} points lost; top-1 differs from float for "
        f"{(found != expected).sum()} of {count}, from the Q/DQ form as written for {(found[:some] != written).sum()} "
        f"of {some}"
    )
    assert audit.share_as_requested() >= 0.95
    assert total(audit) == total_of_float(shared, name)
    assert drop <= DROP[data]
    assert (found[:some] != written).mean() <= 0.03


def total_of_float(shared, name):
    with engines.build("openvino", request_of(load(shared, name))) as engine:
        return total(engine.audit())


def test_the_recipe_runs_in_int8_when_onnxruntime_quantizes(shared):
    with engines.build("openvino", request_of(int8_of(shared, "gtsrbnet64", "onnxruntime"), "int8")) as engine:
        assert engine.audit().share_as_requested() >= 0.95


def other_form(shared, name, **changes):
    recipe = dataclasses.replace(calib.chosen_recipe("openvino", "int8"), **changes)
    options = QuantizeOptions()
    images = Images(spread(labelled(shared, MODELS[name][0], "calib")[0], 16))
    return quantizer_for(recipe, options)(Request(load(shared, name), recipe, images, options))


def test_the_audit_reveals_convolutions_that_runtime_precision_calls_i8_and_that_run_in_float(shared):
    """int8 with a free zero point: on processors with AMX, OpenVINO says i8 of every convolution, and computes nearly
    all of them in float; on those with VNNI alone, it says u8, and they are.
    """
    quantized = other_form(shared, "gtsrbnet64", activation_type="int8")
    with engines.build("openvino", request_of(quantized, "int8")) as engine:
        model = engine._model.get_runtime_model()
        said = [info(op, "runtimePrecision") for op in model.get_ops() if info(op, "layerType") == "Convolution"]
        convolutions = [layer for layer in engine.audit().layers if layer.op.startswith("Convolution")]
        share = engine.audit().share_as_requested()
    assert len(said) == len(convolutions) == 10
    assert set(said) <= {"i8", "u8"}
    in_float = [layer.realized for layer in convolutions].count("fp32")
    assert (in_float >= 8 and share < 0.3) if processor().has_amx else (in_float == 0 and share == 1)
    assert all(layer.op.endswith("f32)") == (layer.realized == "fp32") for layer in convolutions)


def test_the_audit_reveals_8_bit_weights_that_run_in_float(shared):
    """uint8 weights: OpenVINO dequantizes all of them when it compiles, and says nothing."""
    quantized = other_form(shared, "gtsrbnet64", weight_type="uint8", symmetric_weights=False)
    with engines.build("openvino", request_of(quantized, "int8")) as engine:
        audit = engine.audit()
    assert audit.realized() == {"fp32": 1.0}
    assert audit.share_as_requested() == 0
    assert len([layer for layer in audit.layers if layer.op.startswith("Convolution")]) == 10


def info(op, key):
    return op.get_rt_info()[key].value


def test_without_the_hint_float32_runs_in_bfloat16_and_the_audit_says_so(shared, monkeypatch):
    if not supports("bf16"):
        pytest.skip("this CPU has no bfloat16 instructions")
    core = OpenVinoEngine.runtime().Core()
    request = request_of(load(shared, "gtsrbnet64"))
    model = core.read_model(request.onnx_bytes)
    model.reshape({model.inputs[0]: [1, *request.input_shape]})
    audit = read_audit(model, core.compile_model(model, "CPU").get_runtime_model(), "fp32", 1)
    assert audit.realized() == {"bf16": 1.0}
    assert audit.share_as_requested() == 0

    def unpinned(request):
        return {name: value for name, value in settings(request).items() if name != "INFERENCE_PRECISION_HINT"}

    monkeypatch.setattr("seatrial.engines.openvino.settings", unpinned)
    with pytest.raises(BuildError, match="built for CPU in bf16 instead of CPU in f32"):
        engines.build("ov", request)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits_are_really_sixteen_bits(shared, precision):
    if not supports(precision):
        pytest.skip(f"this CPU has no {precision} instructions")
    model = load(shared, "gtsrbnet64")
    expected = float_logits(shared, "gtsrbnet64", "onnxruntime")[:100]
    with engines.build("ov", request_of(model, precision)) as engine:
        assert engine.audit().realized() == {precision: 1.0}
        found = logits_of(engine, model, labelled(shared, "gtsrb", "test")[0][:100])
    assert 1e-4 < np.abs(found - expected).max() < 0.3
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.99


def supports(precision):
    try:
        OpenVinoEngine.check_support(precision, "cpu")
    except UnsupportedError:
        return False
    return True


def test_a_default_that_is_not_what_ran_is_told_of(model_file):
    """The runtime itself is asked what it would have taken."""
    openvino = OpenVinoEngine.runtime()
    core = openvino.Core()
    default = core.compile_model(core.read_model(model_file), "CPU").get_property("INFERENCE_PRECISION_HINT")
    with engines.build("openvino", small_request(model_file)) as engine:
        told = [caution for caution in engine.cautions() if "INFERENCE_PRECISION_HINT=f32" in caution]
    assert bool(told) is (default != openvino.Type.f32)


def test_a_precision_without_instructions_is_refused():
    """oneDNN can be told to use no more than AVX2: OpenVINO then drops the hint for float16 without a word."""
    code = (
        "import sys\nfrom seatrial.engines import ENGINES\nfrom seatrial.errors import UnsupportedError\n"
        "try:\n    ENGINES['ov'].check_support(sys.argv[1], 'cpu')\nexcept UnsupportedError as error:\n    print(error)"
    )
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    command = [sys.executable, "-c", code, "fp16"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "does not compute in fp16" in done.stdout


def test_words_follow_the_kernel_and_not_the_narrowest_operand():
    assert realized("brgconv_avx512_amx_I8", "u8") == "int8"
    assert realized("brgconv_avx512_f32", "i8") == "fp32"
    assert realized("brgemm_avx512_amx_bf16", "bf16") == "bf16"
    assert realized("brgemm_avx512_f32", "u4") == "int4"
    assert realized("brgemm_avx512_i8", "i4") == "w4a8"
    assert realized("undef", "f16") == "fp16"
    assert realized("undef", "nf4") == "nf4"


def small_request(path, **changes):
    return BuildRequest(
        **{
            **dict(
                zip(
                    ("onnx_bytes", "input_name", "output_name", "input_shape", "classes"),
                    (path.read_bytes(), "input", "logits", (3, 16, 16), 4),
                    strict=True,
                )
            ),
            **changes,
        }
    )


def attention(path):
    """softmax(x x') x and a classifier, on [batch, 3, 16, 16] as 48 vectors of 16."""
    rng = np.random.default_rng(0)
    weights = [
        onnx.numpy_helper.from_array(rng.standard_normal((768, 4)).astype(np.float32), "w"),
        onnx.numpy_helper.from_array(np.array([0, 48, 16], np.int64), "rows"),
        onnx.numpy_helper.from_array(np.array([0, 768], np.int64), "flat"),
        onnx.numpy_helper.from_array(np.array(0.25, np.float32), "scale"),
    ]
    nodes = [
        helper.make_node("Reshape", ["input", "rows"], ["x"], name="rows"),
        helper.make_node("Transpose", ["x"], ["t"], name="transpose", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["s"], name="scores"),
        helper.make_node("Mul", ["s", "scale"], ["m"], name="scaled"),
        helper.make_node("Softmax", ["m"], ["p"], name="softmax", axis=-1),
        helper.make_node("MatMul", ["p", "x"], ["y"], name="mixed"),
        helper.make_node("Reshape", ["y", "flat"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "w"], ["logits"], name="fc"),
    ]
    images = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 16, 16])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
    graph = helper.make_graph(nodes, "attention", [images], [logits], weights)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )
    return path


def test_products_inside_a_fused_kernel_are_counted(tmp_path):
    request = small_request(attention(tmp_path / "m.onnx"))
    batch = np.random.default_rng(1).standard_normal((3, 3, 16, 16), dtype=np.float32)
    with engines.build("ov", request) as ours, engines.build("ort", request) as ort:
        np.testing.assert_allclose(ours.infer(batch), ort.infer(batch), rtol=1e-4, atol=1e-4)
        audit = ours.audit()
    assert total(audit) == 2 * 48 * 48 * 16 + 768 * 4
    assert audit.realized() == {"fp32": 1.0}
    assert "Softmax" not in audit.other_ops  # or nothing was fused, and this test tests nothing


@pytest.mark.parametrize(("groups", "channels"), [(4, 8), (16, 16)])
def test_grouped_and_depthwise_convolutions_are_counted(tmp_path, groups, channels):
    def group(model):
        weight = np.ones((channels, 16 // groups, 3, 3), np.float32)
        conv = next(node for node in model.graph.node if node.name == "conv2")
        conv.attribute.append(helper.make_attribute("group", groups))
        for name, value in (("w2", weight), ("b2", weight[:, 0, 0, 0]), ("w3", np.ones((4, channels), np.float32))):
            tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
            tensor.CopyFrom(onnx.numpy_helper.from_array(value, name))

    with engines.build("ov", small_request(make_model(tmp_path / "m.onnx", change=group))) as engine:
        layers = {layer.name: layer.macs for layer in engine.audit().layers}
    assert layers == {"conv1": 16 * 256 * 27, "conv2": channels * 49 * 9 * 16 // groups, "fc": 4 * channels}


def test_a_frozen_batch_counts_one_image(tmp_path):
    def freeze(model):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
        model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4

    frozen = small_request(make_model(tmp_path / "f.onnx", change=freeze), fixed_batch=4)
    free = small_request(make_model(tmp_path / "m.onnx"))
    batch = np.random.default_rng(0).standard_normal((6, 3, 16, 16), dtype=np.float32)
    with engines.build("ov", frozen) as four, engines.build("ov", free) as one:
        assert [layer.macs for layer in four.audit().layers] == [layer.macs for layer in one.audit().layers]
        np.testing.assert_allclose(four.infer(batch), one.infer(batch), rtol=1e-5, atol=1e-5)
        assert one.describe()["images_per_inference"] == 1


def test_answers_do_not_depend_on_batches_or_threads(shared):
    model = load(shared, "gtsrbnet64")
    images = labelled(shared, "gtsrb", "test")[0][:60]
    tensors = [model.contract.normalise(image[None]) for image in images]
    with engines.build("ov", request_of(model)) as engine, ThreadPoolExecutor(8) as pool:
        whole = logits_of(engine, model, images, 60)
        np.testing.assert_array_equal(logits_of(engine, model, images, 7), whole)
        np.testing.assert_array_equal(np.concatenate(list(pool.map(engine.infer, tensors))), whole)


def test_inner_values_have_the_names_and_values_of_onnxruntime(model_file):
    batch = np.random.default_rng(0).standard_normal((3, 3, 16, 16), dtype=np.float32)
    with (
        engines.build("ort", small_request(model_file, optimization="disable")) as ort,
        engines.build("ov", small_request(model_file)) as ours,
    ):
        expected, found = ort.intermediates(batch), ours.intermediates(batch)
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_images_of_other_types_and_layouts_are_taken(tmp_path, dtype, channels_last):
    def change(model):
        nodes, images = model.graph.node, model.graph.input[0].type.tensor_type
        images.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        nodes[0].input[0] = "floats"
        if channels_last:
            for dim, extent in zip(images.shape.dim[1:], (16, 16, 3), strict=True):
                dim.dim_value = extent
            nodes.insert(0, helper.make_node("Transpose", ["cast"], ["floats"], perm=[0, 3, 1, 2]))
        cast = "cast" if channels_last else "floats"
        nodes.insert(0, helper.make_node("Cast", ["input"], [cast], to=TensorProto.FLOAT))

    shape = (16, 16, 3) if channels_last else (3, 16, 16)
    request = small_request(make_model(tmp_path / "m.onnx", change=change), input_dtype=dtype, input_shape=shape)
    batch = np.random.default_rng(0).integers(0, 256, (5, *shape)).astype(dtype)
    with engines.build("ort", request) as ort, engines.build("ov", request) as ours:
        assert ours.audit().realized() == {"fp32": 1.0}
        np.testing.assert_allclose(ours.infer(batch), ort.infer(batch), rtol=1e-4, atol=1e-2)


def test_what_cannot_be_built_is_refused_with_openvinos_words(model_file):
    request = small_request(model_file)
    with pytest.raises(BuildError, match="OpenVINO cannot build the fp32 model"):
        engines.build("ov", dataclasses.replace(request, onnx_bytes=request.onnx_bytes[:-700]))
    with pytest.raises(BuildError, match="takes the inputs input, expected image alone"):
        engines.build("ov", dataclasses.replace(request, input_name="image"))
    with pytest.raises(BuildError, match="scores"):
        engines.build("ov", dataclasses.replace(request, output_name="scores"))
    with pytest.raises(UnsupportedError, match=r"no optimisation level 'basic'.*--optimization all"):
        engines.build("ov", dataclasses.replace(request, optimization="basic"))
    threads = 4 * (os.cpu_count() or 1)
    with pytest.raises(UnsupportedError, match=f"of the {threads} threads asked for"):
        engines.build("ov", dataclasses.replace(request, threads=threads))
    with pytest.raises(UnsupportedError, match="does not run int4"):
        engines.build("ov", dataclasses.replace(request, precision="int4"))


def test_a_device_that_is_not_there_lists_those_that_are(model_file):
    present = OpenVinoEngine.runtime().Core().available_devices
    for device in ("gpu", "npu"):
        if any(name.startswith(device.upper()) for name in present):
            continue
        with pytest.raises(UnsupportedError, match=f"cannot use '{device}': OpenVINO sees CPU"):
            engines.build("ov", small_request(model_file, device=device, precision="fp16"))


def test_devices_are_counted_as_openvino_names_them():
    assert openvino_device("cpu", ["CPU", "GPU"]) == "CPU"
    assert openvino_device("gpu", ["CPU", "GPU"]) == "GPU"
    assert openvino_device("gpu:0", ["CPU", "GPU"]) == "GPU"
    assert openvino_device("gpu", ["CPU", "GPU.0", "GPU.1"]) == "GPU.0"
    assert openvino_device("gpu:1", ["CPU", "GPU.0", "GPU.1"]) == "GPU.1"
    for device in ("gpu:1", "npu", "cpu:1"):
        with pytest.raises(UnsupportedError, match=f"cannot use '{device}': OpenVINO sees CPU, GPU here"):
            openvino_device(device, ["CPU", "GPU"])


@pytest.mark.parametrize(("name", "precision"), [("cifar10_resnet20", "fp32"), ("gtsrbnet64", "int8")])
def test_a_kept_engine_answers_and_is_audited_as_one_built_anew(shared, tmp_path, name, precision):
    model = int8_of(shared, name) if precision == "int8" else load(shared, name)
    images = labelled(shared, MODELS[name][0], "test")[0][:20]
    found = []
    for cache in (None, tmp_path, tmp_path):
        with engines.build("ov", request_of(model, precision, cache=cache)) as engine:
            found.append((engine.from_cache, logits_of(engine, model, images), engine.audit(), engine.save()))
    assert [kept for kept, *_ in found] == [False, False, True]
    assert len(list(tmp_path.iterdir())) == 1
    for _, logits, audit, _ in found[1:]:
        np.testing.assert_array_equal(logits, found[0][1])
        assert audit == found[0][2]
    # Compiled twice, a blob differs: OpenVINO numbers the operators that it makes, on and on in a process.
    assert found[1][3] == found[2][3]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", NAMES)
def test_an_imported_blob_answers_as_the_model_that_it_was_exported_from(shared, name, precision):
    model = int8_of(shared, name) if precision == "int8" else load(shared, name)
    request = request_of(model, precision)
    core = OpenVinoEngine.runtime().Core()
    graph = core.read_model(request.onnx_bytes)
    graph.reshape({graph.inputs[0]: [1, *request.input_shape]})
    compiled = core.compile_model(graph, "CPU", settings(request))
    batch = model.contract.normalise(labelled(shared, MODELS[name][0], "test")[0][:5])
    expected = np.concatenate([compiled(image[None])[0] for image in batch])
    with engines.build("ov", request) as engine:
        np.testing.assert_array_equal(engine.infer(batch), expected)
        assert kernels(engine._model.get_runtime_model()) == kernels(compiled.get_runtime_model())


def test_nothing_is_kept_for_another_model_setting_or_machine(tmp_path, monkeypatch):
    first, second = (make_model(tmp_path / f"{seed}.onnx", seed=seed) for seed in (0, 1))
    assert first.stat().st_size == second.stat().st_size
    cache = tmp_path / "cache"
    batch = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)

    def answer(path, **changes):
        with engines.build("ov", small_request(path, cache=cache, **changes)) as engine:
            return engine.from_cache, engine.infer(batch)

    kept, expected = answer(first)
    assert not kept
    assert answer(first)[0]
    kept, other = answer(second)
    assert not kept
    assert not np.array_equal(other, expected)
    assert not answer(first, threads=2)[0]
    monkeypatch.setattr("seatrial.engines.openvino.processor", lambda: Processor("x86_64", frozenset({"ssse3"})))
    assert not answer(first)[0]
    assert len(list(cache.iterdir())) == 4


def test_a_damaged_kept_engine_is_built_anew_and_replaced(model_file, tmp_path):
    """OpenVINO loads a blob whose weights were overwritten, and answers with NaN: its file is checked before."""
    cache = tmp_path / "cache"
    request = small_request(model_file, cache=cache)
    batch = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    with engines.build("ov", request) as engine:
        expected = engine.infer(batch)
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole[:-2000] + bytes(2000), b"x" + whole):
        kept.write_bytes(damaged)
        with engines.build("ov", request) as engine:
            assert not engine.from_cache
            np.testing.assert_array_equal(engine.infer(batch), expected)
        with engines.build("ov", request) as engine:
            assert engine.from_cache


def test_what_is_no_blob_is_a_build_error(model_file):
    with engines.build("ov", small_request(model_file)) as engine:
        for damaged in (b"", b"no blob", engine.save()[:100]):
            with pytest.raises(BuildError, match="OpenVINO cannot build the fp32 model"):
                engine._load(damaged)


def test_an_imported_engine_runs_in_the_type_that_was_asked_for(shared):
    """Kernels are chosen when a blob is imported: without the hint, float32 would become bfloat16 there."""
    request = request_of(load(shared, "gtsrbnet64"))
    core = OpenVinoEngine.runtime().Core()
    blob = OpenVinoEngine.compile(request).compiled
    unpinned = core.import_model(blob, "CPU", {}).get_property("INFERENCE_PRECISION_HINT").get_type_name()
    assert unpinned == ("bf16" if supports("bf16") else "f32")
    with engines.build("ov", request) as engine:
        names = [info(op, "primitiveType") for op in engine._model.get_runtime_model().get_ops()]
    assert sum(name.endswith("_f32") for name in names) > 10
    assert not any(name.endswith("_bf16") for name in names)


def test_images_in_memory_that_may_not_be_written_are_taken(model_file):
    batch = np.random.default_rng(0).standard_normal((1, 3, 16, 16), dtype=np.float32)
    with engines.build("ov", small_request(model_file)) as engine:
        expected = engine.infer(batch)
        batch.flags.writeable = False
        np.testing.assert_array_equal(engine.infer(batch), expected)
        tall = np.repeat(batch, 2, axis=2)[:, :, ::2]
        assert not tall.flags.c_contiguous
        np.testing.assert_array_equal(engine.infer(tall), expected)


def test_infinite_logits_are_a_device_error(tmp_path):
    def explode(model):
        weight = next(tensor for tensor in model.graph.initializer if tensor.name == "w3")
        weight.CopyFrom(onnx.numpy_helper.from_array(np.full((4, 32), 3e38, np.float32), "w3"))

    batch = np.random.default_rng(0).standard_normal((1, 3, 16, 16), dtype=np.float32)
    request = small_request(make_model(tmp_path / "m.onnx", change=explode))
    with engines.build("ov", request) as engine, pytest.raises(DeviceError, match="NaN or infinite"):
        engine.infer(batch)


def test_a_nan_is_swallowed_by_the_runtime_and_only_told_by_the_others(model_file):
    """OpenVINO's Relu turns NaN into 0: what this engine answers for such a batch looks like any answer."""
    batch = np.zeros((1, 3, 16, 16), np.float32)
    batch[0, 0, 8, 8] = np.nan
    with engines.build("ort", small_request(model_file)) as ort, pytest.raises(DeviceError, match="NaN or infinite"):
        ort.infer(batch)
    with engines.build("ov", small_request(model_file)) as engine:
        assert np.isfinite(engine.infer(batch)).all()


def test_neither_the_engines_import_openvino_nor_does_openvino_report_itself(model_file, tmp_path):
    code = f"""
import sys
from seatrial import engines
assert "openvino" not in sys.modules
request = engines.BuildRequest(open({str(model_file)!r}, "rb").read(), "input", "logits", (3, 16, 16), 4)
engines.build("openvino", request).close()
assert "openvino" in sys.modules and "openvino_telemetry" not in sys.modules
import openvino_telemetry
"""
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert not (tmp_path / "intel").exists()


def test_what_was_pinned_is_described(model_file):
    with engines.build("ov", small_request(model_file, precision="int8")) as engine:
        described = json.loads(json.dumps(engine.describe()))
    assert described["settings"]["INFERENCE_PRECISION_HINT"] == "f32"
    assert described["settings"]["INFERENCE_NUM_THREADS"] == described["threads"] == 1
    assert described["settings"]["NUM_STREAMS"] == 1


@pytest.mark.parametrize("name", ["cifar10_resnet20", "imagenet_mobilenet_v1_075"])
def test_latency_beside_onnxruntime_is_reported(shared, name):
    model, quantized = load(shared, name), int8_of(shared, name)
    with (
        engines.build("ort", request_of(model)) as ort,
        engines.build("ov", request_of(model)) as ov,
        engines.build("ov", request_of(quantized, "int8")) as ov_int8,
    ):
        built = {"onnxruntime fp32": ort, "openvino fp32": ov, "openvino int8": ov_int8}
        tensors = [model.contract.normalise(image[None]) for image in labelled(shared, MODELS[name][0], "test")[0][:8]]
        samples = {query: [] for query in built}
        for _ in range(12):
            for (query, engine), tensor in itertools.product(built.items(), tensors):
                begin = time.perf_counter_ns()
                engine.infer(tensor)
                samples[query].append(time.perf_counter_ns() - begin)
    print(name, {query: f"p50 {np.median(times) / 1e6:.3f} ms" for query, times in samples.items()})
    assert all(len(times) == 96 for times in samples.values())

"""The int8 recipe on the real models: what ONNX Runtime runs in integers, and what is left of the accuracy."""

import dataclasses

import numpy as np
import pytest
from small_graphs import Images

from seatrial import calib, engines, exporters
from seatrial.calib.integer import sensitivity
from seatrial.calib.observe import session_for
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.quantizers import Request, quantizer_for
from seatrial.calib.sensitivity import signal_to_noise
from seatrial.calib.warn import kept_float_of, warnings_of
from seatrial.errors import UnsupportedError, UsageError
from seatrial.exporters.presets import PRESETS
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.pipeline.reader import SourceReader

HALF = (0.5, 0.5, 0.5)
IMAGENET = PRESETS["imagenet"]
MODELS = {
    "cifar10_resnet20": ("cifar10/calib.npz", "cifar10/test.npz", PRESETS["cifar10"]),
    "cifar10_resnet56": ("cifar10/calib.npz", "cifar10/test.npz", PRESETS["cifar10"]),
    "gtsrbnet64": ("gtsrb/calib", "gtsrb/test", exporters.ContractOptions(size=(64, 64), mean=HALF, std=HALF)),
    "imagenet_mobilenet_v1_075": (
        "imagenet/calib",
        "imagenet/val",
        dataclasses.replace(IMAGENET, mean=HALF, std=HALF),
    ),
    "imagenet_squeezenet1_1": ("imagenet/calib", "imagenet/val", IMAGENET),
}
RECIPE = calib.chosen_recipe("onnxruntime", "int8")
COARSE = dataclasses.replace(RECIPE, per_channel=False)  # where layers differ in what they lose


def load(shared, name):
    return exporters.load(shared / f"models/{name}.onnx", contract=MODELS[name][2])


def images_of(shared, name, model, part, count):
    """(uint8 images, labels) of the calibration (0) or the test data (1)."""
    path = shared / "data" / MODELS[name][part]
    classes = shared / "data/imagenet/classes.csv" if "imagenet" in name else None
    chosen = select(open_source(path, model.classes, labeller(model.classes, None, classes)), seed=0, limit=count)
    return SourceReader(chosen, model.contract).read(0, len(chosen)), chosen.labels


def quantize(model, images, recipe=RECIPE, **options):
    asked = QuantizeOptions(**options)
    return quantizer_for(recipe, asked)(Request(model, recipe, Images(images=images), asked))


def built(model, precision="int8"):
    request = engines.BuildRequest(
        model.onnx_bytes, model.input_name, model.output_name, model.contract.tensor_shape, model.classes, precision
    )
    return engines.build("onnxruntime", request)


def top1(model, images, labels):
    with built(model) as engine:
        answers = [engine.infer(model.contract.normalise(part)) for part in np.array_split(images, 10)]
    return float((np.concatenate(answers).argmax(axis=1) == labels).mean())


def scores(model, images):
    session = session_for(model.proto)
    parts = np.array_split(images, 4)
    return np.concatenate([session.run(None, {model.input_name: model.contract.normalise(p)})[0] for p in parts])


@pytest.mark.parametrize("name", MODELS)
def test_nearly_all_of_every_model_runs_in_int8(shared, name):
    model = load(shared, name)
    images, _ = images_of(shared, name, model, 0, 32)
    quantized = quantize(model, images)
    with built(quantized) as engine:
        assert engine.audit().share_as_requested() >= 0.95
    assert len(quantized.onnx_bytes) < 0.36 * len(model.onnx_bytes)
    assert warnings_of(quantized) == ()


@pytest.mark.parametrize(("name", "loss"), [("cifar10_resnet20", 0.01), ("gtsrbnet64", 0.01)])
@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy", "mse"])
def test_accuracy_is_kept_by_every_range_method(shared, name, loss, ranges):
    model = load(shared, name)
    quantized = quantize(model, images_of(shared, name, model, 0, 128)[0], ranges=ranges)
    images, labels = images_of(shared, name, model, 1, 880)
    assert top1(quantized, images, labels) >= top1(model, images, labels) - loss


def test_minmax_is_as_near_to_float_as_onnxruntimes(shared):
    for name in ("cifar10_resnet20", "gtsrbnet64"):
        model = load(shared, name)
        images, _ = images_of(shared, name, model, 0, 128)
        unseen, _ = images_of(shared, name, model, 1, 128)
        exact = scores(model, unseen)
        ours, theirs = (
            signal_to_noise(exact, scores(quantize(model, images, quantizer=quantizer), unseen))
            for quantizer in ("seatrial", "onnxruntime")
        )
        assert ours > theirs - 0.5
        assert ours > 25


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy"])
def test_onnxruntimes_quantizer_takes_its_own_ranges(shared, ranges, capsys):
    model = load(shared, "cifar10_resnet20")
    images, _ = images_of(shared, "cifar10_resnet20", model, 0, 9)
    quantized = quantize(model, images, quantizer="onnxruntime", ranges=ranges)
    assert quantized.precision == "int8"
    assert capsys.readouterr().out == ""


def test_onnxruntimes_ranges_differ_by_method(shared):
    model = load(shared, "cifar10_resnet20")
    images, _ = images_of(shared, "cifar10_resnet20", model, 0, 9)
    asked = [{}, {"ranges": "entropy"}, {"ranges": "percentile"}, {"ranges": "percentile", "percentile": 99.0}]
    found = {quantize(model, images, quantizer="onnxruntime", **options).digest for options in asked}
    assert len(found) == 4


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"ranges": "mse"}, "--ranges mse"),
        ({"equalize": True}, "--equalize"),
        ({"bias_correction": True}, "--bias-correction"),
        ({"keep_float_below_db": 20.0}, "--keep-float-below-db"),
    ],
)
def test_onnxruntimes_quantizer_refuses_what_it_does_not_have(shared, options, flag):
    model = load(shared, "cifar10_resnet20")
    with pytest.raises(UnsupportedError, match=flag):
        quantize(model, np.zeros((4, 32, 32, 3), np.uint8), quantizer="onnxruntime", **options)


def test_onnxruntimes_quantizer_keeps_named_nodes_in_float(shared):
    model = load(shared, "cifar10_resnet20")
    images, _ = images_of(shared, "cifar10_resnet20", model, 0, 4)
    name = next(node.name for node in model.proto.graph.node if node.op_type == "Conv")
    with built(quantize(model, images, quantizer="onnxruntime", keep_float=(name,))) as engine:
        assert 0 < engine.audit().share_as_requested() < 1
    with pytest.raises(UsageError, match="there is no node 'convolution'"):
        quantize(model, images, quantizer="onnxruntime", keep_float=("convolution",))


@pytest.fixture(scope="module")
def mobilenet(shared):
    """(model, calibration images, unseen images): few, since every quantization runs the model on them."""
    name = "imagenet_mobilenet_v1_075"
    model = load(shared, name)
    return model, images_of(shared, name, model, 0, 16)[0], images_of(shared, name, model, 1, 16)[0]


@pytest.mark.parametrize(("option", "gain"), [("equalize", -0.5), ("bias_correction", 3.0)])
def test_equalizing_leaves_and_correcting_biases_brings_a_mobilenet_nearer_to_float(mobilenet, option, gain):
    model, images, unseen = mobilenet
    exact = scores(model, unseen)
    before, after = (
        signal_to_noise(exact, scores(quantize(model, images, **{option: on}), unseen)) for on in (False, True)
    )
    assert after >= before + gain


def test_keeping_the_most_sensitive_layers_float_wins_signal_back(shared):
    model = load(shared, "cifar10_resnet20")
    images, _ = images_of(shared, "cifar10_resnet20", model, 0, 32)
    unseen, labels = images_of(shared, "cifar10_resnet20", model, 1, 1000)
    found = sensitivity(Request(model, COARSE, Images(images=images), QuantizeOptions()))
    limit = found[3][1]
    plain, kept = (quantize(model, images, COARSE, **options) for options in ({}, {"keep_float_below_db": limit}))
    assert sorted(n for n, why in kept_float_of(kept).items() if "dB" in why) == sorted(name for name, _ in found[:3])
    exact = scores(model, unseen)
    assert signal_to_noise(exact, scores(kept, unseen)) > signal_to_noise(exact, scores(plain, unseen)) + 1
    # Labels are the coarser measure: of 1000 images a handful changes sides by chance.
    assert top1(kept, unseen, labels) >= top1(plain, unseen, labels) - 0.005

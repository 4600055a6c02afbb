"""Faults put into real files, images and flags: each run must say that something is wrong, and what."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import bench
from onnx import numpy_helper
from quick_timing import untimed

from seatrial.harness.conditions import make_condition
from seatrial.harness.conditions.kinds.protocol import World

WRONG = {"REGRESSION", "ANOMALOUS"}
IMAGES, CALIBRATION = 400, 400
LIKELY = 0.5


@dataclasses.dataclass(frozen=True)
class Place:
    """A model, its images and the folder of a module's runs. flags: how it is fed."""

    root: Path
    model: Path
    flags: tuple[str, ...]
    data: Path
    calib: Path
    int8: Path

    def run(self, name: str, *words: object, **given: Path) -> dict[str, Any]:
        """The summary of a run of `given` model, data and calib, else of the sound ones."""
        model, data = given.get("model", self.model), given.get("data", self.data)
        out = self.root / "runs" / name
        flags = ["--model", model, "--data", data, *self.flags, "--bits", 8, "--out", out]
        if not given.get("shipped"):
            flags += ["--calib", given.get("calib", self.calib)]
        if "released" not in given:
            flags += ["--conditions", "clean"]
        done = bench([*flags, *words])
        assert done.returncode in (0, 1), done.stderr
        summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
        return summary

    def shipped(self, name: str, change: Callable[[onnx.ModelProto], None]) -> dict[str, Any]:
        """The summary of a run of the quantized file with a change, against the float model."""
        path = changed(self.int8, self.root / f"{name}.onnx", change)
        return self.run(name, "--float-model", self.model, model=path, shipped=path)


def further(*values: object) -> Any:
    """A case like one that every run of the tests has: `make long` has them all."""
    return pytest.param(*values, marks=pytest.mark.long)


def must_say(summary: dict[str, Any], *causes: str) -> None:
    """The run is called wrong, and one of the causes is among its first two findings."""
    first = [finding["cause"] for finding in untimed(summary["findings"])[:2]]
    assert summary["gate"]["verdict"] in WRONG, (summary["gate"]["reasons"], first)
    assert set(first) & set(causes), summary["findings"]
    for finding in summary["findings"]:
        assert finding["command"] is None or shlex.split(finding["command"])[:2] == ["python", "bench.py"]
        assert finding["says"]
        assert finding["remedy"]


def changed(source: Path, path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    proto = onnx.load(source)
    change(proto)
    onnx.save(proto, path)
    return path


def constant(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def put(tensor: onnx.TensorProto, value: np.ndarray) -> None:
    old = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(value.astype(old.dtype).reshape(old.shape), tensor.name))


def archive(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    np.savez(path, images=images, labels=labels)
    return path


def quantized(root: Path, model: Path, flags: tuple[str, ...], calib: Path, *more: object) -> Path:
    path = root / "int8.onnx"
    done = bench(["quantize", "--model", model, *flags, "--calib", calib, "--bits", 8, "--out", path, *more])
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def cifar(shared, tmp_path_factory) -> Place:
    root = tmp_path_factory.mktemp("cifar")
    model, flags = shared / "models/cifar10_resnet20.onnx", ("--preset", "cifar10")
    test, calib = (np.load(shared / f"data/cifar10/{name}.npz") for name in ("test", "calib"))
    data = archive(root / "test.npz", test["images"][:IMAGES], test["labels"][:IMAGES])
    step = len(calib["labels"]) // CALIBRATION
    images = archive(root / "calib.npz", calib["images"][::step], calib["labels"][::step])
    return Place(root, model, flags, data, images, quantized(root, model, flags, images))


def convolution(proto: onnx.ModelProto, index: int) -> tuple[onnx.NodeProto, dict[str, onnx.NodeProto]]:
    """The n-th one, and what makes each value."""
    producers = {name: node for node in proto.graph.node for name in node.output}
    return [node for node in proto.graph.node if node.op_type == "Conv"][index], producers


def weights(proto: onnx.ModelProto, index: int) -> onnx.TensorProto:
    node, producers = convolution(proto, index)
    maker = producers.get(node.input[1])
    return constant(proto, node.input[1] if maker is None else maker.input[0])


def scales(proto: onnx.ModelProto, factor: float, index: int) -> None:
    """The scale of the n-th value that is rounded."""
    producers = {name for node in proto.graph.node for name in node.output}
    nodes = [node for node in proto.graph.node if node.op_type == "QuantizeLinear" and node.input[0] in producers]
    tensor = constant(proto, nodes[index].input[1])
    put(tensor, numpy_helper.to_array(tensor) * np.float32(factor))


def perturbed(proto: onnx.ModelProto, index: int) -> None:
    """Each weight by up to half of the layer's usual size."""
    tensor = weights(proto, index)
    value = numpy_helper.to_array(tensor).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.5, value.shape) * value.std()
    put(tensor, np.clip(np.rint(value + noise), -127, 127))


@pytest.mark.parametrize("index", [5, further(9)])
def test_a_layer_whose_weights_are_off_by_half(cifar, index):
    must_say(cifar.shipped(f"weights{index}", lambda proto: perturbed(proto, index)), "layer")


def test_a_scale_that_is_twenty_times_too_large(cifar):
    must_say(cifar.shipped("scale", lambda proto: scales(proto, 20, 8)), "layer")


def test_a_scale_that_is_an_eighth_of_what_it_should_be_saturates(cifar):
    must_say(cifar.shipped("saturating", lambda proto: scales(proto, 1 / 8, 8)), "saturation")


@pytest.mark.long
def test_a_layer_of_zeros(cifar):
    def change(proto):
        tensor = weights(proto, 9)
        put(tensor, numpy_helper.to_array(tensor) * 0)

    must_say(cifar.shipped("zeros", change), "layer")


@pytest.mark.long
def test_a_bias_of_zeros(cifar):
    def change(proto):
        node, producers = convolution(proto, 9)
        tensor = constant(proto, producers[node.input[2]].input[0])
        put(tensor, numpy_helper.to_array(tensor) * 0)

    must_say(cifar.shipped("bias", change), "layer")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("near-black", lambda images: images // 32),
        further("darker", lambda images: (images * 0.75).astype(np.uint8)),
        further("swapped", lambda images: images[..., ::-1]),
    ],
)
def test_calibration_images_unlike_the_tested_ones(cifar, name, change):
    with np.load(cifar.calib) as stored:
        calib = archive(cifar.root / f"{name}.npz", change(stored["images"]), stored["labels"])
    must_say(cifar.run(name, calib=calib), "calibration-images")


def test_the_other_colour_order(cifar):
    must_say(cifar.run("bgr", "--color", "bgr"), "contract-colour")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("half", ("--mean", 0.5, "--std", 0.5)),
        further("unscaled", ("--divisor", 1, "--mean", 0, "--std", 1)),
        further("unnormalised", ("--mean", 0, "--std", 1)),
    ],
)
def test_other_statistics_than_the_model_was_trained_with(cifar, name, words):
    must_say(cifar.run(name, *words), "contract-statistics")


@pytest.mark.parametrize(("name", "classes"), [("exchanged", (3, 7)), further("rotated", (1, 4, 8))])
def test_classes_in_another_order(cifar, name, classes):
    with np.load(cifar.data) as stored:
        images, labels = stored["images"], stored["labels"]
    renamed = labels.copy()
    for label, other in zip(classes, (*classes[1:], classes[0]), strict=True):
        renamed[labels == label] = other
    data = archive(cifar.root / f"{name}.npz", images, renamed)
    must_say(cifar.run(name, data=data), "label-order")


@pytest.mark.parametrize(("index", "channel"), [further(3, 2), (16, 40)])
def test_a_channel_of_the_float_model_that_is_fifty_times_too_large(cifar, index, channel):
    def change(proto):
        tensor = weights(proto, index)
        value = numpy_helper.to_array(tensor).copy()
        value[channel] *= 50
        put(tensor, value)

    model = changed(cifar.model, cifar.root / f"channel{index}.onnx", change)
    must_say(cifar.run(f"channel{index}", model=model), "channel", "damaged-reference")


@pytest.mark.long
def test_a_dead_layer_of_the_float_model(cifar):
    def change(proto):
        tensor = weights(proto, 9)
        put(tensor, numpy_helper.to_array(tensor) * 0)

    must_say(cifar.run("dead", model=changed(cifar.model, cifar.root / "dead.onnx", change)), "damaged-reference")


@pytest.fixture(scope="module")
def released(cifar) -> Path:
    """Files like CIFAR-10-C's, without any clean image."""
    folder = cifar.root / "CIFAR-10-C"
    folder.mkdir()
    with np.load(cifar.data) as stored:
        images, labels = stored["images"][:200], stored["labels"][:200]
    ids = [f"{index:06d}" for index in range(len(images))]
    for name in ("gaussian_noise", "fog", "pixelate", "brightness", "contrast"):
        parts = [
            make_condition(f"corruption/{name}@{severity}", World()).apply(images, ids, 0) for severity in range(1, 6)
        ]
        np.save(folder / f"{name}.npy", np.concatenate(parts))
    np.save(folder / "labels.npy", np.tile(labels, 5).astype(np.uint8))
    return folder


def test_a_released_corrupted_set_and_near_black_calibration_images(cifar, released):
    with np.load(cifar.calib) as stored:
        calib = archive(cifar.root / "black.npz", stored["images"] // 32, stored["labels"])
    summary = cifar.run("released-black", data=released, calib=calib, released=released)
    must_say(summary, "calibration-images")
    assert "clean" not in summary["targets"][0]["conditions"]


@pytest.mark.long
def test_a_released_corrupted_set_in_the_other_colour_order(cifar, released):
    must_say(cifar.run("released-bgr", "--color", "bgr", data=released, released=released), "contract-colour")


@pytest.mark.long
def test_a_released_corrupted_set_without_a_fault(cifar, released):
    assert_unsuspected(cifar.run("released", data=released, released=released))


def assert_unsuspected(summary: dict[str, Any]) -> None:
    likely = [finding["cause"] for finding in untimed(summary["findings"]) if finding["likelihood"] > LIKELY]
    assert (summary["gate"]["verdict"] in WRONG, likely) == (False, []), summary["gate"]["reasons"]


@pytest.mark.parametrize("seed", [0, *map(further, range(1, 10))])
def test_nothing_is_found_where_nothing_is_wrong(cifar, shared, seed):
    data = shared / "data/cifar10/test.npz"
    assert_unsuspected(cifar.run(f"sound{seed}", "--seed", seed, "--limit", 200, "--calib-limit", 200, data=data))


def test_a_finished_run_is_judged_the_same_without_engines(cifar):
    out = cifar.root / "runs" / "again"
    before = cifar.run("again", "--color", "bgr")
    done = bench(["report", out])
    assert done.returncode in (0, 1), done.stderr
    after = json.loads((out / "summary.json").read_text())
    assert before["findings"] == after["findings"]
    (out / "findings.json").unlink()
    bench(["report", out])
    assert untimed(json.loads((out / "summary.json").read_text())["findings"]) == []


@pytest.fixture(scope="module")
def mobilenet(shared, tmp_path_factory) -> Place:
    root = tmp_path_factory.mktemp("mobilenet")
    model, data, calib = shared / "models/imagenet_mobilenet_v1_075.onnx", shared / "data/imagenet/val", "calib"
    flags = ("--preset", "imagenet-inception", "--classes", str(shared / "data/imagenet/classes.csv"))
    images = shared / "data/imagenet" / calib
    int8 = quantized(root, model, flags, images, "--calib-limit", 32)
    return Place(root, model, (*flags, "--calib-limit", "64"), data, images, int8)


@pytest.mark.long
def test_mobilenet_fed_in_the_other_colour_order(mobilenet):
    must_say(mobilenet.run("bgr", "--color", "bgr"), "contract-colour")


@pytest.mark.long
def test_mobilenet_with_a_scale_that_is_twenty_times_too_large(mobilenet):
    must_say(mobilenet.shipped("scale", lambda proto: scales(proto, 20, 12)), "layer")


@pytest.mark.long
def test_mobilenet_calibrated_on_near_black_images(mobilenet, shared, tmp_path):
    from PIL import Image

    for path in sorted((shared / "data/imagenet/calib").rglob("*.[jJ]*"))[:64]:
        dark = Image.open(path).convert("RGB").point(lambda value: value // 32)
        (tmp_path / "dark").mkdir(exist_ok=True)
        dark.save(tmp_path / "dark" / f"{path.stem}.png")
    must_say(mobilenet.run("black", calib=tmp_path / "dark"), "calibration-images")

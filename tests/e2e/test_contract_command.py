"""`bench.py contract` as a user types it: real models whose contract is withheld, or declared wrongly or rightly."""

import json
import re

import numpy as np
import onnx
import pytest
from conftest import bench
from onnx import TensorProto, helper, numpy_helper

from seatrial.exporters.contract import InputContract, embed

# Model -> its data, how many images suffice, and what it was made for.
MODELS = {
    "cifar10_resnet20": ("cifar10/test.npz", 500, "ImageNet", "none"),
    "cifar10_resnet56": ("cifar10/test.npz", 200, "ImageNet", "none"),
    "gtsrbnet64": ("gtsrb/test", 430, "-1..1", "exact"),
    "imagenet_mobilenet_v1_075": ("imagenet/val", 64, "-1..1", "short-side"),
    "imagenet_squeezenet1_1": ("imagenet/val", 64, "ImageNet", "short-side"),
}
LONG = ("cifar10_resnet56", "imagenet_mobilenet_v1_075", "imagenet_squeezenet1_1")
HALF = ["--mean", "0.5", "--std", "0.5"]


def contract_command(shared, tmp_path, name, *flags, model=None, status=0):
    data, limit, *_ = MODELS[name]
    words = ["contract", "--model", model or shared / f"models/{name}.onnx", "--data", shared / "data" / data]
    words += ["--limit", limit, "--json", tmp_path / "found.json", *flags]
    if name.startswith("imagenet"):
        words += ["--classes", shared / "data/imagenet/classes.csv"]
    done = bench(words)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads((tmp_path / "found.json").read_text()), re.sub(r"\s+", " ", done.stdout)


def scaling(found):
    named = found["stages"][0]["named"]
    return next(row["numbers"] for row in found["stages"][0]["candidates"] if row["contract"] == named)


def rewire(source, out, *, scale, shift, swap=False, uint8=False):
    """The same network behind another input: what is fed, channels swapped if asked, times scale, plus shift."""
    model = onnx.load(source)
    graph = model.graph
    name = graph.input[0].name
    for node in graph.node:
        for index, value in enumerate(node.input):
            if value == name:
                node.input[index] = "made"
    order = np.array([2, 1, 0] if swap else [0, 1, 2])
    for key, values in (("scale", scale), ("shift", shift)):
        array = np.broadcast_to(np.asarray(values, np.float32), 3).reshape(1, 3, 1, 1)
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), key))
    graph.initializer.append(numpy_helper.from_array(order, "order"))
    nodes = [
        helper.make_node("Cast", [name], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["float", "order"], ["ordered"], axis=1),
        helper.make_node("Mul", ["ordered", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["made"]),
    ]
    for node in reversed(nodes):
        graph.node.insert(0, node)
    if uint8:
        graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, out)
    return out


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in MODELS]
)
def test_a_withheld_contract_is_found(shared, tmp_path, name):
    _, limit, numbers, resize = MODELS[name]
    found, said = contract_command(shared, tmp_path, name)
    best = found["best"]["contract"]
    assert (best["color"], scaling(found), best["resize"]) == ("rgb", numbers, resize)
    assert best["resize_to"] == (256 if resize == "short-side" else None)
    assert found["verdict"] == "ok"
    assert found["declared"] is None
    assert found["data"]["images"] == limit
    assert found["inferences"] < found["full_grid"]
    assert "Warning" not in said
    assert (
        f"bench.py export --model {shared}/models/{name}.onnx --out FILE.onnx {' '.join(found['best']['flags'])}"
        in said
    )
    if resize == "none":
        assert "how others must be resized cannot be told" in said


@pytest.mark.parametrize(
    ("name", "flags", "factor", "declared", "best"),
    [
        ("gtsrbnet64", ["--size", 64, *HALF, "--color", "bgr"], "color", "bgr", "rgb"),
        pytest.param(*("gtsrbnet64", ["--size", 64, "--mean", 0], "numbers", "0..1", "-1..1"), marks=pytest.mark.long),
        ("cifar10_resnet20", ["--size", 32, "--resize", "none", *HALF], "numbers", "-1..1", "ImageNet"),
    ],
)
def test_a_wrong_declaration_is_called_wrong_with_the_right_one(shared, tmp_path, name, flags, factor, declared, best):
    found, said = contract_command(shared, tmp_path, name, *flags, status=1)
    (deviation,) = found["deviations"]
    assert (deviation["factor"], deviation["declared"], deviation["best"]) == (factor, declared, best)
    assert found["verdict"] == "declared contract is worse"
    low, high = deviation["interval"]
    assert 0 < low < deviation["delta"] < high
    assert f"declared {declared}, the model wants {best}: " in said
    assert "Warning: the declared contract is worse" in said
    assert scaling(found) == MODELS[name][2]
    assert found["best"]["contract"]["color"] == "rgb"


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("cifar10_resnet20", ["--preset", "cifar10"]),
        pytest.param("gtsrbnet64", ["--size", 64, *HALF], marks=pytest.mark.long),
    ],
)
def test_a_right_declaration_passes_and_is_kept(shared, tmp_path, name, flags):
    found, said = contract_command(shared, tmp_path, name, *flags)
    assert found["verdict"] == "ok"
    assert found["best"]["contract"] == found["declared"]
    assert found["deviations"] == []
    assert "Warning" not in said


def test_a_network_for_bgr_and_raw_values_with_its_mean_taken_off(shared, tmp_path):
    mean = np.array([103.939, 116.779, 123.68])
    # -1..1 of RGB from BGR minus the mean: ((fed + mean) / 255 - 0.5) / 0.5, channels swapped
    model = rewire(
        shared / "models/gtsrbnet64.onnx",
        tmp_path / "caffe.onnx",
        scale=2 / 255,
        shift=mean[::-1] * 2 / 255 - 1,
        swap=True,
    )
    found, _ = contract_command(shared, tmp_path, "gtsrbnet64", model=model)
    assert (found["best"]["contract"]["color"], scaling(found)) == ("bgr", "Caffe")


def test_a_uint8_input_leaves_colour_and_geometry(shared, tmp_path):
    model = rewire(
        shared / "models/gtsrbnet64.onnx", tmp_path / "raw.onnx", scale=2 / 255, shift=-1, swap=True, uint8=True
    )
    found, _ = contract_command(shared, tmp_path, "gtsrbnet64", model=model)
    assert [row["color"] for row in found["stages"][0]["candidates"]] == ["rgb", "bgr"]
    best = found["best"]["contract"]
    assert (best["color"], best["dtype"], best["divisor"], best["resize"]) == ("bgr", "uint8", 1, "exact")
    assert "--mean" not in found["best"]["flags"]


def test_a_carried_contract_is_what_is_declared(shared, tmp_path):
    model = onnx.load(shared / "models/gtsrbnet64.onnx")
    embed(model, InputContract((64, 64), "exact", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)), [])
    path = tmp_path / "carries[bold].onnx"
    onnx.save(model, path)
    found, said = contract_command(shared, tmp_path, "gtsrbnet64", model=path, status=1)
    assert [deviation["factor"] for deviation in found["deviations"]] == ["numbers"]
    assert "scaling: declared ImageNet, the model wants -1..1" in said
    assert "carries[bold].onnx" in said  # a name is no markup


def test_labels_of_other_classes_name_no_winner(shared, tmp_path):
    with np.load(shared / "data/cifar10/test.npz") as data:
        labels = np.random.default_rng(0).permutation(data["labels"][:400])
        np.savez(tmp_path / "mixed.npz", images=data["images"][:400], labels=labels)
    words = ["contract", "--model", shared / "models/cifar10_resnet20.onnx", "--data", tmp_path / "mixed.npz"]
    done = bench([*words, "--json", tmp_path / "found.json"])
    assert done.returncode == 2
    assert "better than chance" in done.stdout
    assert "Best:" not in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["verdict"], found["best"]) == ("near chance", None)


def test_it_needs_images_and_lists_its_flags(model_file):
    done = bench(["contract", "--model", model_file])
    assert done.returncode == 2
    assert "--data" in done.stderr
    assert "--limit" in bench(["contract", "--help"]).stdout

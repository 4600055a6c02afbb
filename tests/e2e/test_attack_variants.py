"""Attacks in a run with variants: each through its own contract, on its own gradients, and told of side by side."""

import dataclasses
import io
import json

import numpy as np
import pytest
from conftest import bench, make_folders, make_model
from onnx import helper, numpy_helper
from onnx_files import brevitas_style
from quick_timing import QUICK_TIMING
from trial_files import trials

from seatrial import exporters
from seatrial.artefacts import read_artefact
from seatrial.exporters.contract import embed

pytest.importorskip("torch")

OWN = ("fgsm-linf", "pgd-linf")
IDS = [f"attack/{name}@{eps}*" for name in OWN for eps in (2, 8)]


def other_tensor(path):
    """The small model again, for images that are BGR, channels last, 0 to 255 less a mean."""
    numbers = exporters.load(path.parent / "m.onnx", contract=exporters.ContractOptions(size=(16, 16))).contract
    mean = (103.0, 116.0, 123.0)

    def change(model):
        graph = model.graph
        weights = next(tensor for tensor in graph.initializer if tensor.name == "w1")
        swapped = numpy_helper.to_array(weights)[:, ::-1].copy()
        weights.CopyFrom(numpy_helper.from_array(swapped, "w1"))
        base_mean, base_std = (
            np.array(one, np.float32)[::-1].reshape(1, 3, 1, 1) for one in (numbers.mean, numbers.std)
        )
        back = 1 / (np.float32(numbers.divisor) * base_std)
        shift = (np.array(mean, np.float32).reshape(1, 3, 1, 1) / numbers.divisor - base_mean) / base_std
        graph.initializer.append(numpy_helper.from_array(back.astype(np.float32), "back"))
        graph.initializer.append(numpy_helper.from_array(shift.astype(np.float32), "shift"))
        graph.node[0].input[0] = "nchw"
        for place, node in enumerate(
            (
                helper.make_node("Transpose", ["input"], ["t"], perm=[0, 3, 1, 2]),
                helper.make_node("Mul", ["t", "back"], ["scaled"]),
                helper.make_node("Add", ["scaled", "shift"], ["nchw"]),
            )
        ):
            graph.node.insert(place, node)
        sides = graph.input[0].type.tensor_type.shape.dim
        for side, extent in zip(sides[1:], (16, 16, 3), strict=True):
            side.dim_value = extent
        own = dataclasses.replace(numbers, divisor=1.0, mean=mean, std=(1.0,) * 3, color="bgr", layout="nhwc")
        embed(model, own, list("abcd"))

    return make_model(path, change=change)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    root = tmp_path_factory.mktemp("variants")
    model, data = make_model(root / "m.onnx"), make_folders(root / "test")
    again, lsq = other_tensor(root / "again.onnx"), brevitas_style(root / "lsq.onnx", weight_bits=4, activation_bits=4)
    words = [
        "--advisory",
        "--model",
        model,
        "--size",
        16,
        "--data",
        data,
        "--target",
        "onnxruntime/fp32",
        *QUICK_TIMING,
    ]
    words += ["--variant", f"again={again}", "--variant", f"lsq={lsq}"]
    words += [word for one in IDS for word in ("--conditions", one)]
    return run([*words, "--out", root / "run"], root), root, words


def run(words, root):
    done = bench(words, SEATRIAL_CACHE=str(root / "cache"))
    assert done.returncode == 0, done.stderr
    return done


def block_of(root):
    return json.loads((root / "run/summary.json").read_text(encoding="utf-8"))["attacks"]


def answered(root):
    return {name: set(target["conditions"]) for name, target in block_of(root)["targets"].items()}


def test_each_variant_is_attacked_on_its_own_file(attacked):
    _, root, _ = attacked
    targets = block_of(root)["targets"]
    assert {name: target["file"] for name, target in targets.items()} == {
        "onnxruntime/fp32@cpu": "fp32",
        "again:onnxruntime/fp32@cpu": "again",
        "lsq:onnxruntime/sim-w4a4@cpu": "lsq",
    }
    own = {f"attack/{name}@{eps}" for name in OWN for eps in (2, 8)}
    for name, target in targets.items():
        other = "" if target["file"] == "fp32" else f"+{target['file']}"
        white = {one for one, values in target["conditions"].items() if values["white_box"]}
        assert white == {one + other for one in own}
        missing = {one for check in target["masking"]["checks"] for one in check["missing"]}
        assert f"attack/pgd-linf@64{other}" in missing
        if name != "onnxruntime/fp32@cpu":
            assert set(target["conditions"]) == own | white


def test_another_tensor_contract_changes_neither_gradients_nor_images(attacked):
    _, root, _ = attacked
    found = trials(root / "run", "attacks")
    for name in OWN:
        for eps in (2, 8):
            first, second = (changes(root, found["all", f"attack/{name}@{eps}{one}"]) for one in ("", "+again"))
            assert np.abs(first.view(np.int8).astype(int)).max() == eps
            # A gradient next to zero may have either sign.
            assert (first != second).mean() < 0.002


def changes(root, table):
    """What was added to the images, as the cache has it: integers [N, 16, 16, 3]."""
    found = []
    for key in json.loads(table.schema.metadata[b"seatrial.chunks"]):
        kept = read_artefact(next((root / "cache/adversarial").rglob(f"{key}.chunk")))
        with np.load(io.BytesIO(kept.content)) as chunk:
            found.append(chunk["change"])
    return np.concatenate(found)


def test_a_name_asks_every_target_and_a_run_that_is_extended_forgets_nothing(attacked):
    _, root, words = attacked
    before, files = answered(root), {path.name for path in (root / "run/trials").iterdir()}
    assert "attack/pgd-linf@8+lsq" not in before["again:onnxruntime/fp32@cpu"]
    third = make_model(root / "third.onnx", seed=3)
    kept = words[: words.index("--conditions")]
    named = ["--conditions", "attack/pgd-linf@8+lsq", "--variant", f"third={third}"]
    run([*kept, *named, "--out", root / "run"], root)
    asked = answered(root)
    assert asked["again:onnxruntime/fp32@cpu"] == before["again:onnxruntime/fp32@cpu"] | {"attack/pgd-linf@8+lsq"}
    assert asked["third:onnxruntime/fp32@cpu"] >= {"attack/pgd-linf@8+lsq", "attack/pgd-linf@8"}
    trial = block_of(root)["targets"]["again:onnxruntime/fp32@cpu"]["conditions"]["attack/pgd-linf@8+lsq"]
    assert (trial["white_box"], trial["transfer"] is not None) == (False, True)
    assert files < {path.name for path in (root / "run/trials").iterdir()}, "keys hang on no other target"
    run([*words, "--out", root / "run"], root)
    assert answered(root)["again:onnxruntime/fp32@cpu"] == asked["again:onnxruntime/fp32@cpu"]

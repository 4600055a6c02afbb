"""ImageNet-C trees and CIFAR-10-C files as data: made here by the same corruptions, so the answers must be the same."""

import json

import numpy as np
import pytest
from conftest import bench, make_folders, make_model
from PIL import Image
from trial_files import trials

from seatrial.harness.conditions import make_condition
from seatrial.harness.conditions.kinds.protocol import World

NAMES = ("gaussian_noise", "fog")


@pytest.fixture
def world(tmp_path):
    """A model, calibration images, and 12 lossless images as the clean set."""
    rng = np.random.default_rng(7)
    images, labels = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8), np.arange(12) % 4
    np.savez(tmp_path / "clean.npz", images=images, labels=labels)
    make_model(tmp_path / "m.onnx")
    make_folders(tmp_path / "calib", seed=1)
    return tmp_path, images, labels


def corrupted(images, name, severity):
    ids = [f"{index:06d}" for index in range(len(images))]
    return make_condition(f"corruption/{name}@{severity}", World()).apply(images, ids, 0)


def words(root, data, out, *more):
    flags = [
        "--advisory",
        "--model",
        root / "m.onnx",
        "--size",
        16,
        "--calib",
        root / "calib",
        "--data",
        data,
        "--out",
        out,
    ]
    return [*flags, "--conditions", "corruption/gaussian_noise*", "--conditions", "corruption/fog*", *more]


def answers(run, condition):
    table = trials(run)["onnxruntime/int8@cpu", f"corruption/{condition}"].to_pylist()
    return {row["image_id"].rpartition("/")[2][:6]: (row["label"], row["p_top1"]) for row in table}


def test_cifar_10_c_files_answer_as_the_regenerated_images_do(world):
    root, images, labels = world
    released = root / "CIFAR-10-C"
    released.mkdir()
    for name in NAMES:
        np.save(released / f"{name}.npy", np.concatenate([corrupted(images, name, s) for s in range(1, 6)]))
    np.save(released / "labels.npy", np.tile(labels, 5).astype(np.uint8))
    assert bench(words(root, root / "clean.npz", root / "made")).returncode == 0
    done = bench(words(root, released, root / "read"))
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        for severity in range(1, 6):
            assert answers(root / "read", f"{name}@{severity}") == answers(root / "made", f"{name}@{severity}")
    summary = json.loads((root / "read/summary.json").read_text())
    assert "clean" not in summary["targets"][0]["conditions"]
    assert len(summary["targets"][0]["conditions"]) == 10
    assert summary["data"]["released"]
    assert any("came corrupted" in note for note in summary["notes"])


@pytest.mark.parametrize("families", [False, True])
def test_an_imagenet_c_tree_is_read_without_another_resize(world, families):
    root, images, labels = world
    released = root / "imagenet-c"
    for name in NAMES:
        above = released / {"fog": "weather"}.get(name, "noise") if families else released
        for severity in (1, 3):
            for index, image in enumerate(corrupted(images, name, severity)):
                path = above / name / str(severity) / f"class{labels[index]}" / f"{index:06d}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path, quality=85, optimize=True)
    done = bench(words(root, released, root / "read"))
    assert done.returncode == 0, done.stderr
    summary = json.loads((root / "read/summary.json").read_text())
    assert list(summary["targets"][0]["conditions"]) == [
        *("corruption/gaussian_noise@1", "corruption/gaussian_noise@3", "corruption/fog@1", "corruption/fog@3")
    ]
    # The reference: the same JPEGs as plain class folders.
    folder = (released / "weather" if families else released) / "fog/3"
    fp32 = ["--advisory", "--model", root / "m.onnx", "--size", 16, "--resize", "none", "--bits", 32, "--data", folder]
    plain = bench([*fp32, "--conditions", "clean", "--out", root / "plain"])
    assert plain.returncode == 0, plain.stderr
    expected = trials(root / "plain")["onnxruntime/fp32@cpu", "clean"].drop_columns(["condition"]).to_pylist()
    found = trials(root / "read")["onnxruntime/fp32@cpu", "corruption/fog@3"].drop_columns(["condition"]).to_pylist()
    assert found == expected


def test_sets_that_are_not_whole_are_refused(world):
    root, images, labels = world
    released = root / "c"
    released.mkdir()
    np.save(released / "labels.npy", np.tile(labels, 5))
    assert "none of CIFAR-10-C's" in bench(words(root, released, root / "run")).stderr
    np.save(released / "fog.npy", np.concatenate([images] * 4 + [images[:5]]))
    done = bench(words(root, released, root / "run", "--conditions", "corruption/fog@1"))
    assert done.returncode == 2
    np.save(released / "fog.npy", np.zeros((60, 16, 16, 3), np.float32))
    done = bench([*words(root, released, root / "run")[:-4], "--conditions", "corruption/fog@1"])
    assert done.returncode == 2
    assert "expected uint8" in done.stderr
    (released / "fog.npy").write_bytes(b"nothing")
    done = bench([*words(root, released, root / "run")[:-4], "--conditions", "corruption/fog@1"])
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (root / "run").exists()


def test_a_tree_with_a_missing_image_is_refused(world):
    root, images, labels = world
    for severity in (1, 2):
        for index, image in enumerate(images[severity - 1 :]):
            path = root / f"tree/fog/{severity}/class{labels[index]}/{index:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    done = bench([*words(root, root / "tree", root / "run")[:-4], "--conditions", "corruption/fog*"])
    assert done.returncode == 2
    assert "the set is incomplete" in done.stderr

"""Real models on real images: the float reference to the last image, INT8 close to it and truly INT8."""

import json

import pytest
from conftest import bench
from trial_files import trials

RUNS = {
    "cifar10_resnet20": (["--preset", "cifar10"], "cifar10/test.npz", "cifar10/calib.npz", 10_000, 9173, 0.003),
    "gtsrbnet64": (["--size", 64, "--mean", 0.5, "--std", 0.5], "gtsrb/test", "gtsrb/calib", 880, 871, 0.005),
    "imagenet_mobilenet_v1_075": (["--preset", "imagenet-inception"], "imagenet/val", "imagenet/calib", 200, 163, 0.03),
    "imagenet_squeezenet1_1": (["--preset", "imagenet"], "imagenet/val", "imagenet/calib", 200, 120, 0.03),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name.startswith("imagenet") else name for name in RUNS]
)
def test_the_reference_is_exact_and_int8_is_close_and_real(shared, tmp_path, name):
    contract, data, calib, images, right, tolerance = RUNS[name]
    out = tmp_path / "run"
    words = ["--advisory", "--model", shared / f"models/{name}.onnx", *contract, "--data", shared / "data" / data]
    words += ["--calib", shared / "data" / calib, "--conditions", "clean", "--out", out]
    if name.startswith("imagenet"):
        words += ["--classes", shared / "data/imagenet/classes.csv"]
    done = bench(words)
    assert done.returncode == 0, done.stderr
    reference, int8 = json.loads((out / "summary.json").read_text())["targets"]
    assert reference["conditions"]["clean"]["images"] == images
    assert round(reference["conditions"]["clean"]["top1"] * images) == right
    assert abs(int8["conditions"]["clean"]["vs_reference"]["delta"]) <= tolerance
    assert int8["realized"]["int8"] >= 0.95


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long) if name.startswith("imagenet") else name for name in list(RUNS)[1:]],
)
def test_batches_of_any_size_give_the_same_bits(shared, tmp_path, name):

    contract, data, calib, *_ = RUNS[name]
    tables = []
    for size in (1, 5, 32):
        out = tmp_path / f"run{size}"
        words = ["--advisory", "--model", shared / f"models/{name}.onnx", *contract, "--data", shared / "data" / data]
        words += ["--calib", shared / "data" / calib, "--conditions", "corruption/impulse_noise@2", "--limit", 23]
        words += ["--calib-limit", 32, "--batch-size", size, "--workers", size, "--out", out]
        if name.startswith("imagenet"):
            words += ["--classes", shared / "data/imagenet/classes.csv"]
        assert bench(words).returncode == 0
        tables.append(trials(out))
    for other in tables[1:]:
        assert len(other) == len(tables[0]) == 4
        assert all(other[key].equals(table) for key, table in tables[0].items())

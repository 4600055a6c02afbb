"""The command on model files as they come from elsewhere: it ends with figures, or with a clear message."""

import json

import numpy as np
import onnx
import onnxruntime as ort
import pyarrow.parquet as pq
import pytest
from conftest import bench, make_folders, make_model
from onnx_files import (
    brevitas_style,
    changed,
    channels_last,
    external,
    gray,
    gray_channels_last,
    half,
    half_inside,
    normalised_inside,
    old_opset,
    one_output,
    one_probability,
    ort_quantized,
    set_batch,
    softmax,
    two_outputs,
    uint8_channels_last,
    uint8_input,
    without_batch,
    without_classes_axis,
)
from PIL import Image

from seatrial import exporters


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return make_folders(root / "test"), make_folders(root / "calib", images=4, seed=1), root


def run(path, data, out, *more, calib=True):
    words = [
        "--advisory",
        "--model",
        path,
        "--size",
        16,
        "--data",
        data[0],
        "--conditions",
        "clean",
        "--out",
        out,
        *more,
    ]
    return bench([*words, *(["--calib", data[1]] if calib else [])])


def summary(path, data, out, *more, **options):
    done = run(path, data, out, *more, **options)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """What the plain float file gives: every other form of it must give the same."""
    folder = tmp_path_factory.mktemp("plain")
    reference, int8 = summary(make_model(folder / "m.onnx"), data, folder / "run")["targets"]
    return reference, int8


FORMS = {
    "frozen at 5": ([set_batch(5)], []),
    "channels last": ([channels_last], []),
    "uint8": ([uint8_input], []),
    "uint8, channels last, frozen at 3": ([uint8_channels_last, set_batch(3)], []),
    "normalised inside": ([normalised_inside], ["--divisor", 1]),
    "softmax": ([softmax], []),
    "one of two outputs": ([two_outputs], ["--output", "logits"]),
    "without a batch axis": ([without_batch], []),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_model_gives_its_answers_and_real_int8(data, plain, tmp_path, form):
    changes, more = FORMS[form]
    reference, int8 = summary(changed(tmp_path / "m.onnx", *changes), data, tmp_path / "run", *more)["targets"]
    assert reference["conditions"]["clean"]["top1"] == plain[0]["conditions"]["clean"]["top1"]
    assert int8["conditions"]["clean"]["vs_reference"]["agreement"] >= 0.9
    assert int8["realized"]["int8"] >= 0.99


EVERY_ENGINE = ("--engine", "onnxruntime", "--engine", "openvino")


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    root = tmp_path_factory.mktemp("two")
    return make_folders(root / "test", classes=2, images=10), make_folders(root / "calib", classes=2, seed=1), root


@pytest.mark.parametrize("change", [one_output, one_probability, without_classes_axis])
def test_one_number_per_image_is_two_classes_on_every_engine(of_two, tmp_path, change):
    path = changed(tmp_path / "m.onnx", change)
    reference, *others = summary(path, of_two, tmp_path / "run", *EVERY_ENGINE)["targets"]
    # What the file itself says: class 1 above 0, or above 0.5 behind the Sigmoid.
    model = exporters.load(path, contract=exporters.ContractOptions(size=(16, 16), resize="exact"))
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    right, count = 0, 0
    for label, folder in enumerate(sorted(of_two[0].iterdir())):
        for image in sorted(folder.iterdir()):
            pixels = np.asarray(Image.open(image).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR))
            tensor = (pixels.astype(np.float32) / 255).transpose(2, 0, 1)[None]
            answer = session.run(None, {"input": tensor})[0].item()
            right += (answer > (0.5 if change is one_probability else 0)) == label
            count += 1
    assert model.classes == 2
    assert reference["conditions"]["clean"]["top1"] == right / count
    for int8 in others:
        assert int8["conditions"]["clean"]["vs_reference"]["agreement"] >= 0.8
        assert int8["realized"]["int8"] >= 0.99


@pytest.mark.parametrize("change", [gray, gray_channels_last])
def test_one_channel_is_fed_pillows_gray(data, tmp_path, change):
    path = changed(tmp_path / "m.onnx", change)
    found = summary(path, data, tmp_path / "run", *EVERY_ENGINE, "--mean", 0.5, "--std", 0.25)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    right, count = 0, 0
    for label, folder in enumerate(sorted(data[0].iterdir())):
        for image in sorted(folder.iterdir()):
            colour = Image.open(image).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
            plane = (np.asarray(colour.convert("L")).astype(np.float32) / 255 - 0.5) / 0.25
            tensor = plane[None, None] if change is gray else plane[None, :, :, None]
            right += session.run(None, {"input": tensor})[0].argmax() == label
            count += 1
    reference, *others = found["targets"]
    assert found["model"]["contract"]["color"] == "gray"
    assert len(others) == 2
    assert reference["conditions"]["clean"]["top1"] == right / count
    assert all(int8["conditions"]["clean"]["vs_reference"]["agreement"] >= 0.8 for int8 in others)


def test_probabilities_of_the_graph_are_those_in_the_rows(data, tmp_path):
    rows = []
    for name, changes in (("plain", []), ("softmax", [softmax])):
        out = tmp_path / name
        summary(changed(tmp_path / f"{name}.onnx", *changes), data, out, "--bits", 32, calib=False)
        (trial,) = (out / "trials").iterdir()
        rows.append(pq.read_table(trial).to_pydict())
    np.testing.assert_allclose(rows[1]["p_top1"], rows[0]["p_top1"], rtol=1e-4)
    np.testing.assert_allclose(rows[1]["margin"], rows[0]["margin"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("change", [half, half_inside])
def test_float16_files_run_in_float32_and_int8(data, plain, tmp_path, change):
    result = summary(changed(tmp_path / "m.onnx", change), data, tmp_path / "run")
    assert result["model"]["precision"] == "fp16"
    reference, int8 = result["targets"]
    assert reference["realized"] == {"fp32": 1.0}
    assert abs(reference["conditions"]["clean"]["top1"] - plain[0]["conditions"]["clean"]["top1"]) <= 1 / 24
    assert int8["realized"]["int8"] >= 0.99


def test_weights_in_other_files(data, plain, tmp_path):
    result = summary(external(make_model(tmp_path / "m.onnx")), data, tmp_path / "run")
    assert result["targets"][0]["conditions"]["clean"] == plain[0]["conditions"]["clean"]


def test_old_opsets(data, tmp_path):
    reference, int8 = summary(old_opset(tmp_path / "m.onnx", 9), data, tmp_path / "run")["targets"]
    assert reference["conditions"]["clean"]["images"] == 24
    assert int8["realized"]["int8"] >= 0.9


def test_quantization_aware_files_run_as_they_are_without_calibration_images(data, tmp_path):
    result = summary(brevitas_style(tmp_path / "m.onnx"), data, tmp_path / "run", calib=False)
    assert (result["model"]["precision"], result["data"]["calibration"]) == ("int8", None)
    reference, int8 = result["targets"]
    assert (reference["realized"], int8["realized"]) == ({"fp32": 1.0}, {"int8": 1.0})
    audit = json.loads((tmp_path / "run/audit.json").read_text())["targets"]
    assert audit["onnxruntime/int8@cpu"]["model_digest"] == result["model"]["digest"]
    done = run(tmp_path / "m.onnx", data, tmp_path / "other", "--bits", 4, calib=False)
    assert done.returncode == 3


def test_a_real_model_quantized_by_onnx_runtime_runs_as_it_is(shared, tmp_path):
    model = shared / "models/cifar10_resnet20.onnx"
    with np.load(shared / "data/cifar10/calib.npz") as archive:
        images = archive["images"][:256]
    from seatrial import exporters

    contract = exporters.load(model, contract=exporters.ContractOptions(preset="cifar10")).contract
    batches = [contract.normalise(images[start : start + 64]) for start in range(0, len(images), 64)]
    path = ort_quantized(tmp_path / "q.onnx", model, batches)
    words = ["--model", path, "--preset", "cifar10", "--data", shared / "data/cifar10/test.npz", "--limit", 1000]
    done = bench([*words, "--advisory", "--conditions", "clean", "--out", tmp_path / "run"])
    assert done.returncode == 0, done.stderr
    reference, int8 = json.loads((tmp_path / "run/summary.json").read_text())["targets"]
    assert reference["conditions"]["clean"]["top1"] > 0.9
    assert abs(int8["conditions"]["clean"]["vs_reference"]["delta"]) < 0.02
    assert int8["realized"]["int8"] > 0


def test_a_background_class_moves_the_labels(data, tmp_path):
    def thousand_and_one(model):
        for name, shape in (("w3", (1001, 32)), ("b3", (1001,))):
            tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
            values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1001

    path = make_model(tmp_path / "m.onnx", change=thousand_and_one)
    (tmp_path / "names.txt").write_text("\n".join(["class0", "class1", "class2", "class3", *map(str, range(4, 1000))]))
    summary(path, data, tmp_path / "run", "--classes", tmp_path / "names.txt", "--bits", 32, calib=False)
    (trial,) = (tmp_path / "run/trials").iterdir()
    for row in pq.read_table(trial).to_pylist():
        assert row["label"] == int(row["image_id"][len("class")]) + 1


@pytest.mark.parametrize(
    ("make", "more", "code", "says"),
    [
        (lambda path: changed(path, two_outputs), [], 2, "--output NAME"),
        (lambda path: changed(path, two_outputs), ["--output", "probs"], 2, "It has: logits"),
        (lambda path: changed(path, uint8_input), ["--mean", 0.5], 2, "takes uint8 pixels as they are"),
    ],
)
def test_what_cannot_be_meant_ends_clearly(data, tmp_path, make, more, code, says):
    done = run(make(tmp_path / "m.onnx"), data, tmp_path / "run", *more)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr

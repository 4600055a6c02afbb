"""Gray input: Pillow's luma bit for bit, one mean and std, and attacks whose images are gray, too."""

import dataclasses
import doctest
import json

import numpy as np
import onnxruntime as ort
import pytest
from conftest import bench, make_model
from onnx_files import changed, gray, gray_channels_last
from PIL import Image

import seatrial.pixels
import seatrial.scores
from seatrial import exporters
from seatrial.errors import BadInputError, BuildError, UsageError
from seatrial.exporters import InputContract
from seatrial.harness.data import labeller, open_source
from seatrial.harness.pipeline.gray import in_three_channels
from seatrial.harness.pipeline.numbers import NUMBERS, tensor
from seatrial.pixels import luma

SMALL = exporters.ContractOptions(size=(16, 16))
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
GRAY = InputContract((16, 16), color="gray", mean=(0.4,), std=(0.3,))


def pillow(images):
    return np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])


def test_the_examples_hold():
    for module in (seatrial.pixels, seatrial.scores):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed


def test_the_luma_is_pillows_for_all_colours():
    steps = np.arange(0, 256, 3, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 86, 3)
    np.testing.assert_array_equal(luma(colours)[..., 0], pillow(colours))
    grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_array_equal(luma(grays)[:, 0], grays[:, 0])
    np.testing.assert_allclose(luma(grays.astype(np.float32))[:, 0], grays[:, 0], rtol=1e-6)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_one_channel_is_normalised_alike_by_both_ways(layout):
    contract = dataclasses.replace(GRAY, layout=layout)
    expected = (pillow(IMAGES).astype(np.float32) / 255 - np.float32(0.4)) / np.float32(0.3)
    expected = expected[:, None] if layout == "nchw" else expected[..., None]
    np.testing.assert_allclose(contract.normalise(IMAGES), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(contract.look_up(IMAGES, contract.value_table()), contract.normalise(IMAGES))
    assert contract.normalise(IMAGES).shape[1:] == contract.tensor_shape
    for name in NUMBERS:
        if NUMBERS[name].refuses(contract) is None:
            assert tensor(IMAGES, contract, name).shape == (5, *contract.tensor_shape)


def test_one_value_stands_for_all_channels_and_equal_ones_for_one():
    assert InputContract((8, 8), mean=(0.5,), std=(0.25,)) == InputContract((8, 8), mean=(0.5,) * 3, std=(0.25,) * 3)
    contract = InputContract((8, 8), color="gray", mean=(0.5,) * 3)
    assert (contract.mean, contract.std) == ((0.5,), (1.0,))
    assert InputContract.from_dict(contract.to_dict()) == contract
    with pytest.raises(
        UsageError, match=r"One channel \(gray\) takes one mean.*one number each, such as the average, 0.5"
    ):
        InputContract((8, 8), color="gray", mean=(0.4, 0.5, 0.6))


def test_the_files_shape_decides(tmp_path):
    one = changed(tmp_path / "g.onnx", gray)
    assert exporters.load(one, contract=SMALL).contract.color == "gray"
    last = exporters.load(changed(tmp_path / "l.onnx", gray_channels_last), contract=SMALL).contract
    assert (last.color, last.layout, last.tensor_shape) == ("gray", "nhwc", (16, 16, 1))
    with pytest.raises(UsageError, match=r"--color bgr does not fit .*one channel is gray"):
        exporters.load(one, contract=exporters.ContractOptions(size=(16, 16), color="bgr"))
    with pytest.raises(UsageError, match="--color gray does not fit"):
        exporters.load(make_model(tmp_path / "c.onnx"), contract=exporters.ContractOptions(size=(16, 16), color="gray"))
    with pytest.raises(UsageError, match="Give --mean and --std of one number each"):
        exporters.load(one, contract=exporters.ContractOptions(preset="imagenet", size=(16, 16)))


@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 8, 8, 1), (6, 64)])
def test_gray_arrays_are_read_as_gray_rgb(tmp_path, shape):
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(6) % 2)
    source = open_source(tmp_path / "d.npz", 2, labeller(2))
    assert source.image_size == (8, 8)
    for index, payload in source.stream(range(6)):
        assert payload.content.shape == (8, 8, 3)
        np.testing.assert_array_equal(payload.content, np.repeat(images[index].reshape(8, 8, 1), 3, axis=2))


@pytest.mark.parametrize("shape", [(6, 8, 8, 2), (6, 63), (6, 0), (6,)])
def test_arrays_that_are_no_images_are_refused(tmp_path, shape):
    np.savez(tmp_path / "d.npz", images=np.zeros(shape, np.uint8), labels=np.arange(6))
    with pytest.raises(BadInputError, match=r"or gray ones \[N, height, width\]"):
        open_source(tmp_path / "d.npz", 6, labeller(6))


def test_the_contract_search_finds_a_gray_scaling_and_tells_a_wrong_one(tmp_path):
    """Labels are the model's own answers to images fed in -1..1, so that this is the right contract."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (300, 4, 4, 3), np.uint8)
    images = np.stack([np.asarray(Image.fromarray(one).resize((16, 16))) for one in coarse])
    path = changed(tmp_path / "m.onnx", gray)
    plane = pillow(images).astype(np.float32)[:, None] / 127.5 - 1
    labels = ort.InferenceSession(path).run(None, {"input": plane})[0].argmax(1)
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    found = {}
    for name, flags in (("right", ["--mean", 0.5, "--std", 0.5]), ("wrong", ["--divisor", 1])):
        file = tmp_path / f"{name}.json"
        done = bench(["contract", "--model", path, "--data", tmp_path / "d.npz", "--size", 16, "--json", file, *flags])
        found[name] = done.returncode, json.loads(file.read_text())["best"]
        assert "--color gray" in done.stdout
    assert [status for status, _ in found.values()] == [0, 1]
    assert found["right"][1]["top1"] == 1
    assert InputContract.from_dict(found["right"][1]["contract"]).mean == (0.5,)
    assert found["wrong"][1]["contract"]["color"] == "gray"


def test_attacks_change_gray_images_in_gray(tmp_path):
    torch = pytest.importorskip("torch")

    from seatrial.harness.attacks.surrogate import Surrogate

    model = exporters.load(changed(tmp_path / "g.onnx", gray), contract=SMALL)
    surrogate = Surrogate(model)
    x = torch.rand(2, 1, 16, 16)
    logits, _, gradient = surrogate.gradient(x, lambda z: z[:, 0])
    assert gradient.shape == x.shape
    expected = ort.InferenceSession(model.onnx_bytes).run(None, {"input": x.numpy()})[0]
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-4, atol=1e-4)
    # Another network beside it, of three channels: gray is R = G = B.
    colour = Surrogate(exporters.load(make_model(tmp_path / "c.onnx"), contract=SMALL))
    np.testing.assert_allclose(colour.logits(x), colour.logits(x.repeat(1, 3, 1, 1)), rtol=1e-5, atol=1e-5)
    rgb = torch.rand(2, 3, 16, 16)
    gray_of = torch.from_numpy(luma(rgb.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2)
    np.testing.assert_allclose(surrogate.logits(rgb), surrogate.logits(gray_of), rtol=1e-5, atol=1e-5)


def test_a_pytorch_module_of_one_channel_asks_for_the_flag(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\ndef small():\n    return nn.Sequential("
        "nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
    )
    with pytest.raises(BuildError, match="reads one channel: for gray images give --color gray"):
        exporters.load(f"{tmp_path}/nets.py:small", contract=SMALL)
    model = exporters.load(
        f"{tmp_path}/nets.py:small", contract=exporters.ContractOptions(size=(16, 16), color="gray", mean=(0.5,) * 3)
    )
    assert (model.contract.tensor_shape, model.contract.mean, model.classes) == ((1, 16, 16), (0.5,), 3)


def test_images_of_one_channel_come_back_as_their_own_luma():
    one = IMAGES[..., :1]
    np.testing.assert_array_equal(luma(in_three_channels(one)), one)
    assert in_three_channels(IMAGES) is IMAGES

"""The corruptions against the original code's outputs, and against the definitions where those are simple."""

import colorsys
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from harness.conditions.corruptions import CORRUPTIONS, SCALES, SEVERITIES, corrupt, names, scale_for
from harness.conditions.corruptions.registry import corruption
from shipcheck.errors import UsageError

DETERMINISTIC = ("brightness", "pixelate", "jpeg_compression")
STOCHASTIC = ("gaussian_noise", "impulse_noise")


def image(height=40, width=50, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("scale", [224, 32])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_corruptions_are_the_originals(shared, name, scale):
    inputs = np.load(shared / f"golden/inputs_public_{scale}.npz")["images"]
    if scale == 224:
        part = "a" if name == "pixelate" else "b"
        expected = np.load(shared / f"golden/deterministic_public_224_{part}.npz")[name]
        inputs = inputs[[0, 2, 5]]
    else:
        expected = np.load(shared / "golden/deterministic_public_32.npz")[name]
    for severity in SEVERITIES:
        found = np.stack([corrupt(one, name, severity, rng=rng()) for one in inputs])
        difference = np.abs(found.astype(int) - expected[severity - 1])
        assert difference.max() <= 1
        assert (difference > 0).mean() <= 0.01


@pytest.mark.parametrize("scale", [224, 32])
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_corruptions_lie_in_the_originals_bands(shared, name, scale):
    inputs = np.load(shared / f"golden/inputs_public_{scale}.npz")["images"]
    golden = np.load(shared / f"golden/stochastic_public_{scale}.npz")
    row = golden["corruptions"].tolist().index(name)
    inside = []
    for severity in SEVERITIES:
        for index, one in enumerate(inputs):
            seed = zlib.crc32(f"{name}{severity}{index}".encode())
            difference = corrupt(one, name, severity, rng=rng(seed)).astype(float) - one
            measured = {
                "mad": np.abs(difference).mean(),
                "psnr": 10 * np.log10(255**2 / (difference**2).mean()),
                "chan_mean": difference.mean(axis=(0, 1)),
            }
            for quantity, value in measured.items():
                low, high = np.moveaxis(golden[f"img_{quantity}_p"][row, severity - 1, index], -1, 0)
                inside.extend(np.ravel((low <= value) & (value <= high)))
    # A correct copy reaches about 90 %, because the bands come from 40 seeds.
    assert np.mean(inside) >= 0.85


def test_truncation_is_where_the_reference_says_it_is(shared):
    risk = json.loads((shared / "golden/truncation_risk.json").read_text())
    assert risk["public_224/brightness/2"]["within_1e6"] > 0.25  # the reason why brightness has an order of operations


def test_brightness_is_an_hsv_round_trip():
    source = image(9, 11)
    found = corrupt(source, "brightness", 3, rng=rng(), scale=224)
    for row, column in np.ndindex(source.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(source[row, column] / 255.0))
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.3))) * 255
        assert np.abs(found[row, column] - expected).max() <= 1 + 1e-9


def test_black_turns_gray_and_white_stays():
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert (corrupt(black, "brightness", 5, rng=rng(), scale=224) == 127).all()
    assert (corrupt(white, "brightness", 5, rng=rng(), scale=224) == 255).all()


def test_impulse_noise_hits_the_stated_share_half_salt_half_pepper():
    flat = np.full((224, 224, 3), 100, np.uint8)
    for severity, amount in zip(SEVERITIES, (0.03, 0.06, 0.09, 0.17, 0.27), strict=True):
        found = corrupt(flat, "impulse_noise", severity, rng=rng(severity))
        spread = 4 * np.sqrt(amount / flat.size)
        assert (found == 255).mean() == pytest.approx(amount / 2, abs=spread)
        assert (found == 0).mean() == pytest.approx(amount / 2, abs=spread)
        assert np.isin(found, (0, 100, 255)).all()


def test_gaussian_noise_has_the_stated_deviation():
    flat = np.full((224, 224, 3), 128, np.uint8)
    found = corrupt(flat, "gaussian_noise", 1, rng=rng()).astype(float)
    assert found.std() == pytest.approx(0.08 * 255, rel=0.02)
    assert found.mean() == pytest.approx(127.5, abs=0.3)  # truncated, not rounded


def test_jpeg_and_pixelate_are_pillows():
    source = image(33, 47)
    buffer = io.BytesIO()
    Image.fromarray(source).save(buffer, "JPEG", quality=15)
    np.testing.assert_array_equal(corrupt(source, "jpeg_compression", 3, rng=rng(), scale=224), Image.open(buffer))
    small = Image.fromarray(source).resize((18, 13), Image.Resampling.BOX).resize((47, 33), Image.Resampling.BOX)
    np.testing.assert_array_equal(corrupt(source, "pixelate", 3, rng=rng(), scale=224), small)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 64), (224, 200), (1, 1)])
def test_any_size_works_and_the_input_stays_as_it_was(name, size):
    source = image(*size)
    before = source.copy()
    for severity in SEVERITIES:
        found = corrupt(source, name, severity, rng=rng())
        assert found.shape == source.shape
        assert found.dtype == np.uint8
    np.testing.assert_array_equal(source, before)


@pytest.mark.parametrize("name", names())
def test_the_generator_decides_everything(name):
    source = image()
    first = corrupt(source, name, 3, rng=rng(1))
    np.testing.assert_array_equal(first, corrupt(source, name, 3, rng=rng(1)))
    assert np.array_equal(first, corrupt(source, name, 3, rng=rng(2))) == (name in DETERMINISTIC)


@pytest.mark.parametrize("name", names())
def test_every_severity_does_more_than_the_one_before(name):
    source = image(224, 224)
    harm = [np.abs(corrupt(source, name, s, rng=rng()).astype(int) - source).mean() for s in SEVERITIES]
    assert harm == sorted(harm)
    assert harm[0] > 0


def test_the_table_is_the_one_nearest_in_ratio():
    sides = {16: 32, 32: 32, 45: 32, 46: 64, 48: 64, 64: 64, 119: 64, 120: 224, 224: 224, 512: 224}
    assert {side: scale_for(side, 600) for side in sides} == sides
    assert {side: scale_for(600, side) for side in sides} == sides


def test_every_corruption_has_three_tables_of_five():
    for name in names():
        assert {scale: len(CORRUPTIONS[name].table[scale]) for scale in SCALES} == dict.fromkeys(SCALES, 5)
    with pytest.raises(ValueError, match="severity table"):
        corruption("noise", {224: (1, 2, 3)})


def test_names_are_in_imagenet_cs_order():
    assert names() == ["gaussian_noise", "impulse_noise", "brightness", "pixelate", "jpeg_compression"]


def test_bad_arguments_are_refused():
    with pytest.raises(UsageError, match=r"Known: .*pixelate"):
        corrupt(image(), "gausian_noise", 1, rng=rng())
    with pytest.raises(UsageError, match="1 to 5"):
        corrupt(image(), "pixelate", 6, rng=rng())
    with pytest.raises(UsageError, match="128 px"):
        corrupt(image(), "pixelate", 1, rng=rng(), scale=128)
    with pytest.raises(ValueError, match="uint8"):
        corrupt(image().astype(np.float32), "pixelate", 1, rng=rng())
    with pytest.raises(ValueError, match="uint8"):
        corrupt(image()[..., 0], "pixelate", 1, rng=rng())

"""Every resize filter against a direct call of its library, and every rule against its published definition."""

import dataclasses
import importlib
import platform
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seatrial.errors import UnsupportedError, UsageError
from seatrial.exporters.contract import CROP_OFFSETS, INTERPOLATIONS, InputContract
from seatrial.harness.ipp import without_ipp
from seatrial.harness.pipeline.resize import to_size
from seatrial.harness.pipeline.resizers import FILTERS, resize, unavailable
from seatrial.harness.pipeline.resizers.opencv_linear import resize_linear

# (source, target), height before width: larger, smaller, one of each, odd, single pixels, unchanged.
SIZES = [
    ((40, 50), (20, 30)),
    ((31, 17), (64, 77)),
    ((90, 31), (45, 62)),
    ((375, 500), (256, 341)),
    ((1, 1), (5, 7)),
    ((9, 7), (1, 1)),
    ((24, 24), (24, 24)),
]
PILLOW = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
OPENCV = {
    "nearest": cv2.INTER_NEAREST,
    "nearest-exact": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "linear-exact": cv2.INTER_LINEAR_EXACT,
    "area": cv2.INTER_AREA,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos4": cv2.INTER_LANCZOS4,
}
TORCH = {
    "nearest": {"mode": "nearest"},
    "nearest-exact": {"mode": "nearest-exact"},
    "bilinear": {"mode": "bilinear", "align_corners": False},
    "bilinear-antialias": {"mode": "bilinear", "align_corners": False, "antialias": True},
    "bicubic": {"mode": "bicubic", "align_corners": False},
    "bicubic-antialias": {"mode": "bicubic", "align_corners": False, "antialias": True},
}


def photograph(size, seed=0):
    """Smooth shapes with noise upon them, uint8 [H, W, 3], read-only as decoded images are."""
    height, width = size
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    image = np.clip(smooth + rng.integers(-40, 41, smooth.shape), 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image


def test_the_names_are_those_of_the_contract():
    assert tuple(FILTERS) == INTERPOLATIONS
    assert {f"pillow-{name}" for name in PILLOW} | {f"opencv-{name}" for name in OPENCV} | {
        f"torch-{name}" for name in TORCH
    } == set(FILTERS)


@pytest.mark.parametrize(("source", "target"), SIZES)
@pytest.mark.parametrize("name", PILLOW)
def test_pillows(name, source, target):
    image = photograph(source)
    expected = Image.fromarray(image).resize(target[::-1], getattr(Image.Resampling, name.upper()))
    np.testing.assert_array_equal(resize(image, target, f"pillow-{name}"), np.asarray(expected))


@pytest.mark.parametrize(("source", "target"), SIZES)
@pytest.mark.parametrize("name", OPENCV)
def test_opencvs(name, source, target, own_code):
    image = photograph(source)
    expected = cv2.resize(image, target[::-1], interpolation=OPENCV[name])
    np.testing.assert_array_equal(resize(image, target, f"opencv-{name}"), expected)


@pytest.fixture
def own_code():
    with without_ipp():
        yield


def test_ipp_stays_as_it_was():
    before = cv2.ipp.useIPP()
    resize(photograph((9, 7)), (5, 5), "opencv-bicubic")
    assert cv2.ipp.useIPP() is before


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="compares with OpenCV's own code, which Arm's wheels do not run"
)
@given(*[st.integers(1, 90)] * 4, st.booleans())
def test_the_bilinear_filter_for_arm_is_opencvs_own_code(height, width, rows, columns, half):
    source = (2 * rows, 2 * columns) if half else (height, width)
    image = photograph(source)
    with without_ipp():
        expected = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_linear(image, (rows, columns)), expected)


# PyTorch 2.13 itself fails on uint8 with channels first in memory where the result is a single pixel.
@pytest.mark.parametrize(("source", "target"), [sizes for sizes in SIZES if sizes[1] != (1, 1)])
@pytest.mark.parametrize("name", TORCH)
def test_pytorchs_whatever_the_order_in_memory(name, source, target):
    image = photograph(source)
    planes = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]  # contiguous: channels first in memory
    in_float = name.startswith("bilinear") and torch.backends.cpu.get_cpu_capability() == "DEFAULT"
    expected = torch.nn.functional.interpolate(planes.float() if in_float else planes, size=target, **TORCH[name])
    expected = expected.round().to(torch.uint8)[0].permute(1, 2, 0)
    found = resize(image, target, f"torch-{name}")
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.parametrize(("source", "target"), SIZES)
@pytest.mark.parametrize("name", ["pillow-nearest", "opencv-nearest-exact", "torch-nearest-exact"])
def test_exact_nearest_takes_the_pixel_below_the_centre(name, source, target):
    image = photograph(source)
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(source, target, strict=True))
    np.testing.assert_array_equal(resize(image, target, name), image[rows][:, columns])


@pytest.mark.parametrize(("source", "target"), SIZES)
@pytest.mark.parametrize("name", ["opencv-nearest", "torch-nearest"])
def test_plain_nearest_takes_the_pixel_below_the_corner(name, source, target):
    image = photograph(source)
    rows, columns = (np.arange(new) * old // new for old, new in zip(source, target, strict=True))
    np.testing.assert_array_equal(resize(image, target, name), image[rows][:, columns])


@pytest.mark.parametrize(
    ("name", "widens"),
    [
        *((f"pillow-{name}", True) for name in ("box", "bilinear", "hamming", "bicubic", "lanczos")),
        *((f"opencv-{name}", name == "area") for name in OPENCV),
        *((f"torch-{name}", "antialias" in name) for name in TORCH),
    ],
)
def test_only_filters_that_widen_see_every_pixel_of_a_large_image(name, widens):
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::16] = 255  # one column in sixteen, each far from all samples but at the left of its cell
    found = resize(stripes, (10, 10), name).astype(float)
    assert (abs(found.mean() - 255 / 16) < 4) == widens


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_a_single_pixel_is_a_size(name):
    flat = np.full((9, 7, 3), 77, np.uint8)
    np.testing.assert_array_equal(resize(flat, (1, 1), name), flat[:1, :1])


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_the_image_is_left_as_it_was(name):
    image = photograph((20, 30))
    before = image.copy()
    for target in ((10, 12), (20, 30), (33, 41)):
        resize(image, target, name)
    np.testing.assert_array_equal(image, before)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'cubic'.*pillow-bicubic.*torch-bicubic-antialias"):
        resize(photograph((4, 4)), (2, 2), "cubic")


def test_without_pytorch_its_filters_say_what_to_install_and_the_others_work(monkeypatch):
    assert [unavailable(name) for name in INTERPOLATIONS] == [None] * len(INTERPOLATIONS)
    monkeypatch.setitem(sys.modules, "torch", None)  # what the import system keeps for a module that cannot be had
    with pytest.raises(ImportError):
        importlib.import_module("torch")
    for name in INTERPOLATIONS:
        if name.startswith("torch-"):
            assert "pip install 'seatrial[torch]'" in unavailable(name)
            with pytest.raises(UnsupportedError, match=r"pip install 'seatrial\[torch\]'"):
                resize(photograph((4, 4)), (2, 2), name)
        else:
            assert unavailable(name) is None
            assert resize(photograph((4, 4)), (2, 2), name).shape == (2, 2, 3)


def ultralytics_letterbox(image, size, flag, value):
    """ultralytics/data/augment.py, LetterBox(size, auto=False, scaleup=True, center=True), by its definition."""
    ratio = min(size[0] / image.shape[0], size[1] / image.shape[1])
    unpadded = round(image.shape[1] * ratio), round(image.shape[0] * ratio)
    free_x, free_y = (size[1] - unpadded[0]) / 2, (size[0] - unpadded[1]) / 2
    resized = cv2.resize(image, unpadded, interpolation=flag)
    edges = round(free_y - 0.1), round(free_y + 0.1), round(free_x - 0.1), round(free_x + 0.1)
    return cv2.copyMakeBorder(resized, *edges, cv2.BORDER_CONSTANT, value=(value,) * 3)


@given(st.integers(4, 200), st.integers(4, 200), st.integers(60, 90), st.integers(60, 90), st.integers(0, 255))
def test_letterbox_is_ultralytics(height, width, model_height, model_width, value):
    image, size = photograph((height, width)), (model_height, model_width)
    contract = InputContract(size, "letterbox", interpolation="opencv-bilinear", pad_value=value)
    expected = ultralytics_letterbox(image, size, cv2.INTER_LINEAR, value)
    np.testing.assert_array_equal(to_size(image, contract, "test"), expected)


def test_a_letterbox_is_grey_114_and_centred_with_the_odd_pixel_below():
    white = np.full((10, 20, 3), 255, np.uint8)
    found = to_size(white, InputContract((25, 40), "letterbox"), "test")  # 20x10 -> 40x20, 5 rows free
    assert (found[:2] == 114).all()
    assert (found[2:22] == 255).all()
    assert (found[22:] == 114).all()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", [(1, 3000), (3000, 1)])
def test_a_thread_of_an_image_is_letterboxed_to_one_pixel_of_width(size, interpolation):
    found = to_size(np.full((*size, 3), 9, np.uint8), InputContract((32, 32), "letterbox"), "test")
    assert (found == 9).all(axis=-1).sum() == 32
    assert (found == 114).all(axis=-1).sum() == 32 * 31


@pytest.mark.parametrize("size", [(375, 500), (500, 375), (224, 224), (31, 900)])
def test_squash_and_crop_is_sysnoises_transform(size):
    # torchvision's Resize((256, 256)) and CenterCrop(224) on Pillow images.
    image = photograph(size)
    squashed = Image.fromarray(image).resize((256, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(squashed.crop((16, 16, 240, 240)))
    contract = InputContract((224, 224), "squash-crop", 256)
    np.testing.assert_array_equal(to_size(image, contract, "test"), expected)


# Free pixels 0, 1, 2, ... -> offset, by hand.
OFFSETS = {
    "half-even": [0, 0, 1, 2, 2, 2, 3, 4, 4],
    "down": [0, 0, 1, 1, 2, 2, 3, 3, 4],
    "up": [0, 1, 1, 2, 2, 3, 3, 4, 4],
}


@pytest.mark.parametrize("offset", CROP_OFFSETS)
@pytest.mark.parametrize("rule", ["short-side", "squash-crop"])
def test_the_crops_offset_is_rounded_as_the_contract_says(rule, offset):
    # A square image of the size that it is resized to stays what it is.
    side = 20
    rows, columns = np.mgrid[:side, :side].astype(np.uint8)
    image = np.stack([rows, columns, columns], axis=-1)
    for free_rows, top in enumerate(OFFSETS[offset]):
        for free_columns, left in enumerate(OFFSETS[offset]):
            contract = InputContract((side - free_rows, side - free_columns), rule, side, crop_offset=offset)
            found = to_size(image, contract, "test")
            assert found.shape[:2] == contract.size
            assert tuple(found[0, 0]) == (top, left, left)


def test_what_a_rule_does_not_use_changes_nothing():
    image = photograph((40, 50))
    for contract in (InputContract((20, 30), "exact"), InputContract((20, 30), "short-side", 36)):
        other = dataclasses.replace(contract, pad_value=0)
        np.testing.assert_array_equal(to_size(image, other, "test"), to_size(image, contract, "test"))

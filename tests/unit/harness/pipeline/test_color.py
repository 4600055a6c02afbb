"""Colour changes against the standards' formulas, pixel by pixel in plain Python, and against OpenCV."""

import math

import cv2
import numpy as np
import pytest

from seatrial.harness.pipeline import color
from seatrial.harness.pipeline.color import COLORS

# As printed: ITU-R BT.601-7 and BT.709-6, six decimals; rows Y, U, V of R, G, B. SysNoise, equation 5, has the first.
FORWARD = {
    "nv12-bt601": (
        (0.256788, 0.504129, 0.097906),
        (-0.148223, -0.290993, 0.439216),
        (0.439216, -0.367788, -0.071427),
    ),
    "nv12-bt601-full": ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)),
    "nv12-bt709": (
        (0.182586, 0.614231, 0.062007),
        (-0.100644, -0.338572, 0.439216),
        (0.439216, -0.398942, -0.040274),
    ),
    "nv12-bt709-full": ((0.2126, 0.7152, 0.0722), (-0.114572, -0.385428, 0.5), (0.5, -0.454153, -0.045847)),
}
# Black level, then 256ths: of C everywhere, of E in red, of D and E in green, of D in blue. SysNoise has the first.
BACKWARD = {
    "nv12-bt601": (16, 298, 409, 100, 208, 516),
    "nv12-bt601-full": (0, 256, 359, 88, 183, 454),
    "nv12-bt709": (16, 298, 459, 55, 136, 541),
    "nv12-bt709-full": (0, 256, 403, 48, 120, 475),
}
# Inverse matrices as published, four to six decimals: gains of C, red's of E, green's of D and E, blue's of D.
PUBLISHED_INVERSE = {
    "nv12-bt601": (1.164383, 1.596027, 0.391762, 0.812968, 2.017232),
    "nv12-bt601-full": (1.0, 1.402, 0.344136, 0.714136, 1.772),
    "nv12-bt709": (1.164384, 1.792741, 0.213249, 0.532909, 2.112402),
    "nv12-bt709-full": (1.0, 1.5748, 0.187324, 0.468124, 1.8556),
}


def clip(value):
    return min(max(value, 0), 255)


def slow_round_trip(image, name):
    """One pixel after the other."""
    height, width, _ = image.shape
    black, luma, red_v, green_u, green_v, blue_u = BACKWARD[name]

    def yuv(row, column):
        # Beyond an odd side, its last row or column again.
        rgb = [int(value) for value in image[min(row, height - 1), min(column, width - 1)]]
        sums = [sum(weight * value for weight, value in zip(weights, rgb, strict=True)) for weights in FORWARD[name]]
        # 12 decimals: what is a half in decimal arithmetic is one here.
        rounded = [math.floor(round(total, 12) + 0.5) for total in sums]
        return [clip(value + offset) for value, offset in zip(rounded, (black, 128, 128), strict=True)]

    found = np.empty_like(image)
    for row in range(height):
        for column in range(width):
            top, left = row // 2 * 2, column // 2 * 2
            block = [yuv(top + down, left + right) for down in (0, 1) for right in (0, 1)]
            c = yuv(row, column)[0] - black
            d, e = ((sum(pixel[plane] for pixel in block) + 2) // 4 - 128 for plane in (1, 2))
            found[row, column] = [
                clip((luma * c + red_v * e + 128) >> 8),
                clip((luma * c - green_u * d - green_v * e + 128) >> 8),
                clip((luma * c + blue_u * d + 128) >> 8),
            ]
    return found


def noise(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_the_names():
    assert list(COLORS) == ["bgr", *FORWARD]
    assert all(COLORS[name].__doc__ for name in COLORS)


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("size", [(16, 24), (15, 24), (16, 23), (15, 23), (1, 1), (1, 6), (2, 2)])
def test_the_round_trip_is_the_formulas(name, size):
    image = noise(*size)
    found = COLORS[name](image)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, slow_round_trip(image, name))


@pytest.mark.parametrize("name", FORWARD)
def test_so_it_is_for_extreme_colours_and_all_greys(name):
    corners = np.array([[r, g, b] for r in (0, 1, 254, 255) for g in (0, 1, 254, 255) for b in (0, 1, 254, 255)])
    greys = np.repeat(np.arange(256)[:, None], 3, axis=1)
    image = np.concatenate([corners, greys]).astype(np.uint8).reshape(16, 20, 3)
    flat = image.repeat(2, axis=0).repeat(2, axis=1)  # each colour fills its 2 x 2 pixels
    np.testing.assert_array_equal(COLORS[name](image), slow_round_trip(image, name))
    np.testing.assert_array_equal(COLORS[name](flat), slow_round_trip(flat, name))


def test_the_constants_are_those_of_the_standards():
    for name, made in zip(FORWARD, (color.BT601, color.BT601_FULL, color.BT709, color.BT709_FULL), strict=True):
        np.testing.assert_array_equal(np.array(made.forward), np.rint(np.array(FORWARD[name]) * 1e6))
        backward = (made.black, made.luma, made.red_v, made.green_u, made.green_v, made.blue_u)
        assert backward == BACKWARD[name]
        assert backward[1:] == tuple(round(256 * value) for value in PUBLISHED_INVERSE[name])


@pytest.mark.parametrize("name", FORWARD)
def test_greys_stay_grey_within_one_level(name):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(2, axis=0).repeat(2, axis=1)
    found = COLORS[name](np.repeat(greys[..., None], 3, axis=2))
    assert (found == found[..., :1]).all()
    assert np.abs(found[..., 0].astype(int) - greys).max() == (0 if name.endswith("full") else 1)


def test_bgr_swaps_red_and_blue():
    image = noise(5, 6)
    found = COLORS["bgr"](image)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


@pytest.mark.parametrize("name", COLORS)
def test_the_image_is_left_as_it_was(name):
    image = noise(6, 7)
    before = image.copy()
    image.flags.writeable = False
    assert COLORS[name](image).shape == image.shape
    np.testing.assert_array_equal(image, before)


def through_opencv(image):
    """RGB -> I420 -> NV12 -> RGB: BT.601, limited range, weights of 20 fractional bits."""
    height, width, _ = image.shape
    planar = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
    u, v = planar[height:].reshape(2, -1)
    interleaved = np.stack([u, v], axis=-1).reshape(height // 2, width)
    return cv2.cvtColor(np.concatenate([planar[:height], interleaved]), cv2.COLOR_YUV2RGB_NV12)


def test_opencv_differs_by_the_rounding_of_luma_and_chroma_where_all_four_pixels_are_alike():
    image = noise(112, 112).repeat(2, axis=0).repeat(2, axis=1)
    difference = np.abs(COLORS["nv12-bt601"](image).astype(int) - through_opencv(image))
    # One level of Y (1.16) and of U or V (at most 2.02), and the rounding of the result.
    assert difference.max() <= 4
    assert (difference > 0).mean() < 0.15


def test_opencv_takes_the_chroma_of_the_upper_left_pixel_and_we_the_mean():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (255, 0, 0)
    # All of the red pixel's chroma for OpenCV, a quarter of it here.
    assert through_opencv(image)[1, 1, 0] > 150
    assert COLORS["nv12-bt601"](image)[1, 1, 0] == slow_round_trip(image, "nv12-bt601")[1, 1, 0] < 50

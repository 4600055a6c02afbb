"""Scales and zero points of activations and weights, against ONNX Runtime's arithmetic and by hand."""

import numpy as np
import pytest
from onnxruntime.quantization.quant_utils import compute_scale_zp

from seatrial.calib.scales import affine, weight_scales, widened_for_bias


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 6.0), (0.5, 2.0), (-4.0, -1.0), (-2.0, 0.1)])
def test_uint8_is_onnxruntimes_to_the_last_bit_or_two(low, high):
    grid = affine(low, high, "uint8", False)
    zero, scale = compute_scale_zp(
        np.array(low, np.float32), np.array(high, np.float32), np.array(0, np.uint8), np.array(255, np.uint8)
    )
    assert grid.scale == pytest.approx(float(scale), rel=2.4e-7)
    assert grid.zero == int(zero)


def test_symmetric_scales_put_the_largest_magnitude_on_the_last_step():
    assert affine(-5.08, 2.0, "int8", True).scale == pytest.approx(5.08 / 127)
    assert affine(-5.08, 2.0, "int8", True).zero == 0
    assert affine(-5.08, 2.0, "uint8", True).zero == 128
    fp8 = affine(-4.48, 2.0, "float8e4m3fn", True)
    assert (fp8.scale, fp8.zero) == (pytest.approx(0.01), 0)


def test_the_largest_integer_never_stands_for_more_than_the_bound_of_a_clip():
    for high in [6.0, *np.random.default_rng(0).uniform(1e-5, 50, 1000).astype(np.float32).tolist()]:
        grid = affine(0.0, high, "uint8", False)
        largest = np.float32(255) * np.float32(grid.scale)
        assert np.float32(high) * np.float32(1 - 5e-7) <= largest <= np.float32(high)


def test_a_range_of_zero_has_a_small_finite_scale():
    for kind, symmetric in (("uint8", False), ("int8", True), ("float8e4m3fn", True)):
        assert affine(0.0, 0.0, kind, symmetric).scale == pytest.approx(1 / 255)


def test_weights_are_narrow_and_per_channel():
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    scales = weight_scales(weight, "int8", 0, True)
    assert scales.scale.dtype == np.float32
    np.testing.assert_allclose(scales.scale, np.abs(weight).max(axis=(1, 2, 3)) / 127, rtol=1e-6)
    assert np.rint(weight / scales.scale.reshape(-1, 1, 1, 1)).min() >= -127
    assert weight_scales(weight, "int8", None, True).scale.shape == ()


def test_asymmetric_weights_cover_their_range():
    weight = np.random.default_rng(0).uniform(-1, 3, (4, 9)).astype(np.float32)
    scales = weight_scales(weight, "uint8", 0, False)
    codes = np.rint(weight / scales.scale[:, None]) + scales.zero[:, None]
    assert codes.min() >= -1
    assert codes.max() <= 256
    np.testing.assert_allclose((codes - scales.zero[:, None]) * scales.scale[:, None], weight, atol=0.01)


def test_a_channel_of_zeros_takes_the_smallest_scale_of_the_others():
    weight = np.array([[0.0, 0.0], [1.27, -0.3], [12.7, 5.0]], np.float32)
    assert weight_scales(weight, "int8", 0, True).scale == pytest.approx([0.01, 0.01, 0.1])
    assert weight_scales(0 * weight, "int8", 0, True).scale == pytest.approx([1 / 255] * 3)


def test_a_bias_fits_into_int32_beside_tiny_weights():
    weight = np.array([[1e-20, -1e-20], [1.27, -0.3]], np.float32)
    bias = np.array([2.0, 2.0], np.float32)
    before = weight_scales(weight, "int8", 0, True)
    scales = widened_for_bias(before, bias, 0.02)
    assert (np.abs(bias / (scales.scale * np.float32(0.02))) <= 2**30 * 1.0001).all()
    assert scales.scale[1] == before.scale[1]

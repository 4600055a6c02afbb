"""Rounding to 8 bits inside a ball, against integers computed by hand and by brute force."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seatrial.harness.attacks.eightbit import check_within, distances, integer_limit, rounded, to_pixels

NORMS = ("linf", "l2", "l1")


def length(pixels, clean, norm):
    """In Python's own integers, in levels; the square for L2."""
    changes = [abs(int(a) - int(b)) for a, b in zip(pixels.ravel(), clean.ravel(), strict=True)]
    return {"linf": max(changes), "l2": sum(one * one for one in changes), "l1": sum(changes)}[norm]


def noisy(shape, seed, norm, radius):
    """Images, and changes of exactly the radius, as an attack makes them: float32, clipped to [0, 1]."""
    rng = np.random.default_rng(seed)
    clean = rng.integers(0, 256, shape, np.uint8)
    change = rng.standard_normal(shape)
    flat = change.reshape(len(change), -1)
    flat *= radius / np.linalg.norm(flat, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1, keepdims=True)
    return np.clip(clean / 255 + change, 0, 1).astype(np.float32), clean


@st.composite
def problems(draw):
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5)), 3)
    clean = draw(arrays(np.uint8, shape))
    adversarial = draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    size = draw(st.sampled_from([1.0, 1e-2, 1e-4, 0.0]))
    adversarial = (clean / 255 + (adversarial - clean / 255) * size).astype(np.float32)
    return np.clip(adversarial, 0, 1), clean, draw(st.sampled_from(NORMS)), draw(st.floats(1 / 255, 20))


@settings(max_examples=300, deadline=None)
@given(problems())
def test_every_image_lies_within_the_radius_in_exact_integers(problem):
    adversarial, clean, norm, radius = problem
    pixels = to_pixels(adversarial, clean, norm, radius)
    assert pixels.dtype == np.uint8
    assert pixels.shape == clean.shape
    exact = Fraction(radius) * 255 * (1 + Fraction(1, 10**8))
    for image, original in zip(pixels, clean, strict=True):
        assert length(image, original, norm) <= (exact**2 if norm == "l2" else exact)
    check_within(pixels, clean, norm, radius)


@settings(max_examples=100, deadline=None)
@given(problems())
def test_no_value_moves_against_its_change_and_images_do_not_depend_on_their_batch(problem):
    adversarial, clean, norm, radius = problem
    pixels = to_pixels(adversarial, clean, norm, radius)
    moved = pixels.astype(int) - clean
    asked = adversarial.astype(np.float64) * 255 - clean
    assert (moved[np.abs(asked) > 1e-3] * asked[np.abs(asked) > 1e-3] >= 0).all()
    assert not moved[np.abs(asked) < 5e-4].any()
    for index in range(len(clean)):
        one = slice(index, index + 1)
        np.testing.assert_array_equal(to_pixels(adversarial[one], clean[one], norm, radius), pixels[one])


@pytest.mark.parametrize("eps", [1, 2, 8, 64])
def test_for_linf_values_are_the_nearest_integers_and_the_whole_radius_is_used(eps):
    adversarial, clean = noisy((4, 8, 8, 3), 0, "linf", eps / 255)
    expected = np.clip(np.rint(adversarial.astype(np.float64) * 255), clean - float(eps), clean + float(eps))
    pixels = to_pixels(adversarial, clean, "linf", eps / 255)
    np.testing.assert_array_equal(pixels, expected)
    assert np.abs(pixels.astype(int) - clean).max() == eps


def test_a_fractional_linf_radius_is_rounded_down():
    clean = np.full((1, 2, 2, 3), 100, np.uint8)
    far = np.ones(clean.shape, np.float32)
    assert (to_pixels(far, clean, "linf", 2.99 / 255) == 102).all()


def test_limits_are_exact_for_every_integer_radius():
    for eps in range(1, 256):
        assert integer_limit("linf", eps / 255 * 255) == eps
        assert integer_limit("l1", eps / 255 * 255) == eps
        assert integer_limit("l2", eps / 255 * 255) == eps**2
        assert integer_limit("linf", eps - 1e-6) == eps - 1
        below = float(np.nextafter(eps, 0))
        assert [integer_limit(norm, below) for norm in NORMS] == [eps, eps**2, eps]


@pytest.mark.parametrize(("norm", "radius"), [("l2", 0.5), ("l2", 2), ("l2", 8), ("l1", 4), ("l1", 100)])
def test_nearly_all_of_the_ball_is_used_and_the_direction_kept(norm, radius):
    adversarial, clean = noisy((6, 32, 32, 3), 1, norm, radius)
    pixels = to_pixels(adversarial, clean, norm, radius)
    for image, original, wanted in zip(pixels, clean, adversarial, strict=True):
        used = length(image, original, norm)
        assert used > 0.999 * ((255 * radius) ** 2 if norm == "l2" else 255 * radius) - 1
        moved, asked = image.astype(float) - original, wanted * 255.0 - original
        cosine = (moved * asked).sum() / np.linalg.norm(moved) / np.linalg.norm(asked)
        assert cosine > (0.98 if norm == "l2" else 0.5)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_changes_below_half_a_level_survive_on_large_images(norm):
    shape = (1, 128, 128, 3)
    adversarial, clean = noisy(shape, 2, norm, 0.2 if norm == "l2" else 20)
    assert np.abs(adversarial * 255.0 - clean).mean() < 0.3
    pixels = to_pixels(adversarial, clean, norm, 0.2 if norm == "l2" else 20)
    assert distances(pixels, clean, norm)[0] > 0.99 * (0.2 if norm == "l2" else 20)
    moved, asked = (pixels.astype(float) - clean).ravel(), (adversarial * 255.0 - clean).ravel()
    assert np.abs(asked[moved != 0]).min() >= 0.9 * np.sort(np.abs(asked))[-np.count_nonzero(moved)]


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_equal_changes_are_taken_as_far_as_the_ball_allows_and_not_from_one_corner(norm):
    """No common factor fits: 3 x 40 x 40 values become a whole level at once, the ball holds a tenth of them."""
    clean = np.full((1, 40, 40, 3), 128, np.uint8)
    levels = 480**0.5 if norm == "l2" else 480
    pixels = rounded(np.full(clean.shape, 0.3, np.float32), clean, norm, levels)
    moved = pixels[0].astype(int) - 128
    assert moved.sum() == 480
    quarters = [part.sum() for half in np.split(moved, 2) for part in np.split(half, 2, axis=1)]
    assert min(quarters) > 100


def test_a_longer_change_is_shortened_and_a_shorter_one_fills_the_ball():
    rng = np.random.default_rng(3)
    clean = rng.integers(60, 196, (2, 16, 16, 3), np.uint8)
    change = rng.standard_normal(clean.shape).astype(np.float32)
    change *= np.array([30, 0.01], np.float32)[:, None, None, None]
    used = distances(rounded(change, clean, "l2", 100), clean, "l2") * 255
    np.testing.assert_allclose(used, 100, rtol=2e-3)


def test_the_largest_factor_is_the_one_that_brute_force_finds():
    rng = np.random.default_rng(4)
    clean = rng.integers(0, 256, (5, 4, 4, 3), np.uint8)
    change = rng.standard_normal(clean.shape).astype(np.float32) * 3
    pixels = rounded(change, clean, "l2", 15.0)
    for image, original, wanted in zip(pixels, clean, change, strict=True):
        best = 0
        for factor in np.arange(0.01, 3, 1e-3):
            trial = np.clip(np.rint(wanted * factor), -original.astype(float), 255 - original.astype(float))
            best = max(best, (trial**2).sum() if (trial**2).sum() <= 225 else 0)
        assert best <= length(image, original, "l2") <= 225


def test_radii_may_differ_between_images():
    rng = np.random.default_rng(5)
    clean = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
    change = rng.standard_normal(clean.shape).astype(np.float32)
    together = rounded(change, clean, "l2", np.array([5.0, 50.0, 0.5]))
    for index, levels in enumerate((5.0, 50.0, 0.5)):
        one = slice(index, index + 1)
        np.testing.assert_array_equal(together[one], rounded(change[one], clean[one], "l2", levels))
    assert (together[2] == clean[2]).all()


@pytest.mark.parametrize("norm", NORMS)
def test_an_image_outside_is_named(norm):
    clean = np.full((3, 2, 2, 3), 10, np.uint8)
    pixels = clean.copy()
    check_within(pixels, clean, norm, 2 / 255)
    pixels[1, 0, 0, 0] += 2
    check_within(pixels, clean, norm, 2 / 255)
    pixels[1, 0, 0, 0] += 1
    with pytest.raises(ValueError, match="image 1 lies"):
        check_within(pixels, clean, norm, 2 / 255)
    pixels[1, 0, 0, 0] = 7  # uint8 differences must not wrap round
    with pytest.raises(ValueError, match="image 1 lies"):
        check_within(pixels, clean, norm, 2 / 255)


def test_floats_and_other_shapes_are_refused():
    clean = np.zeros((2, 2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match="uint8"):
        check_within(clean.astype(np.float32), clean, "linf", 1)
    with pytest.raises(ValueError, match="uint8"):
        check_within(clean[:1], clean, "linf", 1)


def test_distances_are_in_the_units_of_condition_ids():
    clean = np.full((2, 2, 2, 3), 100, np.uint8)
    images = clean.astype(np.float32)
    images[0, 0, 0] = (97, 104, 100)
    images[1, 1, 1, 0] = 100.5
    np.testing.assert_allclose(distances(images, clean, "linf"), [4, 0.5])
    np.testing.assert_allclose(distances(images, clean, "l2"), [5 / 255, 0.5 / 255])
    np.testing.assert_allclose(distances(images, clean, "l1"), [7 / 255, 0.5 / 255])
    np.testing.assert_allclose(distances(images.astype(np.uint8), clean, "l2"), [5 / 255, 0])

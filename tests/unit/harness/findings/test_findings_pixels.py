"""Images in numbers: what differs is said, what does not is not."""

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import effectsize_smd

from seatrial.harness.findings.pixels import STATISTICS, Difference, differences, image_statistics, nearest

LIMIT = 0.5


def photographs(rng, count, size=16):
    """Smooth colours, each image of its own brightness and contrast."""
    base = rng.normal(120, 40, (count, 1, 1, 3)) + rng.normal(0, 1, (count, size, size, 3)) * rng.uniform(10, 50)
    return base.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(5)
    tinted = photographs(rng, 800).astype(int) + np.array([25, 0, -25])
    return tinted.clip(0, 255).astype(np.uint8)


def test_the_difference_and_its_error_are_those_of_meta_analysis(images):
    first, second = image_statistics(images[:300]), image_statistics(images[300:])
    found = {one.statistic: one for one in differences(first, second)}
    for name in STATISTICS:
        one, a, b = found[name], first[name], second[name]
        smd, variance = effectsize_smd(a.mean(), a.std(ddof=1), len(a), b.mean(), b.std(ddof=1), len(b))
        assert one.difference == pytest.approx(smd, abs=0.01)  # which pools by the numbers of images, and shrinks
        reach = (one.interval[1] - one.interval[0]) / 2
        assert reach / np.sqrt(variance) == pytest.approx(2.73, abs=0.03)  # normal quantile of 1 - 0.05 / 2 / 8


@pytest.mark.parametrize(
    ("change", "statistic"),
    [
        (lambda x: x // 32, "brightness"),
        (lambda x: (x * 0.5).astype(np.uint8), "brightness"),
        (lambda x: x[..., ::-1], "red minus blue"),
        (lambda x: (x.astype(int) * 2 - 128).clip(0, 255).astype(np.uint8), "contrast"),
        (lambda x: np.repeat(np.repeat(x[:, ::4, ::4], 4, 1), 4, 2), "sharpness"),
    ],
)
def test_changed_images_are_told(images, change, statistic):
    test = image_statistics(images[400:])
    same = differences(image_statistics(images[:400]), test)
    found = {one.statistic: one for one in differences(image_statistics(change(images[:400])), test)}
    assert max(one.least for one in same) < LIMIT < found[statistic].least


def test_images_that_are_all_one_colour_have_finite_differences():
    flat = image_statistics(np.full((3, 8, 8, 3), 7, np.uint8))
    other = image_statistics(np.full((4, 8, 8, 3), 9, np.uint8))
    assert all(np.isfinite(one.difference) for one in differences(flat, other))


def test_what_differs_from_every_set_is_what_counts():
    near = Difference("contrast", 1.0, 1.0, 0.1, (-0.1, 0.3))
    far = Difference("contrast", 1.0, 3.0, -2.0, (-2.2, -1.8))
    farther = Difference("red", 1.0, 3.0, -3.0, (-3.2, -2.8))
    assert nearest([[near], [far, farther], [far]]) == [farther, near]
    assert (near.least, far.least) == (0.0, 1.8)

"""Balls: projections are the nearest points, random points are spread evenly, steps are the steepest."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
stats = pytest.importorskip("scipy.stats")

from seatrial.harness.attacks.balls import box, distance, project, random_start, sparse_steepest, steepest  # noqa: E402
from seatrial.harness.attacks.draws import Draws  # noqa: E402

NORMS = ("linf", "l2", "l1")
ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}


def images(count, *shape, low=0.0, high=1.0, seed=0):
    drawn = np.random.default_rng(seed).uniform(low, high, (count, *shape))
    return torch.from_numpy(drawn.astype(np.float32))


def draws(count, start=0):
    return Draws(3, [f"image {index}" for index in range(start, start + count)], "attack")


@pytest.mark.parametrize("norm", NORMS)
def test_distance_is_numpys_norm(norm):
    change = images(5, 3, 4, 6, low=-1)
    expected = [np.linalg.norm(one.ravel(), ORDERS[norm]) for one in change.numpy()]
    np.testing.assert_allclose(distance(change, norm), expected, rtol=1e-5)


def nearest_in_l1(change, radius):
    """By bisection of the threshold, in float64."""
    if np.abs(change).sum() <= radius:
        return change
    low, high = 0.0, float(np.abs(change).max())
    for _ in range(200):
        middle = (low + high) / 2
        if np.maximum(np.abs(change) - middle, 0).sum() > radius:
            low = middle
        else:
            high = middle
    return np.sign(change) * np.maximum(np.abs(change) - high, 0)


def nearest(change, radius, norm):
    if norm == "l1":
        return nearest_in_l1(change, radius)
    if norm == "l2":
        return change * min(1, radius / np.linalg.norm(change))
    return np.clip(change, -radius, radius)


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("norm", NORMS)
def test_projections_are_the_nearest_points(norm, per_image):
    clean = images(6, 3, 5, 4, low=0.3, high=0.7)
    moved = clean + images(6, 3, 5, 4, low=-0.2, high=0.2, seed=1)
    moved[0] = clean[0] + 1e-4  # inside
    sizes = {"linf": [0.05], "l2": [0.3], "l1": [1.5]}[norm] * 6
    if per_image:
        sizes = [size * (1 + index) / 4 for index, size in enumerate(sizes)]
    radius = torch.tensor(sizes) if per_image else sizes[0]
    found = project(moved, clean, radius, norm)
    for index, size in enumerate(sizes):
        change = (moved[index].double() - clean[index].double()).numpy().ravel()
        expected = clean[index].double().numpy().ravel() + nearest(change, size, norm)
        np.testing.assert_allclose(found[index].numpy().ravel(), expected, atol=2e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_projections_end_in_pixel_values_and_not_farther_away(norm):
    clean, moved = images(4, 3, 8, 8), images(4, 3, 8, 8, low=-1, high=2, seed=1)
    radius = {"linf": 0.3, "l2": 2.0, "l1": 20.0}[norm]
    found = project(moved, clean, radius, norm)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert float(distance(found - clean, norm).max()) <= radius * (1 + 1e-5)
    torch.testing.assert_close(project(found, clean, radius, norm), found, rtol=0, atol=1e-5)


def test_a_box_is_cut_where_pixels_end():
    low, high = box(torch.tensor([[0.1, 0.5, 0.95]]), 0.2)
    torch.testing.assert_close(low, torch.tensor([[0.0, 0.3, 0.75]]))
    torch.testing.assert_close(high, torch.tensor([[0.3, 0.7, 1.0]]))


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_are_spread_evenly_over_the_ball(norm):
    # In d dimensions (distance / radius)^d is uniform on [0, 1]; no side of any axis is preferred.
    clean = torch.full((4000, 3, 1, 1), 0.5)
    change = (random_start(clean, 0.25, norm, draws(4000)) - clean).double()
    inside = (distance(change, norm) / 0.25).numpy() ** 3
    assert stats.kstest(inside, "uniform").pvalue > 1e-3
    flat = change.flatten(1).numpy()
    for axis in range(3):
        assert stats.binomtest(int((flat[:, axis] > 0).sum()), 4000).pvalue > 1e-3
        assert stats.ks_2samp(np.abs(flat[:, 0]), np.abs(flat[:, axis])).pvalue > 1e-3
    # Directions too: the share of the largest axis is that of points that NumPy finds in the ball by trial.
    cube = np.random.default_rng(0).uniform(-1, 1, (40_000, 3))
    ball = cube[np.linalg.norm(cube, ORDERS[norm], axis=1) <= 1]
    ours, expected = (np.abs(each).max(1) / np.abs(each).sum(1) for each in (flat, ball))
    assert stats.ks_2samp(ours, expected).pvalue > 1e-3


@pytest.mark.parametrize("norm", NORMS)
def test_random_starts_belong_to_images_not_to_batches(norm):
    clean = images(6, 3, 4, 4)
    whole = random_start(clean, 0.2, norm, draws(6))
    torch.testing.assert_close(random_start(clean[4:], 0.2, norm, draws(2, start=4)), whole[4:])
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_an_l2_step_has_length_one_along_the_gradient_of_any_size(scale):
    gradient = images(3, 3, 4, 4, low=-1) * scale
    gradient[1] = 0
    step = steepest(gradient.clone(), "l2")
    np.testing.assert_allclose(distance(step, "l2"), [1, 0, 1], rtol=1e-5)
    np.testing.assert_allclose((step[0] * gradient[0]).sum(), distance(gradient / scale, "l2")[0] * scale, rtol=1e-4)


def test_an_linf_step_is_the_sign():
    assert steepest(torch.tensor([[0.5, -1e-30, 0.0]]), "linf").tolist() == [[1, -1, 0]]


def test_l1_has_no_single_steepest_step():
    with pytest.raises(ValueError, match="l1"):
        steepest(torch.ones(1, 3), "l1")


def test_an_l1_step_moves_the_largest_entries_that_can_move():
    values = torch.tensor([[0.5, 1.0, 0.0, 0.5, 0.5, 0.0, 0.5, 1.0]])
    gradient = torch.tensor([[0.1, 9.0, -8.0, -3.0, 0.2, 2.0, 0.0, -1.0]])
    step = sparse_steepest(gradient, values, 3 / 8)
    torch.testing.assert_close(step, torch.tensor([[0, 0, 0, -1 / 3, 0, 1 / 3, 0, -1 / 3]]))
    torch.testing.assert_close(sparse_steepest(gradient, values, 1e-9), torch.tensor([[0, 0, 0, -1.0, 0, 0, 0, 0]]))


def test_an_l1_step_is_nothing_where_nothing_can_move():
    step = sparse_steepest(torch.tensor([[0.0, 0.0], [5.0, -1.0]]), torch.tensor([[0.5, 0.5], [1.0, 0.0]]), 0.5)
    assert step.tolist() == [[0, 0], [0, 0]]

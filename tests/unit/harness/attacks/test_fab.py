from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

torch = pytest.importorskip("torch")

from function_surrogate import (  # noqa: E402
    FunctionSurrogate,
    linear,
    problem_of,
    random_images,
    random_weights,
)

from seatrial.harness.attacks import fab  # noqa: E402
from seatrial.harness.attacks.balls import distance  # noqa: E402
from seatrial.harness.attacks.hyperplanes import to_hyperplane  # noqa: E402
from seatrial.harness.attacks.losses import margin  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS  # noqa: E402

Tensor = Any


def shortest(point: np.ndarray, normal: np.ndarray, gap: float, norm: str) -> float | None:
    """Length of the shortest change, by SciPy's general solvers; None where there is none."""
    size = len(point)
    box = [(-value, 1 - value) for value in point]
    if norm == "linf":
        sides = np.block([[np.eye(size), -np.ones((size, 1))], [-np.eye(size), -np.ones((size, 1))]])
        found = linprog(
            np.eye(size + 1)[size],
            A_ub=sides,
            b_ub=np.zeros(2 * size),
            A_eq=[[*normal, 0]],
            b_eq=[gap],
            bounds=[*box, (0, None)],
        )
        return float(found.fun) if found.success else None
    reached = float(np.abs(normal) @ np.where(normal * gap > 0, 1 - point, point))
    if reached < abs(gap):
        return None
    found = minimize(
        lambda change: change @ change,
        np.zeros(size),
        jac=lambda change: 2 * change,
        bounds=box,
        constraints={"type": "eq", "fun": lambda change: normal @ change - gap, "jac": lambda _: normal},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert found.success
    return float(np.sqrt(found.fun))


def planes(count: int = 60, size: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points with some coordinates on the box's sides, normals with zeros, gaps of both signs and all sizes."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (count, size))
    points[:, :3] = rng.integers(0, 2, (count, 3))
    normals = rng.normal(size=(count, size)) * np.exp(rng.normal(size=(count, size)))
    normals[:, 4] = 0
    gaps = rng.normal(size=count) * np.exp(rng.uniform(-4, 1.5, count))
    return points.astype(np.float32), normals.astype(np.float32), gaps.astype(np.float32)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projections_are_the_shortest_ways_to_the_hyperplane_inside_the_box(norm: str) -> None:
    points, normals, gaps = planes()
    changes = to_hyperplane(*map(torch.from_numpy, (points, normals, gaps)), norm).numpy().astype(np.float64)
    reachable = 0
    for point, normal, gap, change in zip(points, normals, gaps, changes, strict=True):
        assert (point + change >= -1e-6).all()
        assert (point + change <= 1 + 1e-6).all()
        length = shortest(point.astype(np.float64), normal.astype(np.float64), float(gap), norm)
        if length is None:
            corner = np.where(normal == 0, point, normal * gap > 0)
            np.testing.assert_allclose(point + change, corner, atol=1e-6)
            continue
        reachable += 1
        assert normal.astype(np.float64) @ change == pytest.approx(gap, rel=1e-4, abs=1e-5)
        own = np.abs(change).max() if norm == "linf" else np.linalg.norm(change)
        assert own == pytest.approx(length, rel=1e-4, abs=1e-5)
    assert 30 < reachable < 60


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projections_do_not_change_with_the_scale_of_the_hyperplane(norm: str) -> None:
    points, normals, gaps = map(torch.from_numpy, planes())
    expected = to_hyperplane(points, normals, gaps, norm)
    for scale in (1e-25, 1e25):
        np.testing.assert_allclose(to_hyperplane(points, normals * scale, gaps * scale, norm), expected, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_hyperplanes_that_the_box_only_just_reaches_and_long_images_are_projected_onto(norm: str) -> None:
    rng = np.random.default_rng(2)
    points = torch.from_numpy(rng.uniform(0, 1, (4, 50_000)).astype(np.float32))
    normals = torch.from_numpy((rng.normal(size=(4, 50_000)) * np.exp(3 * rng.normal(size=(4, 50_000)))).astype("f"))
    most = (normals.abs() * torch.where(normals > 0, 1 - points, points)).double().sum(1)
    for share in (0.001, 0.5, 0.999):
        change = to_hyperplane(points, normals, (most * share).float(), norm)
        np.testing.assert_allclose((normals.double() * change).sum(1), most * share, rtol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_normal_and_no_gap_are_no_way_and_no_numbers_do_not_spread(norm: str) -> None:
    points = torch.full((4, 6), 0.5)
    normals = torch.ones(4, 6)
    normals[0] = 0
    gaps = torch.tensor([1.0, 0.0, torch.nan, 0.6])
    change = to_hyperplane(points, normals, gaps, norm)
    assert torch.equal(change[:3], torch.zeros(3, 6))
    np.testing.assert_allclose(change[3], 0.1, rtol=1e-6)


def test_far_out_of_reach_next_to_nothing_moves_to_its_side_and_nothing_stays() -> None:
    change = to_hyperplane(torch.full((1, 3), 0.5), torch.tensor([[1, 1e-22, 0]]), torch.tensor([5.0]), "l2")
    np.testing.assert_array_equal(change, [[0.5, 0.5, 0]])


def along_one_pixel(lead: Any) -> FunctionSurrogate:
    """Images of one pixel; class 1 leads class 0 by lead(pixel)."""

    def logits(images: Tensor) -> Tensor:
        value = lead(images.flatten(1)[:, 0])
        return torch.stack([torch.zeros_like(value), value], 1)

    return FunctionSurrogate(logits, 2)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("start", [0.1, 0.35])
def test_steps_in_one_dimension_are_those_of_the_papers_algorithm(norm: str, start: float) -> None:
    def lead(u: Any) -> Any:
        return u**3 + 0.2 * u - 0.2

    clean = torch.tensor([start], dtype=torch.float64).reshape(1, 1, 1, 1)
    u, nearest = start, np.inf
    for steps in range(1, 15):
        crossing = u - lead(u) / (3 * u**2 + 0.2)  # both projections: the boundary of the tangent, within the box
        crossing = min(max(crossing, 0.0), 1.0)
        first, second = abs(crossing - u), abs(crossing - start)
        alpha = min(first / (first + second), 0.1)
        u = (1 - alpha) * (u + 1.05 * (crossing - u)) + alpha * (start + 1.05 * (crossing - start))
        u = min(max(u, 0.0), 1.0)
        if lead(u) > 0:
            nearest = min(nearest, abs(u - start))
            u = 0.1 * start + 0.9 * u
        problem = problem_of(along_one_pixel(lead), clean, [0], 1.0)
        images, distances = fab.nearest(problem, torch.tensor([1]), norm, steps=steps)
        if np.isinf(nearest):
            assert torch.isinf(distances).all()
            assert torch.equal(images, clean)
        else:
            assert float(distances) == pytest.approx(nearest, rel=1e-9)
            assert float(images) == pytest.approx(start + nearest, rel=1e-9)
    assert lead(start + nearest) > 0


def boundary(weights: Tensor, biases: Tensor, images: Tensor, labels: Tensor, norm: str) -> Tensor:
    """Of a linear classifier: the exact distance of each image to the nearest other class, inside the box."""
    lengths = []
    for image, label in zip(images.flatten(1).double().numpy(), labels.tolist(), strict=True):
        ways = []
        for other in range(len(biases)):
            if other != label:
                normal = (weights[other] - weights[label]).double().numpy()
                gap = -(normal @ image + float(biases[other] - biases[label]))
                way = shortest(image, normal, gap, norm)
                ways.append(np.inf if way is None else way)
        lengths.append(min(ways))
    return torch.tensor(lengths)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_of_linear_classifiers_the_nearest_image_is_found(norm: str) -> None:
    weights, biases = random_weights(4, 12)
    images = random_images(10, (3, 2, 2))
    surrogate = linear(weights, biases)
    labels = surrogate.logits(images).argmax(1)
    exact = boundary(weights, biases, images, labels, norm)
    found = []
    for target in range(4):
        aimed = torch.where(labels == target, (target + 1) % 4, target)
        made, distances = fab.nearest(problem_of(surrogate, images, labels, 1.0), aimed, norm)
        crossed = torch.isfinite(distances)
        np.testing.assert_allclose(distance(made - images, norm)[crossed], distances[crossed], rtol=1e-6)
        assert bool((margin(surrogate.logits(made), labels) > 0)[crossed].all())
        found.append(distances)
    nearest = torch.stack(found).amin(0)
    assert bool((nearest >= exact * (1 - 1e-5)).all())
    assert bool((nearest <= exact * 1.01 + 1e-6).all())


def test_a_result_counts_only_within_the_radius() -> None:
    weights, biases = random_weights(4, 12)
    images = random_images(10, (3, 2, 2))
    surrogate = linear(weights, biases)
    labels = surrogate.logits(images).argmax(1)
    exact = boundary(weights, biases, images, labels, "linf")
    radius = float(exact.median()) * 1.02
    found = GRADIENT_ATTACKS["fab-t-linf"](problem_of(surrogate, images, labels, radius))
    fooled = margin(surrogate.logits(found), labels) > 0
    assert torch.equal(fooled, exact * 1.01 < radius)
    assert distance(found - images, "linf")[fooled].max() <= radius
    assert torch.equal(found[~fooled], images[~fooled])
    assert 0 < int(fooled.sum()) < 10


def test_images_that_are_wrong_from_the_start_stay_as_they_are() -> None:
    weights, biases = random_weights(4, 12)
    images = random_images(10, (3, 2, 2))
    surrogate = linear(weights, biases)
    labels = (surrogate.logits(images).argmax(1) + 1) % 4
    assert torch.equal(GRADIENT_ATTACKS["fab-t-linf"](problem_of(surrogate, images, labels, 1.0)), images)
    assert not surrogate.asked


def test_targets_are_tried_in_turn_on_what_is_left() -> None:
    # Class 1 is the likeliest other one, and constant; class 2 is within reach of the first two images.
    def logits(images: Tensor) -> Tensor:
        first = 2.2 * images.flatten(1)[:, 0] - 0.5
        return torch.stack([torch.full_like(first, 1.0), torch.full_like(first, 0.9), first], 1)

    surrogate = FunctionSurrogate(logits, 3)
    images = torch.full((4, 3, 1, 1), 0.5)
    images[2:] = 0.3
    found = GRADIENT_ATTACKS["fab-t-linf"](problem_of(surrogate, images, [0] * 4, 0.25))
    assert surrogate.asked == [4] * 2 * fab.STEPS
    assert (margin(surrogate.logits(found), torch.zeros(4, dtype=torch.int64)) > 0).tolist() == [True] * 2 + [False] * 2


def test_no_target_is_tried_on_images_that_an_earlier_one_fooled() -> None:
    surrogate = linear(*random_weights(4, 12))
    images = random_images(6, (3, 2, 2))
    labels = surrogate.logits(images).argmax(1)
    GRADIENT_ATTACKS["fab-t-linf"](problem_of(surrogate, images, labels, 1.0))
    assert surrogate.asked == [6] * fab.STEPS


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_gradients_that_are_zero_or_no_numbers_leave_the_clean_image(norm: str) -> None:
    weights, biases = random_weights(4, 48)
    biases[0] += 20
    images = random_images(3)
    for function in (
        lambda x: (x.flatten(1) @ weights.T + biases).round(),
        lambda x: (x.flatten(1)[:, :1] * 0).sqrt() + biases,
        lambda x: x.flatten(1)[:, :1] * 0 + biases,
    ):
        surrogate = FunctionSurrogate(function, 4)
        assert torch.equal(fab.fab_t(problem_of(surrogate, images, [0] * 3, 0.1), norm), images)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_one_pixel_without_a_gradient_does_not_stop_the_others(norm: str) -> None:
    weights, biases = random_weights(4, 12)

    def logits(images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return flat @ weights.T + biases * (1 + (flat[:, :1] * 0).sqrt())  # whose derivative is 0 * infinity

    surrogate, images = FunctionSurrogate(logits, 4), random_images(6, (3, 2, 2))
    labels = surrogate.logits(images).argmax(1)
    assert torch.isnan(surrogate.gradient(images, lambda z: margin(z, labels))[2]).any()
    found = fab.fab_t(problem_of(surrogate, images, labels, 10.0), norm)
    assert bool((margin(logits(found), labels) > 0).all())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_results_do_not_depend_on_the_other_images_of_the_batch(norm: str) -> None:
    rng = np.random.default_rng(3)
    first, second = (torch.from_numpy(rng.normal(size=size).astype("f")) for size in ((12, 48), (5, 12)))
    surrogate = FunctionSurrogate(lambda x: torch.tanh(x.flatten(1) @ first.T / 4) @ second.T, 5)
    images = random_images(5)
    labels = surrogate.logits(images).argmax(1)
    together = fab.fab_t(problem_of(surrogate, images, labels, 1.0), norm)
    assert not torch.equal(together, images)
    for index in range(5):
        part = slice(index, index + 1)
        alone = fab.fab_t(problem_of(surrogate, images[part], labels[part], 1.0, ids=[str(index)]), norm)
        np.testing.assert_allclose(alone[0], together[index], atol=1e-3)

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from function_surrogate import (  # noqa: E402
    FunctionSurrogate,
    linear,
    problem_of,
    random_images,
    random_weights,
)

from seatrial.harness.attacks import apgd  # noqa: E402
from seatrial.harness.attacks.draws import Draws  # noqa: E402
from seatrial.harness.attacks.losses import cross_entropy, dlr, margin  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS  # noqa: E402

Tensor = Any
ALL = ("apgd-ce-linf", "apgd-ce-l2", "apgd-dlr-linf", "apgd-t-linf", "apgd-t-l2")
# Of 48 pixels; some images lie near corners of the box.
RADIUS = {"linf": 0.05, "l2": 0.3}


def lengths(change: Tensor, name: str) -> Tensor:
    flat = change.flatten(1).double()
    return flat.abs().amax(1) if name.endswith("linf") else flat.norm(dim=1)


@pytest.mark.parametrize("steps", [1, 5, 20, 50, 100, 1000])
def test_checkpoints_are_those_of_the_papers_recurrence(steps: int) -> None:
    shares = [Fraction(0), Fraction(22, 100)]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - Fraction(3, 100), Fraction(6, 100)))
    expected = [int(np.ceil(share * steps)) for share in shares[1:] if share <= 1]
    assert list(apgd.checkpoints(steps)) == sorted(set(expected))


class Curved:
    """Logits A tanh(B x), with the gradient of its cross-entropy by hand, in float64."""

    def __init__(self, pixels: int, classes: int) -> None:
        rng = np.random.default_rng(4)
        self.first, self.second = rng.normal(size=(12, pixels)), rng.normal(size=(classes, 12)) * 2

    def torch(self, images: Tensor) -> Tensor:
        hidden = torch.tanh(images.flatten(1) @ torch.from_numpy(self.first).T)
        return hidden @ torch.from_numpy(self.second).T

    def numpy(self, x: np.ndarray, label: int) -> tuple[bool, float, np.ndarray]:
        """Whether x is misclassified, its loss, and the loss's gradient."""
        hidden = np.tanh(self.first @ x)
        logits = self.second @ hidden
        shifted = np.exp(logits - logits.max())
        shares = shifted / shifted.sum()
        wanted = np.eye(len(logits))[label]
        gradient = self.first.T @ ((self.second.T @ (shares - wanted)) * (1 - hidden**2))
        return bool(logits.argmax() != label), float(-np.log(shares[label])), gradient


def as_in_the_paper(
    network: Curved, clean: np.ndarray, label: int, start: np.ndarray, eps: float, norm: str, steps: int
) -> np.ndarray:
    """Algorithm 1 of Croce and Hein 2020, word by word, for one image, from its whole history."""

    def onto(z: np.ndarray) -> np.ndarray:
        change = z - clean
        if norm == "linf":
            change = np.clip(change, -eps, eps)
        elif np.linalg.norm(change) > eps:
            change = change * eps / np.linalg.norm(change)
        return np.clip(clean + change, 0, 1)

    def ascended(x: np.ndarray, eta: float) -> np.ndarray:
        gradient = network.numpy(x, label)[2]
        return onto(x + eta * (np.sign(gradient) if norm == "linf" else gradient / np.linalg.norm(gradient)))

    def f(x: np.ndarray) -> float:
        return network.numpy(x, label)[1]

    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    places = [int(np.ceil(round(share * steps, 6))) for share in shares]
    eta = 2 * eps
    x = [onto(start), ascended(onto(start), eta)]
    seen = list(x)
    etas, tops, gains = {0: eta}, {0: f(x[0])}, [f(x[1]) > f(x[0])]
    for k in range(1, steps + 1):
        if k in places:
            earlier = places[places.index(k) - 1]
            tops[k] = max(map(f, seen))
            few = sum(gains[earlier:k]) < 0.75 * (k - earlier)
            etas[k] = eta  # with which it came here: so it was not halved at the checkpoint before, if both are equal
            if few or (etas[earlier] == etas[k] and tops[earlier] == tops[k]):
                eta /= 2
                x[k] = max(seen, key=f)
        if k == steps:
            break
        z = ascended(x[k], eta)
        new = onto(x[k] + 0.75 * (z - x[k]) + 0.25 * (x[k] - x[k - 1]))
        gains.append(f(new) > f(x[k]))
        x.append(new)
        seen.append(new)
    return max(seen, key=lambda one: (network.numpy(one, label)[0], f(one)))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_run_is_the_papers_algorithm_step_by_step(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count, eps = 12, {"linf": 0.15, "l2": 0.6}[norm]
    network = Curved(pixels=12, classes=5)
    clean = random_images(count, (3, 2, 2), seed=2).double()
    labels = network.torch(clean).argmax(1)
    starts = np.random.default_rng(1).uniform(-0.28, 0.28, (count, 3, 2, 2))  # in both balls
    monkeypatch.setattr(apgd, "_start", lambda *_: torch.from_numpy(starts))  # in float64, or rounding decides
    found, margins = apgd.ascend(
        problem_of(FunctionSurrogate(network.torch, 5), clean, labels, eps), norm, cross_entropy, steps=100
    )
    for index in range(count):
        flat = clean[index].flatten().numpy()
        start = flat + eps * starts[index].flatten()
        expected = as_in_the_paper(network, flat, int(labels[index]), start, eps, norm, 100)
        np.testing.assert_allclose(found[index].flatten().numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(margins, margin(network.torch(found), labels), rtol=1e-6)
    wrong = margins > 0
    assert wrong.any()
    assert not wrong.all()


def test_a_loss_whose_top_lies_inside_the_ball_is_climbed_by_halving_steps() -> None:
    clean = random_images(6, inside=0.2)
    peak = clean + 0.02 * torch.sin(torch.arange(48.0)).reshape(3, 4, 4)

    def logits(images: Tensor) -> Tensor:
        below = -100 * (images - peak).square().flatten(1).sum(1)
        return torch.stack([torch.ones(len(images)), below, below - 1, below - 2], 1)

    for name in ("apgd-ce-linf", "apgd-t-l2"):
        radius = 0.05 if name.endswith("linf") else 0.4
        found = GRADIENT_ATTACKS[name](problem_of(FunctionSurrogate(logits, 4), clean, [0] * 6, radius))
        assert lengths(found - peak, name).max() < radius / 30


@pytest.mark.parametrize("name", ["apgd-t-linf", "apgd-t-l2", "apgd-dlr-linf", "apgd-ce-linf"])
def test_linear_classifiers_are_attacked_optimally(name: str) -> None:
    weights, biases = random_weights(5, 48)
    inside = 0.2  # a ball that the box does not cut
    images = random_images(16, inside=inside, seed=3)
    surrogate = linear(weights, biases)
    logits = surrogate.logits(images)
    labels = logits.argmax(1)
    radius = 0.01 if name.endswith("linf") else 0.15
    differences = weights[None] - weights[labels][:, None]  # [N, classes, pixels]
    reach = differences.abs().sum(2) if name.endswith("linf") else differences.norm(dim=2)
    best = margin(logits + radius * reach, labels)
    found = GRADIENT_ATTACKS[name](problem_of(surrogate, images, labels, radius))
    margins = margin(surrogate.logits(found), labels)
    assert torch.equal(margins > 0, best > 0) if name.startswith("apgd-t") else bool((margins <= best + 1e-4).all())
    assert 0 < int((best > 0).sum()) < 16
    # Its first target, which is the likeliest class, fools most; the loss is a ratio, so that the margin may be less.
    assert (margins > 0).float().mean() >= (best > 0).float().mean() - 0.1


@pytest.mark.parametrize("name", ALL)
def test_images_stay_in_the_ball_and_the_box_and_are_no_worse_than_the_clean_ones(name: str) -> None:
    weights, biases = random_weights(6, 48)
    images = random_images(20)
    images[0], images[1], images[2] = 0.0, 1.0, (images[2] > 0.5).float()
    surrogate = linear(weights, biases)
    labels = surrogate.logits(images).argmax(1)
    labels[10:] = torch.arange(10) % 6  # most of them wrong from the start
    radius = RADIUS[name.rpartition("-")[2]]
    found = GRADIENT_ATTACKS[name](problem_of(surrogate, images, labels, radius))
    assert found.dtype == torch.float32
    assert found.shape == images.shape
    assert bool(((found >= 0) & (found <= 1)).all())
    assert lengths(found - images, name).max() <= radius + 1e-6
    clean_margins = margin(surrogate.logits(images), labels)
    margins = margin(surrogate.logits(found), labels)
    assert bool((margins >= clean_margins).all())
    assert bool((margins > clean_margins)[clean_margins < 0].all())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("gradient", ["zero", "no number", "tied"])
def test_surrogates_without_usable_gradients_give_finite_images_in_the_ball(name: str, gradient: str) -> None:
    weights, biases = random_weights(5, 48)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "zero": lambda images: (images.flatten(1) @ weights.T + biases).round(),
        "no number": lambda images: (images.flatten(1)[:, :1] * 0).sqrt() + biases,
        "tied": lambda images: (images.flatten(1)[:, :1] * 1e8).expand(-1, 5),
    }
    images, radius = random_images(5), RADIUS[name.rpartition("-")[2]]
    labels = torch.full((5,), int(biases.argmax()))
    found = GRADIENT_ATTACKS[name](problem_of(FunctionSurrogate(functions[gradient], 5), images, labels, radius))
    assert torch.isfinite(found).all()
    assert bool(((found >= 0) & (found <= 1)).all())
    assert lengths(found - images, name).max() <= radius + 1e-6


@pytest.mark.parametrize("name", ALL)
def test_one_pixel_without_a_gradient_does_not_stop_the_others(name: str) -> None:
    weights, biases = random_weights(5, 48)

    def logits(images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return flat @ weights.T + biases + (flat[:, :1] * 0).sqrt()  # whose derivative is 0 * infinity

    images, radius = random_images(8, inside=0.2), RADIUS[name.rpartition("-")[2]]
    surrogate = FunctionSurrogate(logits, 5)
    labels = surrogate.logits(images).argmax(1)
    assert torch.isnan(surrogate.gradient(images, lambda z: cross_entropy(z, labels))[2]).any()
    problem = problem_of(surrogate, images, labels, radius)
    usual = GRADIENT_ATTACKS[name](problem_of(linear(weights, biases), images, labels, radius))
    gained, usually = (
        margin(logits(found), labels) - margin(logits(images), labels)
        for found in (GRADIENT_ATTACKS[name](problem), usual)
    )
    assert bool((gained > usually * 0.9).all())


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_l2_directions_have_norm_one_however_small_or_large_the_gradient(scale: float) -> None:
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, 4, 4)).astype(np.float32)) * scale
    gradient[0] = 0
    norms = apgd._direction(gradient, "l2").flatten(1).norm(dim=1)
    np.testing.assert_allclose(norms, [0, 1, 1], rtol=1e-5)


def test_starts_fill_the_ball_of_linf_and_lie_on_the_sphere_of_l2() -> None:
    problem = problem_of(linear(*random_weights(4, 48)), random_images(50), [0] * 50, 1.0)
    box, sphere = apgd._start(problem, "linf"), apgd._start(problem, "l2")
    assert -1 <= box.min() < -0.99
    assert 0.99 < box.max() <= 1
    assert abs(float(box.mean())) < 0.05
    assert float(box.abs().mean()) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(sphere.flatten(1).norm(dim=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_results_do_not_depend_on_the_other_images_of_the_batch(name: str) -> None:
    network = Curved(48, 6)
    images = random_images(6, seed=9)

    def logits(x: Tensor) -> Tensor:
        return network.torch(x.double()).float()

    labels = logits(images).argmax(1)
    radius = 0.01 if name.endswith("linf") else 0.1  # some are fooled, others not
    surrogate = FunctionSurrogate(logits, 6)
    together = GRADIENT_ATTACKS[name](problem_of(surrogate, images, labels, radius, restarts=2))
    assert 0 < int((margin(logits(together), labels) > 0).sum()) < 6
    for index in (0, 3, 5):
        part = slice(index, index + 1)
        alone = problem_of(surrogate, images[part], labels[part], radius, restarts=2, ids=[str(index)])
        np.testing.assert_allclose(GRADIENT_ATTACKS[name](alone)[0], together[index], atol=1e-4)


def test_restarts_and_targets_attack_only_what_is_still_right() -> None:
    # The first pixel gives each image's distance to the boundary: far, or none.
    def logits(images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0]
        return torch.stack([first, *(torch.full_like(first, 0.5 - place / 1000) for place in range(4))], 1)

    images = torch.ones(4, 3, 2, 2)
    images[:2, 0, 0, 0] = 0.501
    for name, runs in (("apgd-ce-linf", 3), ("apgd-dlr-linf", 3), ("apgd-t-linf", 12)):
        surrogate = FunctionSurrogate(logits, 5)
        found = GRADIENT_ATTACKS[name](problem_of(surrogate, images, [0] * 4, 0.01, restarts=3))
        sizes = [size for size, _ in itertools.groupby(surrogate.asked)]
        assert sizes == [4, 2], name
        assert len(surrogate.asked) == runs * (apgd.STEPS + 1)
        assert (found[:2, 0, 0, 0] < 0.5).all()


def test_nine_targets_are_enough_however_many_classes_there_are() -> None:
    surrogate = FunctionSurrogate(lambda images: images.flatten(1)[:, :1] * 0 - torch.arange(20.0), 20)
    GRADIENT_ATTACKS["apgd-t-linf"](problem_of(surrogate, random_images(2), [0, 0], 0.01))
    assert len(surrogate.asked) == 9 * (apgd.STEPS + 1)


def test_a_later_start_replaces_an_earlier_one_only_where_its_margin_is_larger() -> None:
    weights, biases = random_weights(4, 48)
    images = random_images(8, inside=0.2)
    surrogate = linear(weights, biases + torch.tensor([50.0, 0, 0, 0]))
    once = GRADIENT_ATTACKS["apgd-ce-linf"](problem_of(surrogate, images, [0] * 8, 0.01))
    thrice = GRADIENT_ATTACKS["apgd-ce-linf"](problem_of(surrogate, images, [0] * 8, 0.01, restarts=3))
    labels = torch.zeros(8, dtype=torch.int64)
    assert bool((margin(surrogate.logits(thrice), labels) >= margin(surrogate.logits(once), labels)).all())


def test_a_point_that_fools_is_preferred_to_one_of_larger_loss() -> None:
    # Along the first pixel: near 1 every class is as likely as the label, but none likelier; near 0 one other is.
    def logits(images: Tensor) -> Tensor:
        place = images[:, 0, 0, 0]
        other = torch.where(place < 0.5, 5.01, 4.9)
        rest = torch.where(place < 0.5, -5.0, 4.99) + place * 1e-3
        return torch.stack([torch.full_like(place, 5.0), other + 0 * place, *[rest] * 8], 1)

    images = torch.full((1, 3, 1, 1), 0.5)
    labels = torch.tensor([0])
    low, high = (cross_entropy(logits(torch.full((1, 3, 1, 1), value)), labels) for value in (0.4, 0.6))
    assert high > low
    found = [
        GRADIENT_ATTACKS["apgd-ce-linf"](
            problem_of(FunctionSurrogate(logits, 10), images, labels, 0.2, ids=[str(seed)])
        )
        for seed in range(20)
    ]
    fooled = [bool(margin(logits(one), labels) > 0) for one in found]
    # From a start below, momentum or the first step leads up to the larger loss; the start itself counts.
    starts = [float(Draws(5, [str(seed)], "test").uniform(-1, 1, (3, 1, 1))[0, 0, 0, 0]) for seed in range(20)]
    assert all(one for one, start in zip(fooled, starts, strict=True) if start < 0)
    assert any(start < 0 for start in starts)


def test_dlr_and_cross_entropy_are_two_attacks() -> None:
    network = Curved(48, 6)
    images = random_images(4).double()
    labels = network.torch(images).argmax(1)
    problem = problem_of(FunctionSurrogate(network.torch, 6), images, labels, 0.05)
    first, second = (apgd.ascend(problem, "linf", loss)[0] for loss in (cross_entropy, dlr))
    assert not torch.allclose(first, second)

from __future__ import annotations

import dataclasses
from collections.abc import Callable
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

from seatrial.harness.attacks import autoattack  # noqa: E402
from seatrial.harness.attacks.balls import distance  # noqa: E402
from seatrial.harness.attacks.losses import margin  # noqa: E402
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem  # noqa: E402
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Found, Search  # noqa: E402

Tensor = Any


def by_first_pixel() -> FunctionSurrogate:
    """Class 0 while the first pixel is at most a half."""

    def logits(images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0]
        return torch.stack([torch.full_like(first, 0.5), first, first - 1, first - 2], 1)

    return FunctionSurrogate(logits, 4)


@dataclasses.dataclass
class Members:
    """Stands in for the four attacks: each sets the first pixel as it was told to, and tells what it was given."""

    given: list[tuple[str, list[int]]] = dataclasses.field(default_factory=list)

    def attack(self, name: str, pixels: dict[int, float]) -> Callable[..., Tensor]:
        def made(problem: Problem, *_: object) -> Tensor:
            numbers = (problem.images[:, 1, 0, 0] * 255).round().int().tolist()  # the images' names
            self.given.append((name, numbers))
            images = problem.images.clone()
            for row, number in enumerate(numbers):
                images[row, 0, 0, 0] = pixels.get(number, float(images[row, 0, 0, 0]))
            return images

        return made


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_each_attack_gets_what_those_before_it_left_right(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.full((6, 3, 2, 2), 0.4)
    images[:, 1, 0, 0] = torch.arange(6) / 255
    images[0, 0, 0, 0] = 0.6  # wrong from the start
    members = Members()
    told: dict[str, dict[int, float]] = {
        "apgd-ce": {0: 0.9, 1: 0.7, 5: 0.45},
        "apgd-t": {2: 0.7, 5: 0.42},
        "fab-t": {3: 0.55},
        "square": {4: 0.7},
    }
    for function, name in zip(("untargeted", "targeted", "fab_t", "_square"), told, strict=True):
        monkeypatch.setattr(autoattack, function, members.attack(name, told[name]))
    found = GRADIENT_ATTACKS[f"autoattack-{norm}"](problem_of(by_first_pixel(), images, [0] * 6, 0.3))
    assert members.given == [
        ("apgd-ce", [1, 2, 3, 4, 5]),
        ("apgd-t", [2, 3, 4, 5]),
        ("fab-t", [3, 4, 5]),
        ("square", [4, 5]),
    ]
    # The fifth is fooled by none, and is what came nearest to it.
    np.testing.assert_allclose(found[:, 0, 0, 0], [0.6, 0.7, 0.7, 0.55, 0.7, 0.45], rtol=1e-6)


def test_where_nothing_is_left_right_nothing_further_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    members = Members()
    for name in ("untargeted", "targeted", "fab_t", "_square"):
        monkeypatch.setattr(autoattack, name, members.attack(name, {0: 0.9}))
    images = torch.full((1, 3, 2, 2), 0.4)
    images[:, 1] = 0
    GRADIENT_ATTACKS["autoattack-linf"](problem_of(by_first_pixel(), images, [0], 0.3))
    assert [name for name, _ in members.given] == ["untargeted"]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_square_is_given_the_search_that_stands_for_the_problem(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Search] = []
    weights, biases = random_weights(4, 48)

    def fake(search: Search) -> Found:
        given.append(search)
        moved = search.images.astype(np.float32) + 30
        return Found(np.clip(moved, 0, 255), np.ones(len(moved), np.int32))

    monkeypatch.setitem(BLACK_BOX_ATTACKS._parts, f"square-{norm}", fake)
    images = random_images(3)
    problem = problem_of(linear(weights, biases), images, [0, 1, 2], 0.05, queries=77)
    found = autoattack._square(problem, norm)
    (search,) = given
    assert (search.levels, search.budget, search.eight_bit) == (pytest.approx(0.05 * 255), 77, False)
    assert search.draws is problem.draws
    assert search.labels.tolist() == [0, 1, 2]
    assert search.images.dtype == np.uint8
    np.testing.assert_array_equal(search.images.astype(np.float32).transpose(0, 3, 1, 2) / 255, images)
    scores = search.oracle(search.images.astype(np.float32))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, problem.surrogate.logits(images), atol=1e-5)
    np.testing.assert_allclose(scores, search.oracle(search.images), atol=1e-5)
    # What comes back lies in the ball, whatever the search did.
    assert distance(found - images, norm).max() <= 0.05 + 1e-6
    assert bool(((found - images) >= -1e-6).all())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_images_stay_in_the_ball_and_none_survives_that_a_member_fools(norm: str) -> None:
    rng = np.random.default_rng(3)
    first, second = (torch.from_numpy(rng.normal(size=size).astype("f")) for size in ((24, 48), (5, 24)))
    surrogate = FunctionSurrogate(lambda x: torch.relu(x.flatten(1) @ first.T) @ second.T, 5)
    images = random_images(12)
    images[0], images[1] = 0, 1
    labels = surrogate.logits(images).argmax(1)
    radius = {"linf": 0.03, "l2": 0.15}[norm]
    problem = problem_of(surrogate, images, labels, radius, queries=40)
    found = GRADIENT_ATTACKS[f"autoattack-{norm}"](problem)
    assert torch.isfinite(found).all()
    assert bool(((found >= 0) & (found <= 1)).all())
    assert distance(found - images, norm).max() <= radius + 1e-6
    fooled = margin(surrogate.logits(found), labels) > 0
    assert 0 < int(fooled.sum()) < 12
    for name in (f"apgd-ce-{norm}", f"apgd-t-{norm}"):
        alone = GRADIENT_ATTACKS[name](problem_of(surrogate, images, labels, radius))
        assert bool((fooled | ~(margin(surrogate.logits(alone), labels) > 0)).all())


def test_gradients_that_are_zero_everywhere_do_not_save_a_model_from_the_search() -> None:
    weights, biases = random_weights(4, 48)
    masked = FunctionSurrogate(lambda x: ((x * 255).round() / 255).flatten(1) @ weights.T + biases, 4)
    images = random_images(6, inside=0.2)
    labels = masked.logits(images).argmax(1)
    problem = problem_of(masked, images, labels, 0.15, queries=300)
    by_gradients = GRADIENT_ATTACKS["apgd-t-linf"](problem_of(masked, images, labels, 0.15))
    found = GRADIENT_ATTACKS["autoattack-linf"](problem)
    left = [int((margin(masked.logits(x), labels) <= 0).sum()) for x in (by_gradients, found)]
    assert left[1] < left[0]
    assert left[1] == 0

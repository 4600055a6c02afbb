"""Projected gradient descent (Madry et al. 2018) in L-inf, L2 and L1, with random starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from seatrial.harness.attacks.balls import along, box, project, random_start, scaled_back, sparse_steepest, steepest
from seatrial.harness.attacks.losses import cross_entropy
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem
from seatrial.harness.attacks.strengths import dense_l1_step

Tensor = Any
# Logits [N, classes], labels [N] -> what is increased, [N].
LabelLoss = Callable[[Tensor, Tensor], Tensor]

STEPS = 20
# Of a step, relative to the radius: 3/40, as RobustART takes it for L-inf and L2.
RELATIVE_STEP = 0.075
# Of an L1 step. RobustART's 120 for radii of 100, 400 and 1600 fits dense gradients at one of them; sparse steps
# relative to the radius fit all of them, and go further up.
RELATIVE_L1_STEP = 0.2
# Share of the entries that an L1 step moves: those above the 99 % quantile (SLIDE: Tramer and Boneh 2019).
L1_SHARE = 0.01


@GRADIENT_ATTACKS.register("pgd-linf")
def pgd_linf(problem: Problem) -> Tensor:
    """20 steps of 0.075 radii along the gradient's sign."""
    return restarted(problem, lambda part: ascend(part, cross_entropy, "linf"), cross_entropy)


@GRADIENT_ATTACKS.register("pgd-l2")
def pgd_l2(problem: Problem) -> Tensor:
    """20 steps of 0.075 radii along the gradient."""
    return restarted(problem, lambda part: ascend(part, cross_entropy, "l2"), cross_entropy)


@GRADIENT_ATTACKS.register("pgd-l1")
def pgd_l1(problem: Problem) -> Tensor:
    """20 sparse steps of 0.2 radii: each moves the hundredth of the entries with the largest gradient."""
    return restarted(problem, lambda part: ascend(part, cross_entropy, "l1"), cross_entropy)


@GRADIENT_ATTACKS.register("pgd-dense-l1")
def pgd_dense_l1(problem: Problem) -> Tensor:
    """As RobustART runs it by ART: 20 steps along the whole gradient, divided by its L1 norm (`strengths`)."""
    return restarted(problem, lambda part: ascend(part, cross_entropy, "l1", dense=True), cross_entropy)


def ascend(problem: Problem, loss: LabelLoss, norm: str, *, dense: bool = False) -> Tensor:
    """The last of 20 images on the way up from one random start. dense: of L1, all entries move.

    Nothing of the way is kept, and steps are taken in place.
    """
    clean, labels, radius = problem.images, problem.labels, problem.radius
    images = random_start(clean, radius, norm, problem.draws)
    limits = box(clean, radius) if norm == "linf" else None
    for _ in range(STEPS):
        _, _, gradient = problem.surrogate.gradient(images, lambda logits: loss(logits, labels))
        if limits is not None:
            images = images.add_(steepest(gradient, norm), alpha=RELATIVE_STEP * radius)
            torch.minimum(torch.maximum(images, limits[0], out=images), limits[1], out=images)
        elif norm == "l2":
            images = project(images.add_(steepest(gradient, norm), alpha=RELATIVE_STEP * radius), clean, radius, norm)
        elif dense:
            step = dense_l1_step(clean[0].numel())
            images = scaled_back(images.add_(along(gradient), alpha=step).clamp_(0, 1), clean, radius)
        else:
            sparse = sparse_steepest(gradient, images, L1_SHARE)
            images = project(images.add_(sparse, alpha=RELATIVE_L1_STEP * radius), clean, radius, norm)
    return images


def restarted(problem: Problem, attack: Callable[[Problem], Tensor], loss: LabelLoss) -> Tensor:
    """The best of `problem.restarts` random starts for each image: the first that fools, else the largest loss.

    Images that are fooled are not attacked again. With one start nothing is compared.
    """
    best = attack(problem)
    if problem.restarts == 1:
        return best
    fooled, highest = judged(problem, best, loss)
    for _ in range(problem.restarts - 1):
        left = (~fooled).nonzero()[:, 0]
        if not len(left):
            break
        part = part_of(problem, left)
        found = attack(part)
        fools, losses = judged(part, found, loss)
        better = fools | (losses > highest[left])
        chosen = left[better]
        best[chosen], highest[chosen], fooled[chosen] = found[better], losses[better], fools[better]
    return best


def judged(problem: Problem, images: Tensor, loss: LabelLoss) -> tuple[Tensor, Tensor]:
    """Whether the surrogate is wrong about each image, bool [N], and its loss, float32 [N]."""
    logits = problem.surrogate.logits(images)
    return logits.argmax(1) != problem.labels, loss(logits, problem.labels)


def part_of(problem: Problem, chosen: Tensor) -> Problem:
    """The problem of some of its images; their random numbers go on where they were. chosen: int64 indices."""
    return dataclasses.replace(
        problem,
        images=problem.images[chosen],
        labels=problem.labels[chosen],
        draws=problem.draws.part(chosen.tolist()),
    )

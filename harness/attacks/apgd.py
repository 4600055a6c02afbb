"""Auto-PGD: projected gradient ascent that sets its own step sizes (Croce and Hein 2020, "Reliable Evaluation of
Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks", section 3).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import torch

from seatrial.harness.attacks.balls import distance, project
from seatrial.harness.attacks.best import Best, numbers, per_image
from seatrial.harness.attacks.losses import cross_entropy, dlr, dlr_targeted, margin, targets_in_order
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem

Tensor = Any
# (logits [N, classes], labels [N]) -> [N].
LabelLoss = Callable[[Tensor, Tensor], Tensor]

STEPS = 100
# Share of a step that follows the gradient, the rest the step before it (section 3.1).
MOMENTUM = 0.75
# Steps between two checkpoints that must have gained, or the step size is halved (section 3.2).
GAINING = 0.75
# Of apgd-t (section 5, table 2).
TARGETS = 9


@GRADIENT_ATTACKS.register("apgd-ce-linf")
def apgd_ce_linf(problem: Problem) -> Tensor:
    """On cross-entropy, in L-inf."""
    return untargeted(problem, "linf", cross_entropy)


@GRADIENT_ATTACKS.register("apgd-ce-l2")
def apgd_ce_l2(problem: Problem) -> Tensor:
    """On cross-entropy, in L2."""
    return untargeted(problem, "l2", cross_entropy)


@GRADIENT_ATTACKS.register("apgd-dlr-linf")
def apgd_dlr_linf(problem: Problem) -> Tensor:
    """On the difference of logits ratio, in L-inf."""
    return untargeted(problem, "linf", dlr)


@GRADIENT_ATTACKS.register("apgd-t-linf")
def apgd_t_linf(problem: Problem) -> Tensor:
    """On the targeted difference of logits ratio, in L-inf."""
    return targeted(problem, "linf")


@GRADIENT_ATTACKS.register("apgd-t-l2")
def apgd_t_l2(problem: Problem) -> Tensor:
    """On the targeted difference of logits ratio, in L2."""
    return targeted(problem, "l2")


def untargeted(problem: Problem, norm: str, loss: LabelLoss) -> Tensor:
    """Every image is attacked once, also one that is wrong from the start: other models may be right about it."""
    best = Best(problem)
    chosen = torch.arange(len(problem.labels), device=problem.images.device)
    for _ in range(problem.restarts):
        if len(chosen):
            best.take(chosen, *ascend(best.part(chosen), norm, loss))
        chosen = best.still_right()
    return best.images


def targeted(problem: Problem, norm: str) -> Tensor:
    """Likewise; the targets are the other classes, in the order of the clean image's logits."""
    best = Best(problem)
    targets = targets_in_order(best.logits, problem.labels, TARGETS)
    chosen = torch.arange(len(problem.labels), device=problem.images.device)
    for target in targets.unbind(1):
        for _ in range(problem.restarts):
            if len(chosen):
                loss = functools.partial(dlr_targeted, targets=target[chosen])
                best.take(chosen, *ascend(best.part(chosen), norm, loss))
            chosen = best.still_right()
    return best.images


def checkpoints(steps: int) -> tuple[int, ...]:
    """After which steps the step sizes are looked at (section 3.2): 22 % of the steps, then in periods that each are
    3 % shorter, and at least 6 %.

    >>> checkpoints(100)
    (22, 41, 57, 70, 80, 87, 93, 99)
    """
    places, period = [22], 22  # in hundredths, so that nothing is rounded
    while places[-1] < 100:
        period = max(period - 3, 6)
        places.append(places[-1] + period)
    return tuple(dict.fromkeys(-(-place * steps // 100) for place in places if place <= 100))


def ascend(problem: Problem, norm: str, loss: LabelLoss, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """One run from a random start: images [N, 3, H, W] and their margins [N].

    Of the points on the way it returns the one of the largest loss among those that fool the surrogate, or among all
    where none does. A point without gradient is left only by momentum.
    """
    clean, labels, radius = problem.images, problem.labels, problem.radius

    def look(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, losses, gradient = problem.surrogate.gradient(x, lambda scores: loss(scores, labels))
        return margin(logits, labels), losses, gradient

    x = project(clean + radius * _start(problem, norm), clean, radius, norm)
    margins, losses, gradient = look(x)
    found = _Found(x, margins, losses)
    top, top_losses, top_gradient = x, losses, gradient  # the largest loss, from where halved steps go on
    before, sizes = x, torch.full_like(losses, 2 * radius)  # section 3.2: twice eps at first
    gained, halved, top_at_check = torch.zeros_like(losses), torch.zeros_like(losses, dtype=torch.bool), losses
    periods = {place: place - earlier for earlier, place in itertools.pairwise((0, *checkpoints(steps)))}
    for step in range(1, steps + 1):
        stepped = project(x + per_image(sizes) * _direction(gradient, norm), clean, radius, norm)
        if step > 1:
            stepped = project(x + MOMENTUM * (stepped - x) + (1 - MOMENTUM) * (x - before), clean, radius, norm)
        before, x, old_losses = x, stepped, losses
        margins, losses, gradient = look(x)
        found.take(x, margins, losses)
        gained += losses > old_losses
        better = losses > top_losses
        top, top_gradient = _choose(better, x, top), _choose(better, gradient, top_gradient)
        top_losses = torch.where(better, losses, top_losses)
        if step in periods:
            stuck = ~halved & (top_losses <= top_at_check)
            halved = (gained < GAINING * periods[step]) | stuck
            sizes = torch.where(halved, sizes / 2, sizes)
            x, gradient = _choose(halved, top, x), _choose(halved, top_gradient, gradient)
            losses = torch.where(halved, top_losses, losses)
            top_at_check, gained = top_losses, torch.zeros_like(gained)
    return found.images, found.margins


class _Found:
    """The best point of a run: one that fools the surrogate before one that does not, then the larger loss."""

    def __init__(self, images: Tensor, margins: Tensor, losses: Tensor) -> None:
        self.images, self.margins, self.losses = images, margins, losses

    def take(self, images: Tensor, margins: Tensor, losses: Tensor) -> None:
        fools, fooled = margins > 0, self.margins > 0
        better = (fools & ~fooled) | ((fools == fooled) & (losses > self.losses))
        self.images = _choose(better, images, self.images)
        self.margins = torch.where(better, margins, self.margins)
        self.losses = torch.where(better, losses, self.losses)


def _choose(first: Tensor, images: Tensor, others: Tensor) -> Tensor:
    return torch.where(per_image(first), images, others)


def _start(problem: Problem, norm: str) -> Tensor:
    """In the unit ball: anywhere in that of L-inf, on the surface of that of L2."""
    shape = tuple(problem.images.shape[1:])
    if norm == "linf":
        return numbers(problem.draws.uniform(-1, 1, shape), problem.images)
    drawn = numbers(problem.draws.normal(shape), problem.images)
    return drawn / per_image(distance(drawn, "l2"))


def _direction(gradient: Tensor, norm: str) -> Tensor:
    """The steepest direction of norm 1; 0 where there is no gradient."""
    gradient = gradient.nan_to_num()
    if norm == "linf":
        return gradient.sign()
    largest = per_image(distance(gradient, "linf")).clamp_min(torch.finfo(gradient.dtype).tiny)
    scaled = gradient / largest  # first, so that squares neither vanish nor overflow
    return scaled / per_image(distance(scaled, "l2")).clamp_min(torch.finfo(gradient.dtype).tiny)

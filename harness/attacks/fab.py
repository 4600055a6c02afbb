"""FAB: the nearest image on the other side of a decision boundary (Croce and Hein 2020, "Minimally distorted
Adversarial Examples with a Fast Adaptive Boundary Attack", algorithm 1), towards one class after the other.
"""

from __future__ import annotations

from typing import Any

import torch

from seatrial.harness.attacks.balls import distance
from seatrial.harness.attacks.best import Best, per_image
from seatrial.harness.attacks.hyperplanes import to_hyperplane
from seatrial.harness.attacks.losses import margin, targets_in_order
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem

Tensor = Any

# Of the paper's experiments; nine targets as in the ensemble.
STEPS = 100
TARGETS = 9
# The largest share of the way that is measured from the clean image, not from where the search stands.
MOST_CLEAN = 0.1
# How far beyond the boundary a step aims.
BEYOND = 1.05
# What is left of the change after a step that crossed the boundary.
BACK = 0.9
# Shorter ways than this are no ways.
_NOWHERE = 1e-8


@GRADIENT_ATTACKS.register("fab-t-linf")
def fab_t_linf(problem: Problem) -> Tensor:
    """In L-inf; the clean image where nothing was found within the radius."""
    return fab_t(problem, "linf")


def fab_t(problem: Problem, norm: str) -> Tensor:
    """Images that are within the radius and fool the surrogate; the clean ones where none were found."""
    best = Best(problem)
    result = problem.images.clone()
    targets = targets_in_order(best.logits, problem.labels, TARGETS)
    chosen = best.still_right()
    for target in targets.unbind(1):
        if not len(chosen):
            break
        images, distances = nearest(best.part(chosen), target[chosen], norm)
        near = distances <= problem.radius
        result[chosen[near]] = images[near]
        chosen = chosen[~near]
    return result


def nearest(problem: Problem, targets: Tensor, norm: str, steps: int = STEPS) -> tuple[Tensor, Tensor]:
    """The nearest images [N, 3, H, W] found that fool the surrogate, and their distances [N].

    targets: int64 [N], the class towards which the boundary is looked for; an image of any wrong class counts. Where
    nothing fools the surrogate the clean image, at an infinite distance. The problem's radius plays no part.
    """
    clean, labels = problem.images, problem.labels
    classes = torch.stack([targets, labels], 1)

    def ahead(logits: Tensor) -> Tensor:
        target, own = logits.gather(1, classes).unbind(1)
        return target - own

    x, found = clean, clean
    shortest = torch.full((len(clean),), torch.inf, device=clean.device)
    for _ in range(steps):
        _, lead, gradient = problem.surrogate.gradient(x, ahead)
        x = _towards(x, clean, lead, gradient.nan_to_num(), norm)
        crossed = margin(problem.surrogate.logits(x), labels) > 0
        distances = distance(x - clean, norm)
        nearer = crossed & (distances < shortest)
        found = torch.where(per_image(nearer), x, found)
        shortest = torch.where(nearer, distances, shortest)
        x = torch.where(per_image(crossed), clean + BACK * (x - clean), x)
    return found, shortest


def _towards(x: Tensor, clean: Tensor, lead: Tensor, gradient: Tensor, norm: str) -> Tensor:
    """One step: from the projections of the point and of the clean image onto the linearised boundary."""
    size = len(x)
    normals, points, origin = gradient.reshape(size, -1), x.reshape(size, -1), clean.reshape(size, -1)
    gap = -lead
    gap_of_clean = gap + (normals * (points - origin)).sum(1)
    both = to_hyperplane(
        torch.cat([points, origin]), torch.cat([normals, normals]), torch.cat([gap, gap_of_clean]), norm
    )
    lengths = distance(both, norm).clamp_min(_NOWHERE)
    share = (lengths[:size] / (lengths[:size] + lengths[size:])).clamp_max(MOST_CLEAN)[:, None]
    reached = (1 - share) * (points + BEYOND * both[:size]) + share * (origin + BEYOND * both[size:])
    return reached.clamp(0, 1).reshape(x.shape)

"""The standard ensemble of AutoAttack: APGD-CE, APGD-T, FAB-T and Square, each on what the ones before it left right
(Croce and Hein 2020, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free
Attacks", section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seatrial.harness.attacks import square  # noqa: F401  (it registers itself)
from seatrial.harness.attacks.apgd import targeted, untargeted
from seatrial.harness.attacks.balls import project
from seatrial.harness.attacks.best import Best
from seatrial.harness.attacks.fab import fab_t
from seatrial.harness.attacks.losses import cross_entropy, margin
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Images, Search
from seatrial.harness.attacks.surrogate import Surrogate

Tensor = Any


@GRADIENT_ATTACKS.register("autoattack-linf")
def autoattack_linf(problem: Problem) -> Tensor:
    """In L-inf. The images must be 8-bit ones, for Square."""
    return _ensemble(problem, "linf")


@GRADIENT_ATTACKS.register("autoattack-l2")
def autoattack_l2(problem: Problem) -> Tensor:
    """In L2. The images must be 8-bit ones, for Square."""
    return _ensemble(problem, "l2")


def _ensemble(problem: Problem, norm: str) -> Tensor:
    """An image that is wrong from the start stays as it is; one that all attacks leave right is the one of the largest
    margin among theirs.
    """
    best = Best(problem)
    members: tuple[Callable[[Problem], Tensor], ...] = (
        lambda part: untargeted(part, norm, cross_entropy),
        lambda part: targeted(part, norm),
        lambda part: fab_t(part, norm),
        lambda part: _square(part, norm),
    )
    for attack in members:
        chosen = best.still_right()
        if not len(chosen):
            break
        part = best.part(chosen)
        images = attack(part)
        best.take(chosen, images, margin(problem.surrogate.logits(images), part.labels))
    return best.images


def _square(problem: Problem, norm: str) -> Tensor:
    surrogate = problem.surrogate

    def oracle(images: Images) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32] = surrogate.logits(_pixels(images, surrogate)).cpu().numpy()
        return logits

    images = (problem.images * 255).round().permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    found = BLACK_BOX_ATTACKS[f"square-{norm}"](
        Search(
            oracle,
            np.ascontiguousarray(images),
            problem.labels.cpu().numpy(),
            levels=problem.radius * 255,
            draws=problem.draws,
            budget=problem.queries,
            eight_bit=False,
        )
    )
    return project(_pixels(found.images, surrogate), problem.images, problem.radius, norm)


def _pixels(images: Images, surrogate: Surrogate) -> Tensor:
    """[M, H, W, 3] in levels -> float32 [M, 3, H, W] in [0, 1], where the surrogate is."""
    chosen = torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(surrogate.device)
    return chosen.permute(0, 3, 1, 2).contiguous() / 255

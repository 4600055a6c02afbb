"""PGD on scaled logits: shows gradients that vanish only because softmax saturates (Gupta and Ajanthan 2022)."""

from __future__ import annotations

import functools
from typing import Any

import torch

from seatrial.harness.attacks.losses import cross_entropy, margin
from seatrial.harness.attacks.pgd import ascend, judged, restarted
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem

Tensor = Any

# What logits are divided by: one decade each way. Large for networks that are too sure of themselves for a gradient,
# small for those whose logits lie so close together that all classes weigh the same.
TEMPERATURES = (10.0, 0.1)


@GRADIENT_ATTACKS.register("pgd-scaled-linf")
def pgd_scaled(problem: Problem) -> Tensor:
    """PGD as `pgd-linf` at both temperatures; of each image the first that fools, else the one of larger margin."""
    best = None
    for temperature in TEMPERATURES:
        loss = functools.partial(_scaled, temperature=temperature)
        found = restarted(problem, lambda part, loss=loss: ascend(part, loss, "linf"), loss)  # type: ignore[misc]
        fools, margins = judged(problem, found, margin)
        if best is None:
            best, fooled, highest = found, fools, margins
        else:
            better = ~fooled & (fools | (margins > highest))
            best = torch.where(better.reshape(-1, 1, 1, 1), found, best)
    return best


def _scaled(logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    return cross_entropy(logits / temperature, labels)

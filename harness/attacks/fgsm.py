"""The fast gradient sign method (Goodfellow et al. 2015, section 4)."""

from __future__ import annotations

from typing import Any

from seatrial.harness.attacks.balls import steepest
from seatrial.harness.attacks.losses import cross_entropy
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem

Tensor = Any


@GRADIENT_ATTACKS.register("fgsm-linf")
def fgsm(problem: Problem) -> Tensor:
    """One step of the whole radius along the sign of the gradient of cross-entropy, from the image itself."""
    labels = problem.labels
    _, _, gradient = problem.surrogate.gradient(problem.images, lambda logits: cross_entropy(logits, labels))
    return steepest(gradient, "linf").mul_(problem.radius).add_(problem.images).clamp_(0, 1)

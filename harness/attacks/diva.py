"""DIVA: images on which the quantized model is wrong and the one it was made from still right (Hao et al. 2022)."""

from __future__ import annotations

from typing import Any

import torch

from seatrial.harness.attacks.balls import box, steepest
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem

Tensor = Any

STEPS = 20
# Relative to the radius: the paper's 1/255 at 8/255.
RELATIVE_STEP = 1 / 8
# How much the quantized model's probability counts beside the source's (the paper's c).
BALANCE = 1.0


@GRADIENT_ATTACKS.register("diva-linf")
def diva(problem: Problem) -> Tensor:
    """20 steps of an eighth of the radius along the sign of the gradient of p_source(label) - p_quantized(label).

    From the image itself. ValueError without the source.
    """
    source, labels = problem.source, problem.labels
    if source is None:
        raise ValueError("DIVA needs the float32 source beside the quantized model")
    low, high = box(problem.images, problem.radius)
    images = problem.images.clone()
    for _ in range(STEPS):
        _, _, gradient = source.gradient(images, lambda logits: _probability(logits, labels))
        _, _, other = problem.surrogate.gradient(images, lambda logits: _probability(logits, labels))
        step = steepest(gradient.sub_(other, alpha=BALANCE), "linf")
        images.add_(step, alpha=RELATIVE_STEP * problem.radius)
        torch.minimum(torch.maximum(images, low, out=images), high, out=images)
    return images


def _probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax in float64, where the probability of a sure network is not yet 1 and its gradient not yet 0: [N]."""
    return logits.double().softmax(1).gather(1, labels[:, None])[:, 0]

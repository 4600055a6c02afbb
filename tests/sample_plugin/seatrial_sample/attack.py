"""One step of random signs: no attack at all."""

from __future__ import annotations

from typing import Any

from seatrial.harness.attacks.ids import AttackKind


def random_signs(problem: Any) -> Any:
    """float32 [N, 3, H, W] in [0, 1], within the radius."""
    signs = problem.surrogate.gradient(problem.images, lambda logits: logits.sum(1))[2].sign()
    return (problem.images + problem.radius * signs).clamp(0, 1)


SAMPLE = AttackKind("linf", function=random_signs)

"""What a gradient attack is given: images, labels, a radius, and the surrogate that it may differentiate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seatrial.harness.attacks.draws import Draws
from seatrial.registry import Registry

if TYPE_CHECKING:
    from seatrial.harness.attacks.surrogate import Surrogate

Tensor = Any  # torch.Tensor; PyTorch is optional


@dataclasses.dataclass(frozen=True)
class Problem:
    """N images to be changed.

    surrogate: what is attacked. images: float32 [N, 3, H, W], RGB in [0, 1], on the surrogate's device. labels: int64
    [N], the surrogate's class indices. radius: of the ball around each image, in units of pixels in [0, 1]. draws: the
    random numbers of these images. source: the float32 source, where the attack needs the pair. restarts: random
    starts of iterated attacks. queries: of a search by scores.
    """

    surrogate: Surrogate
    images: Tensor
    labels: Tensor
    radius: float
    draws: Draws
    source: Surrogate | None = None
    restarts: int = 1
    queries: int = 5000


# Problem -> float32 [N, 3, H, W] in [0, 1], each within the radius (up to float32 rounding) of its image.
GradientAttack = Callable[[Problem], Tensor]

GRADIENT_ATTACKS: Registry[GradientAttack] = Registry("gradient attack")

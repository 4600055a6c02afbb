"""Gradient signs with momentum (Dong et al. 2018), also on randomly resized images (Xie et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from seatrial.harness.attacks.balls import box, distance
from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.losses import cross_entropy
from seatrial.harness.attacks.problem import GRADIENT_ATTACKS, Problem

Tensor = Any

STEPS = 20  # RobustART
# RobustART's step of .002 is about this at its middle radius of 2/255. Smaller ones, such as Dong et al.'s
# radius / steps, do not come back from where the momentum led first: they fool fewer images at every radius.
RELATIVE_STEP = 0.25
# RobustART's step at every radius, in units of pixels in [0, 1]: its batch script sets the radius alone.
ROBUSTART_STEP = 0.002
DECAY = 1.0  # of the momentum (Dong et al. 2018; RobustART)
# Xie et al. 2019 enlarge images of 299 px by up to a tenth and pad them, with probability 0.5. Networks
# whose size is fixed are given images made smaller by up to a tenth and padded to what they were.
PROBABILITY = 0.5
SMALLEST = 0.9


@GRADIENT_ATTACKS.register("mi-fgsm-linf")
def mi_fgsm(problem: Problem) -> Tensor:
    """20 steps of a quarter of the radius along the sign of the summed gradients, each scaled to L1 norm 1.

    From the image itself.
    """
    return _iterated(problem, lambda: None, RELATIVE_STEP * problem.radius)


@GRADIENT_ATTACKS.register("mim-linf")
def mim(problem: Problem) -> Tensor:
    """`mi_fgsm` as RobustART runs it: steps of .002 at every radius, half an 8-bit level."""
    return _iterated(problem, lambda: None, ROBUSTART_STEP)


@GRADIENT_ATTACKS.register("di-mi-fgsm-linf")
def di_mi_fgsm(problem: Problem) -> Tensor:
    """Like `mi_fgsm`, with each step's gradient taken, for half of the images, at a smaller copy on black."""
    size = problem.images.shape[2:]
    draw = lambda: diversity(size[0], size[1], problem.draws, problem.images.device)  # noqa: E731
    return _iterated(problem, draw, RELATIVE_STEP * problem.radius)


def _iterated(problem: Problem, draw: Callable[[], tuple[Tensor, Tensor] | None], step: float) -> Tensor:
    clean, labels, radius = problem.images, problem.labels, problem.radius
    low, high = box(clean, radius)
    images, momentum = clean.clone(), torch.zeros_like(clean)
    for _ in range(STEPS):
        maps = draw()
        seen = images if maps is None else maps[0] @ images @ maps[1].mT
        _, _, gradient = problem.surrogate.gradient(seen, lambda logits: cross_entropy(logits, labels))
        if maps is not None:
            gradient = maps[0].mT @ gradient @ maps[1]
        gradient /= distance(gradient, "l1").clamp_min(1e-30).reshape(-1, 1, 1, 1)
        momentum.mul_(DECAY).add_(gradient)
        images.add_(momentum.sign(), alpha=step)
        torch.minimum(torch.maximum(images, low, out=images), high, out=images)
    return images


def diversity(height: int, width: int, draws: Draws, device: Any) -> tuple[Tensor, Tensor]:
    """Random resizing and padding of images, as two matrices for each: rows @ image @ columns^T.

    Returns float32 [N, 1, H, H] and [N, 1, W, W]. Where the first of an image's four random numbers is below 0.5, the
    image is made smaller, to a whole number of rows from 0.9 H up to H - 1 and as many columns in proportion, and laid
    at a random place on black; else both are unit matrices.
    """
    drawn = draws.uniform(0, 1, (4,))
    apply = drawn[:, 0] < PROBABILITY
    maps = []
    for length, place in ((height, drawn[:, 2]), (width, drawn[:, 3])):
        least = int(length * SMALLEST)
        sizes = (least + drawn[:, 1] * (length - least)).astype(int).clip(1, length)
        sizes[~apply] = length
        starts = (place * (length - sizes + 1)).astype(int).clip(0, length - sizes)
        maps.append(resizing(torch.from_numpy(sizes), torch.from_numpy(starts), length).to(device)[:, None])
    return maps[0], maps[1]


def resizing(sizes: Tensor, starts: Tensor, length: int) -> Tensor:
    """Bilinear resizing of a line from `length` to `sizes` numbers, which begin at `starts` on a line of zeros.

    sizes, starts: int64 [N], sizes at most `length` -> float32 [N, length, length]. Centres of pixels are kept in
    proportion, without antialiasing, as PyTorch's `interpolate(mode="bilinear")` does.
    """
    places = torch.arange(length, dtype=torch.float32)
    inside = places - starts[:, None]
    source = (inside + 0.5) * (length / sizes[:, None]) - 0.5
    weights = (1 - (source[:, :, None] - places).abs()).clamp_min_(0)
    covered = (inside >= 0) & (inside < sizes[:, None])
    return (weights * covered[:, :, None]).to(torch.float32)

"""Balls in L-inf, L2 and L1 around images: distances, projections, random points and steepest steps.

Tensors are float32 [N, ...]; radii are in units of pixels in [0, 1], one number or [N].
"""

from __future__ import annotations

import math
from typing import Any

import torch

from seatrial.harness.attacks.draws import Draws

Tensor = Any

# Below the least norm of anything that is not zero, above float32's smallest normal number.
_TINY = 1e-30


def distance(change: Tensor, norm: str) -> Tensor:
    """The norm of each image's change: [N]."""
    flat = change.flatten(1)
    if norm == "linf":
        return flat.abs().amax(1)
    return torch.linalg.vector_norm(flat, ord=1 if norm == "l1" else 2, dim=1)


def box(clean: Tensor, radius: float | Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest values of images in [0, 1] within the L-inf radius of `clean`, each like `clean`."""
    radius = _spread(radius, clean)
    return (clean - radius).clamp_min_(0), (clean + radius).clamp_max_(1)


def project(images: Tensor, clean: Tensor, radius: float | Tensor, norm: str) -> Tensor:
    """The point of the ball around `clean`, cut with [0, 1], that `images` is drawn to.

    For L-inf the nearest one of the intersection; for L2 and L1 the nearest of the ball, then clipped, which never
    increases the distance to `clean`.
    """
    if norm == "linf":
        low, high = box(clean, radius)
        return torch.minimum(torch.maximum(images, low), high)
    change = images - clean
    shrunk = _shrink_l2(change, radius) if norm == "l2" else _shrink_l1(change, radius)
    return shrunk.add_(clean).clamp_(0, 1)


def random_start(clean: Tensor, radius: float, norm: str, draws: Draws) -> Tensor:
    """A point drawn evenly from the ball around each image, then clipped to [0, 1]; a tensor of its own.

    L2: a normal vector's direction, at a distance of radius u^(1/d). L1: the first d of d + 1 exponential numbers that
    add up to the radius, with random signs (Barthe et al. 2005, theorem 1, for p = 1).
    """
    shape = tuple(clean.shape[1:])
    numbers = math.prod(shape)
    if norm == "linf":
        change = _on(clean, draws.uniform(-radius, radius, shape))
    elif norm == "l2":
        change = _on(clean, draws.normal(shape))
        sizes = radius * _on(clean, draws.uniform(0, 1, ())).pow(1 / numbers)
        change *= _spread(sizes / distance(change, "l2").clamp_min(_TINY), change)
    else:
        drawn = _on(clean, draws.uniform(-1, 1, (numbers + 1,)))
        exponential = -torch.log1p(-drawn.abs().clamp_max(1 - 1e-7))
        change = (drawn.sign() * exponential * (radius / exponential.sum(1, keepdim=True)))[:, :-1]
        change = change.reshape(clean.shape)
    return (clean + change).clamp_(0, 1)


def steepest(gradient: Tensor, norm: str) -> Tensor:
    """The step of length 1 in the norm that a function with this gradient increases most along; may change `gradient`.

    L-inf: the sign; L2: the gradient's direction. 0 where the gradient is 0. For L1 see `sparse_steepest`.
    """
    if norm == "linf":
        return gradient.sign_()
    if norm != "l2":
        raise ValueError(f"no single steepest step in {norm}")
    gradient /= _spread(distance(gradient, "linf").clamp_min(_TINY), gradient)  # squares of small numbers vanish
    return gradient.div_(_spread(distance(gradient, "l2").clamp_min(_TINY), gradient))


def along(gradient: Tensor) -> Tensor:
    """The gradient's direction, of length 1 in L1; 0 where the gradient is 0. It may change `gradient`."""
    gradient /= _spread(distance(gradient, "linf").clamp_min(_TINY), gradient)  # sums of large numbers overflow
    return gradient.div_(_spread(distance(gradient, "l1").clamp_min(_TINY), gradient))


def scaled_back(images: Tensor, clean: Tensor, radius: float) -> Tensor:
    """Where the change from `clean` is longer than the L1 radius, all of it is made smaller: ART's projection."""
    change = images - clean
    return change.mul_(_spread((radius / distance(change, "l1").clamp_min(_TINY)).clamp_max_(1), change)).add_(clean)


def sparse_steepest(gradient: Tensor, images: Tensor, share: float) -> Tensor:
    """A step of length 1 in L1: equal steps along the signs of the largest entries of the gradient, 0 elsewhere.

    share: of the entries that move, at least one. Entries of `images` that are at 0 or 1 already and would leave
    [0, 1] do not move (SLIDE: Tramer and Boneh 2019).
    """
    flat, values = gradient.flatten(1), images.flatten(1)
    stuck = torch.where(flat < 0, values <= 0, values >= 1)
    sizes = flat.abs().masked_fill_(stuck, 0)
    chosen = sizes.topk(max(1, round(share * sizes.shape[1])), dim=1).indices
    signs = torch.zeros_like(flat).scatter_(1, chosen, flat.gather(1, chosen).sign_()).masked_fill_(stuck, 0)
    return signs.div_(signs.abs().sum(1, keepdim=True).clamp_min_(1)).reshape(gradient.shape)


def _spread(numbers: float | Tensor, images: Tensor) -> float | Tensor:
    """One number for each image in a shape that broadcasts with them."""
    return numbers if isinstance(numbers, float | int) else numbers.reshape(-1, *[1] * (images.ndim - 1))


def _on(like: Tensor, drawn: Any) -> Tensor:
    return torch.from_numpy(drawn).to(like.device)


def _shrink_l2(change: Tensor, radius: float | Tensor) -> Tensor:
    return change * _spread((radius / distance(change, "l2").clamp_min(_TINY)).clamp_max_(1), change)


def _shrink_l1(change: Tensor, radius: float | Tensor) -> Tensor:
    """Euclidean projection onto the L1 ball by sorting (Duchi et al. 2008, figure 1)."""
    flat = change.flatten(1)
    outside = flat.abs().sum(1) > radius
    if not bool(outside.any()):
        return change
    chosen = flat[outside]
    limit = radius if isinstance(radius, float | int) else radius[outside, None]
    sizes, _ = chosen.abs().sort(dim=1, descending=True)
    sums = sizes.cumsum(1)
    places = torch.arange(1, sizes.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    last = (sizes * places > sums - limit).sum(1, keepdim=True)  # a prefix of True
    threshold = (sums.gather(1, last - 1) - limit) / last
    result = flat.clone()
    result[outside] = chosen.sign() * (chosen.abs() - threshold).clamp_min(0)
    return result.reshape(change.shape)

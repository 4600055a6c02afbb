"""The nearest point of a hyperplane that lies in the box [0, 1], in L-inf and L2."""

from __future__ import annotations

from typing import Any

import torch

Tensor = Any

# Rounds until the gap is closed are 5 for random normals, and 20 where the box hardly reaches the hyperplane.
_MOST_ROUNDS = 100
# A time at which everything has arrived that can, and that is no infinity: 0 * infinity is no number.
_END = 1e30


def to_hyperplane(points: Tensor, normals: Tensor, gaps: Tensor, norm: str) -> Tensor:
    """The shortest change with <normal, change> = gap that keeps the point in [0, 1]; `linf` or `l2`.

    points, normals: float32 [N, D]; gaps: float32 [N]; returns float32 [N, D]. Where the box ends before the
    hyperplane, it returns the way to the corner nearest to it, and 0 where the normal is 0.

    Every coordinate moves in the direction that narrows the gap, by min(time * speed, its room to the box's side), with
    speed 1 in L-inf and |normal| in L2: the conditions of Karush, Kuhn and Tucker for the problem of Croce and Hein
    2020, "Minimally distorted Adversarial Examples with a Fast Adaptive Boundary Attack", section 2.2. What that
    narrows rises with time, in ever flatter straight pieces, so Newton's method from time 0 comes to the end in steps
    that never pass it, without the sorting of the paper.
    """
    largest = normals.abs().amax(1)
    scale = torch.where(largest > 0, largest, 1.0)
    wanted = gaps.abs() / scale
    directed = normals * (torch.where(gaps < 0, -1.0, 1.0) / scale)[:, None]
    weights = directed.abs()
    room = torch.where(directed > 0, 1 - points, points).clamp_min_(0)
    speeds = torch.ones_like(weights) if norm == "linf" else weights
    rates = weights * speeds
    times = torch.zeros_like(wanted)
    for _ in range(_MOST_ROUNDS):
        way = times[:, None] * speeds
        rate = (rates * (way < room)).sum(1)
        narrowed = (weights * torch.minimum(way, room)).sum(1)
        later = torch.where(rate > 0, times + (wanted - narrowed) / rate, times).clamp_max(_END)
        if not bool((later > times).any()):
            break
        times = torch.where(later > times, later, times)
    return directed.sign() * torch.minimum(times[:, None] * speeds, room)

"""What several attacks, one after the other, found for the same images."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from seatrial.harness.attacks.losses import margin
from seatrial.harness.attacks.problem import Problem

Tensor = Any


class Best:
    """For each image of a problem the one of the largest margin so far, at first the clean image itself.

    images: float32 [N, 3, H, W]. margins: float32 [N], above zero where the surrogate is wrong. logits: float32
    [N, classes], of the clean images.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.images = problem.images.clone()
        self.logits = problem.surrogate.logits(problem.images)
        self.margins = margin(self.logits, problem.labels)

    def still_right(self) -> Tensor:
        """The images that nothing has fooled the surrogate about yet: int64 [M]."""
        return (~(self.margins > 0)).nonzero()[:, 0]

    def part(self, chosen: Tensor) -> Problem:
        """The same problem, of some of the images."""
        whole = self._problem
        if len(chosen) == len(whole.labels):
            return whole
        draws = whole.draws.part(chosen.tolist())
        return dataclasses.replace(whole, images=whole.images[chosen], labels=whole.labels[chosen], draws=draws)

    def take(self, chosen: Tensor, images: Tensor, margins: Tensor) -> None:
        """Keeps those of `images` [M, ...], found for `chosen` [M], that are better than what was there."""
        better = margins > self.margins[chosen]
        self.images[chosen[better]] = images[better]
        self.margins[chosen[better]] = margins[better]


def per_image(values: Tensor) -> Tensor:
    """[N] -> [N, 1, 1, 1]."""
    return values.reshape(-1, 1, 1, 1)


def numbers(values: Any, like: Tensor) -> Tensor:
    """An array of drawn numbers as a tensor where `like` lies."""
    return torch.from_numpy(values).to(like.device)

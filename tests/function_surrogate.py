"""Surrogates that are plain functions of their images, for tests whose answers are known in advance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.problem import Problem
from seatrial.harness.attacks.surrogate import Surrogate

Tensor = Any


class FunctionSurrogate(Surrogate):
    """Gradients come from autograd, as those of a graph; `asked` are the sizes of all batches with gradients."""

    def __init__(self, function: Callable[[Tensor], Tensor], classes: int) -> None:
        self.function, self.classes, self.name = function, classes, "function"
        self.device = torch.device("cpu")
        self.asked: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.asked.append(len(images))
        return self.function(images)


def linear(weights: Tensor, biases: Tensor) -> FunctionSurrogate:
    """weights: [classes, pixels]; biases: [classes]."""
    return FunctionSurrogate(lambda images: images.flatten(1) @ weights.T + biases, len(biases))


def problem_of(surrogate: Surrogate, images: Tensor, labels: Any, radius: float, **options: Any) -> Problem:
    """ids: each image's own, by which its random numbers are drawn; 0, 1, 2, ... where none are given."""
    ids = options.pop("ids", [str(index) for index in range(len(images))])
    draws = Draws(5, ids, "test")
    return Problem(surrogate, images, torch.as_tensor(labels, dtype=torch.int64), radius, draws, **options)


def random_images(count: int, shape: tuple[int, ...] = (3, 4, 4), seed: int = 0, *, inside: float = 0.0) -> Tensor:
    """float32, 8-bit values; inside: distance that is kept from 0 and 1."""
    levels = np.random.default_rng(seed).integers(round(inside * 255), round((1 - inside) * 255) + 1, (count, *shape))
    return torch.from_numpy(levels.astype(np.float32) / 255)


def random_weights(classes: int, pixels: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Of a linear classifier: [classes, pixels], [classes]."""
    rng = np.random.default_rng(seed)
    weights, biases = rng.normal(size=(classes, pixels)), rng.normal(size=classes)
    return torch.from_numpy(weights.astype(np.float32)), torch.from_numpy(biases.astype(np.float32))

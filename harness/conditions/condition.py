"""A condition: what happens to an image on its way to the engine, under one stable, readable id."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seatrial.harness.data.source import Pixels
from seatrial.harness.draws import generator

Transform = Callable[[Pixels, np.random.Generator], Pixels]

# The images as they are: what all other conditions are compared with.
CLEAN = "clean"


@dataclasses.dataclass(frozen=True)
class Condition:
    """One way from the stored image to the engine's answer.

    id: as in flags, files and reports. transform: (uint8 [H, W, 3], rng) -> uint8 [H, W, 3] at the model's size; None
    leaves images as they are. contract: fields of the image side of the input contract, in place of the contract's own.
    reencode, enlarge: what makes decoding and resizing a question for images that are stored as arrays, or at the
    model's size. numbers: a name of `harness.pipeline.numbers`, in place of the contract's arithmetic. rewrites: names
    of `exporters.rewrites`, applied to every target's graph. parts: ids of the conditions that this one stacks; they
    are known only once the single ones are answered.
    """

    id: str
    transform: Transform | None = None
    contract: tuple[tuple[str, Any], ...] = ()
    reencode: bool = False
    enlarge: bool = False
    numbers: str | None = None
    rewrites: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def from_source(self) -> bool:
        """True where the images are read anew: decoded or resized in another way than the contract says."""
        return bool(self.contract) or self.reencode or self.enlarge

    def apply(self, images: Pixels, ids: Sequence[str], seed: int) -> Pixels:
        """uint8 [N, H, W, 3] -> the same under this condition, each image with randomness of its own."""
        if self.transform is None:
            return images
        changed = np.empty_like(images)
        for index, image_id in enumerate(ids):
            changed[index] = self.transform(images[index], generator(seed, image_id, self.id))
        return changed

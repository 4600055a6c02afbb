"""A condition: what happens to an image on its way to the engine, under one stable, readable id."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.conditions.attack import AttackId
from harness.data.source import Pixels

Transform = Callable[[Pixels, np.random.Generator], Pixels]


@dataclasses.dataclass(frozen=True)
class Condition:
    """One way from the stored image to the engine's answer.

    id: as in flags, files and reports. transform: (uint8 [H, W, 3], rng) -> uint8 [H, W, 3] at the model's size; None
    leaves images as they are. contract: fields of the image side of the input contract, in place of the contract's own.
    reencode, enlarge: what makes decoding and resizing a question for images that are stored as arrays, or at the
    model's size. numbers: a name of `harness.pipeline.numbers`, in place of the contract's arithmetic. rewrites: names
    of `exporters.rewrites`, applied to every target's graph. parts: ids of the
    conditions that this one stacks. attack: the images are adversarial ones, made by it.
    """

    id: str
    transform: Transform | None = None
    contract: tuple[tuple[str, Any], ...] = ()
    reencode: bool = False
    enlarge: bool = False
    numbers: str | None = None
    rewrites: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    attack: AttackId | None = None

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


def generator(seed: int, image_id: str, condition_id: str) -> np.random.Generator:
    """The random numbers of one image under one condition: the same on any machine, in any order, batch or thread."""
    text = f"{seed}\0{image_id}\0{condition_id}".encode()
    return np.random.Generator(np.random.SFC64(int.from_bytes(hashlib.sha256(text).digest()[:16], "little")))

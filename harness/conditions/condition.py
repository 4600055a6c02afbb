"""A condition: what happens to an image on its way to the engine, under one stable, readable id."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from harness.data.source import Pixels

Transform = Callable[[Pixels, np.random.Generator], Pixels]


@dataclasses.dataclass(frozen=True)
class Condition:
    """id: as in flags, files and reports. transform: (uint8 [H, W, 3], rng) -> uint8 [H, W, 3]; None leaves images as
    they are.
    """

    id: str
    transform: Transform | None = None

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

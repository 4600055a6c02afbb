"""Random numbers for attacks: each image has its own, whatever batch it is in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.draws import generator

Floats = npt.NDArray[np.float32]


class Draws:
    """One generator for each of N images, seeded by run, image id and condition."""

    def __init__(self, seed: int, ids: Sequence[str], condition_id: str) -> None:
        self.generators = [generator(seed, image_id, condition_id) for image_id in ids]

    def __len__(self) -> int:
        return len(self.generators)

    def part(self, chosen: Sequence[int]) -> Draws:
        """The same generators, of some of the images only."""
        part = Draws.__new__(Draws)
        part.generators = [self.generators[index] for index in chosen]
        return part

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Floats:
        """float32 [N, *shape] in [low, high)."""
        return np.stack([one.uniform(low, high, shape).astype(np.float32) for one in self.generators])

    def normal(self, shape: tuple[int, ...]) -> Floats:
        """float32 [N, *shape], standard normal."""
        return np.stack([one.standard_normal(shape, np.float32) for one in self.generators])

"""Too little light."""

from __future__ import annotations

import numpy as np

from seatrial.harness.conditions.corruptions import Corruption, Pixels


def darkness(image: Pixels, gain: float, rng: np.random.Generator) -> Pixels:
    """Multiplies every value; truncated."""
    return (image * np.float32(gain)).astype(np.uint8)


DARKNESS = Corruption("sample_darkness", "lighting", darkness, dict.fromkeys((224, 64, 32), (0.8, 0.6, 0.45, 0.3, 0.2)))

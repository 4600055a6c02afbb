"""Random numbers that depend on nothing but what they are drawn for."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, image_id: str, condition_id: str) -> np.random.Generator:
    """The random numbers of one image under one condition: the same on any machine, in any order, batch or thread."""
    text = f"{seed}\0{image_id}\0{condition_id}".encode()
    return np.random.Generator(np.random.SFC64(int.from_bytes(hashlib.sha256(text).digest()[:16], "little")))

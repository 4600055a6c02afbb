"""What a black-box attack is given, and what it returns. NumPy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.attacks.draws import Draws
from seatrial.registry import Registry

# uint8 [M, H, W, 3], or float32 of the same values' range where the search is not one of 8-bit images.
Images = npt.NDArray[Any]
# Images -> scores float32 [M, classes]; a larger score is a likelier class.
Oracle = Callable[[Images], npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Search:
    """N images for which other ones are looked for.

    oracle: the engine. images: uint8 [N, H, W, 3]. labels: int64 [N]. levels: radius of the ball around each image, in
    levels of 0 to 255 (L-inf: the largest change; L2: the norm of the change). draws: the random numbers of these
    images. budget: queries per image. eight_bit: whether every image that is asked about must be uint8; else float32 in
    0 to 255.
    """

    oracle: Oracle
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    levels: float
    draws: Draws
    budget: int
    eight_bit: bool = True


@dataclasses.dataclass(frozen=True)
class Found:
    """images: as Search's oracle takes them, each within the radius of its original; the best that was found.
    queries: int32 [N], images asked about, the one that succeeded included.
    """

    images: Images
    queries: npt.NDArray[np.int32]


BlackBoxAttack = Callable[[Search], Found]

BLACK_BOX_ATTACKS: Registry[BlackBoxAttack] = Registry("black-box attack")

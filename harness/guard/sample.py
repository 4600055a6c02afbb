"""The few images that an engine is looked at on."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt

from seatrial.calib import CalibrationImages
from seatrial.exporters import DeployableModel

# The fault of a kernel shows on one image; labels are counted on as many as this, which cost a second or two.
IMAGES = 32

Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Sample:
    """pixels: uint8 RGB [N, height, width, 3] at the model's size. source: "calibration", "test" or "seeded"."""

    pixels: Pixels
    source: str

    @property
    def digest(self) -> str:
        """A hash of the pixels."""
        return hashlib.sha256(f"{self.pixels.shape}".encode() + self.pixels.tobytes()).hexdigest()


def sample_of(pixels: Pixels, source: str) -> Sample:
    """The first images of those given."""
    return Sample(np.ascontiguousarray(pixels[:IMAGES]), source)


def sample_for(images: CalibrationImages | None, model: DeployableModel) -> Sample:
    """The first calibration images; seeded ones where there are none."""
    if images is None:
        return seeded(model.contract.size)
    return sample_of(next(iter(images.batches(IMAGES))), "calibration")


def seeded(size: tuple[int, int], *, count: int = IMAGES) -> Sample:
    """Images where there are none: sums of random colours at five scales, so that most of their contrast is coarse, as
    in photographs; the same everywhere.

    size: height, width.
    """
    rng = np.random.default_rng(0)
    height, width = size
    pixels = np.zeros((count, height, width, 3))
    for cells, contrast in ((2, 60), (4, 40), (8, 25), (16, 15), (32, 8)):
        coarse = rng.integers(-contrast, contrast + 1, (count, cells, cells, 3))
        rows = np.arange(height) * cells // height
        columns = np.arange(width) * cells // width
        pixels += coarse[:, rows][:, :, columns]
    return Sample(np.clip(pixels + 128, 0, 255).astype(np.uint8), "seeded")

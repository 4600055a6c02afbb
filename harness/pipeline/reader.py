"""Images of a source at the model's size, decoded as they are asked for: where each is looked at only once."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Pixels, Selection
from seatrial.harness.pipeline.reference import model_pixels


class ImageReader(Protocol):
    """Images at the model's size, by position."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self, start: int, stop: int) -> Pixels:
        """uint8 RGB [stop - start, height, width, 3]; safe from several threads."""


class SourceReader:
    """Reads a selection like an ImageStore, without a scratch file."""

    def __init__(self, selection: Selection, contract: InputContract) -> None:
        self.selection = selection
        self.contract = contract

    def __len__(self) -> int:
        return len(self.selection)

    def read(self, start: int, stop: int) -> Pixels:
        """uint8 RGB [stop - start, height, width, 3]; BadInputError naming the first image that does not decode."""
        images = np.empty((stop - start, *self.contract.size, 3), np.uint8)
        for position, payload in self.selection.stream(start, stop):
            images[position] = model_pixels(payload, self.contract)
        return images

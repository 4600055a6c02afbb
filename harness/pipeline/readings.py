"""Stored images read in several ways at once, at the model's size: each is decoded once for each decoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Payload, Pixels
from seatrial.harness.pipeline.decoders import decode
from seatrial.harness.pipeline.originals import Originals, enlarged, reencoded
from seatrial.harness.pipeline.resize import to_size


@dataclasses.dataclass(frozen=True)
class Reading:
    """contract: its image side says how. reencode, enlarge: what is done before, to images that are stored as arrays or
    at the model's size (`harness.pipeline.originals`).
    """

    contract: InputContract
    reencode: bool = False
    enlarge: bool = False

    @property
    def decoding(self) -> tuple[str, str, bool]:
        """What readings share that need decoding only once."""
        return self.contract.decoder, self.contract.orientation, self.reencode


def read_all(originals: Originals, start: int, stop: int, readings: Sequence[Reading]) -> dict[Reading, Pixels]:
    """Reading -> uint8 RGB [stop - start, height, width, 3] at the model's size.

    Raises BadInputError, naming the file, for one that does not decode whole. Memory holds one decoded image at a time.
    """
    found = {reading: np.empty((stop - start, *reading.contract.size, 3), np.uint8) for reading in readings}
    for position, payload in originals.read(start, stop):
        decoded: dict[tuple[str, str, bool], Pixels] = {}
        for reading, images in found.items():
            if reading.decoding not in decoded:
                decoded[reading.decoding] = _decoded(payload, reading)
            pixels = enlarged(decoded[reading.decoding]) if reading.enlarge else decoded[reading.decoding]
            images[position] = to_size(pixels, reading.contract, payload.where)
    return found


def _decoded(payload: Payload, reading: Reading) -> Pixels:
    given = reencoded(payload) if reading.reencode else payload
    return decode(given, reading.contract.decoder, reading.contract.orientation)

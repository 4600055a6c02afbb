"""Several ways from the stored images to the model's size at once: each image is decoded once for each decoder."""

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
class Way:
    """contract: its image side says how. reencode, enlarge: what is done before, to images that are stored as arrays or
    at the model's size (`harness.pipeline.originals`).
    """

    contract: InputContract
    reencode: bool = False
    enlarge: bool = False

    @property
    def decoding(self) -> tuple[str, str, bool]:
        """What ways share that need decoding only once."""
        return self.contract.decoder, self.contract.orientation, self.reencode


def read_ways(originals: Originals, start: int, stop: int, ways: Sequence[Way]) -> dict[Way, Pixels]:
    """Way -> uint8 RGB [stop - start, height, width, 3] at the model's size.

    Raises BadInputError, naming the file, for one that does not decode whole. Memory holds one decoded image at a time.
    """
    found = {way: np.empty((stop - start, *way.contract.size, 3), np.uint8) for way in ways}
    for position, payload in originals.read(start, stop):
        decoded: dict[tuple[str, str, bool], Pixels] = {}
        for way, images in found.items():
            if way.decoding not in decoded:
                decoded[way.decoding] = _decoded(payload, way)
            pixels = enlarged(decoded[way.decoding]) if way.enlarge else decoded[way.decoding]
            images[position] = to_size(pixels, way.contract, payload.where)
    return found


def _decoded(payload: Payload, way: Way) -> Pixels:
    given = reencoded(payload) if way.reencode else payload
    return decode(given, way.contract.decoder, way.contract.orientation)

"""The reference input pipeline: what the contract says, from an encoded file to uint8 RGB at the model's size."""

from __future__ import annotations

from seatrial.exporters.contract import InputContract
from seatrial.harness.data.source import Payload, Pixels
from seatrial.harness.pipeline.decoders import picture_of
from seatrial.harness.pipeline.resize import to_size


def model_pixels(payload: Payload, contract: InputContract) -> Pixels:
    """Decodes, resizes and crops one image: uint8 [height, width, 3], RGB.

    Raises BadInputError, naming the file, for one that does not decode whole or does not fit the contract.
    """
    return to_size(picture_of(payload, contract.decoder, contract.orientation), contract, payload.where)

"""What goes to an engine that shares no memory with the run."""

from __future__ import annotations

import numpy as np

from seatrial.engines import places
from seatrial.exporters import InputContract
from seatrial.exporters.contract import Tensor
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline.numbers import NUMBERS, tensor


def travelling(images: Pixels, contract: InputContract, numbers: str | None = None) -> places.Pixels | Tensor:
    """The 8-bit pixels and the table that makes the tensor of them there, a quarter of its bytes; the tensor itself of
    images that no 8 bits hold. The engine gets the same bits either way. Raises as `numbers.tensor`.
    """
    if images.dtype != np.uint8 or images.shape[-1] != 3:
        return tensor(images, contract, numbers)
    if numbers is None:
        table = contract.value_table()
    else:
        reason = NUMBERS[numbers].refuses(contract)
        made = NUMBERS[numbers].table(contract)
        if reason is not None or isinstance(made, str):
            raise ValueError(f"input arithmetic {numbers!r}: {reason or made}")
        table = made
    return places.Pixels(images, table, contract.color, contract.layout, contract.dtype)

"""From 8-bit pixels to the input tensor in other arithmetic than the contract's.

Each of the 256 values of a channel becomes one number, whatever the arithmetic, so that each way is a table that is
looked up as in `InputContract.normalise`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seatrial.exporters.contract import InputContract, Tensor
from seatrial.harness.data.source import Pixels
from seatrial.registry import Registry

Table = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """table: contract -> float32 [3, 256] in the model's colour order, in place of `InputContract.value_table`; or why
    the contract gives it no sense.
    """

    table: Callable[[InputContract], Table | str]

    def refuses(self, contract: InputContract) -> str | None:
        """Why this arithmetic is no question for the contract; None where it is."""
        if contract.dtype == "uint8":
            return "the tensor holds the 8-bit pixels as they are"
        table = self.table(contract)
        if isinstance(table, str):
            return table
        if np.array_equal(table.astype(contract.dtype), contract.value_table().astype(contract.dtype)):
            return "it changes no value of this contract"
        return None


NUMBERS: Registry[Arithmetic] = Registry("input arithmetic")


def tensor(images: Pixels, contract: InputContract, numbers: str | None = None) -> Tensor:
    """uint8 RGB [N, H, W, 3] -> the tensor that `InputContract.normalise` gives, in the arithmetic of that name.

    Raises UsageError for an unknown name, ValueError for a contract that the arithmetic refuses.
    """
    if numbers is None:
        return contract.normalise(images)
    arithmetic = NUMBERS[numbers]
    reason = arithmetic.refuses(contract)
    if reason is not None:
        raise ValueError(f"input arithmetic {numbers!r}: {reason}")
    table = arithmetic.table(contract)
    assert not isinstance(table, str)
    return contract.look_up(images, table)


def _register(name: str) -> Callable[[Callable[[InputContract], Table | str]], Callable[[InputContract], Table | str]]:
    def add(table: Callable[[InputContract], Table | str]) -> Callable[[InputContract], Table | str]:
        NUMBERS.register(name)(Arithmetic(table))
        return table

    return add


@_register("fp16")
def fp16(contract: InputContract) -> Table | str:
    """The tensor rounded to float16 (IEEE 754 binary16, to nearest even) and back: what an engine with half-precision
    inputs gets.
    """
    table = contract.value_table()
    if np.abs(table).max() > np.finfo(np.float16).max:
        return "float16 does not reach its values"
    return table.astype(np.float16).astype(np.float32)


@_register("int8-scale")
def int8_scale(contract: InputContract) -> Table:
    """The tensor on the grid of an int8 input with one scale and one zero point, into which mean and std are folded.

    With [low, high] the range of the normalised values of all channels, 0 included: s = (high - low) / 255 in float32,
    z = clip(round(-128 - low / s), -128, 127), q = clip(round(x / s) + z, -128, 127), and the tensor is s * (q - z).
    Halves are rounded to even: ONNX's QuantizeLinear and DequantizeLinear, with the scale and zero point that
    asymmetric min-max calibration gives where it meets every 8-bit value.
    """
    table = contract.value_table()
    low, high = min(0.0, float(table.min())), max(0.0, float(table.max()))
    scale = np.float32((high - low) / 255)
    zero = np.clip(np.rint(-128 - low / float(scale)), -128, 127).astype(np.float32)
    quantized = np.clip(np.rint(table / scale) + zero, -128, 127)
    found: Table = scale * (quantized - zero)
    return found


@_register("div256")
def div256(contract: InputContract) -> Table | str:
    """Divided by 256 instead of 255, a shift by 8 bits in fixed point; mean and std as they are."""
    if contract.divisor != 255.0:
        return f"the contract divides by {contract.divisor:g}, not by 255"
    return dataclasses.replace(contract, divisor=256.0).value_table()

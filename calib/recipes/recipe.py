"""What a recipe is: the form in which a given engine natively executes a precision, as data, with its reasons.

A wrong form is no error anywhere: the engine silently runs such layers in float, often slower than the float model.
"""

from __future__ import annotations

import dataclasses

_NARROW = (
    "weights in steps so wide that no two of a channel sum to more than 128: x86 processors without VNNI add two u8 x "
    "s8 products in 16 bits, which others would overflow"
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A form that an engine executes.

    engine, precision: whose and which. activation_type, weight_type: ONNX types of the quantized values in lower case
    (uint8, int8, int4, float8e4m3fn), None where they stay float. symmetric_*: zero point fixed at the middle.
    per_channel: one weight scale per output channel. quantize_bias: bias as int32 with scale input x weight; else it
    stays float. quantize_outputs: Q/DQ behind an operator, too, and not only before those that multiply. block_size:
    weights along the inner axis that share a scale, None for whole channels. quantize_residuals: without
    quantize_outputs, Q/DQ on the shortcut of a residual Add, too. integer_operators: with quantize_outputs, those that
    have integer kernels besides the ones that multiply and the ones that only move values. tactics: whose rule
    (`calib.tactics`) says which products stay float, since no fast kernel takes them. no_kernel: operators that
    multiply and have no integer kernel, "grouped" before the name for those with groups alone. sums_in_16_bits: the
    engine's kernels can saturate on x86 processors without VNNI. narrow: weights such that they cannot, see
    `calib.overflow`. rest: what is not quantized is written in, "fp32" or "fp16"; for engines that leave the types of a
    file as they are.
    """

    engine: str
    precision: str
    activation_type: str | None
    weight_type: str | None
    reasons: tuple[str, ...]
    symmetric_activations: bool = False
    symmetric_weights: bool = True
    per_channel: bool = True
    quantize_bias: bool = False
    quantize_outputs: bool = True
    block_size: int | None = None
    quantize_residuals: bool = True
    tactics: str | None = None
    no_kernel: tuple[str, ...] = ()
    sums_in_16_bits: bool = False
    narrow: bool = False
    rest: str = "fp32"
    integer_operators: tuple[str, ...] = (
        *("Add", "Mul", "AveragePool", "GlobalAveragePool", "Concat", "Sigmoid", "LeakyRelu"),
    )

    def for_all(self) -> Recipe:
        """The same for every processor, those without VNNI, too; itself where it is that already."""
        if not self.sums_in_16_bits or self.narrow:
            return self
        return dataclasses.replace(self, narrow=True, reasons=(*self.reasons, _NARROW))

    @property
    def name(self) -> str:
        """`ENGINE-PRECISION`."""
        return f"{self.engine}-{self.precision}"

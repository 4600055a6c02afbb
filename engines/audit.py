"""What was asked of an engine and what it really built, layer by layer and as a share of the arithmetic."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer that multiplies and accumulates.

    op: the kernel that ran, in the runtime's own words. macs: multiply-accumulates for one image. requested and
    realized: precision words.
    """

    name: str
    op: str
    macs: int
    requested: str
    realized: str


@dataclasses.dataclass(frozen=True)
class Audit:
    """An engine's layers. `other_ops` counts the executed kernels that carry no multiply-accumulates."""

    layers: tuple[Layer, ...]
    other_ops: dict[str, int]

    def realized(self) -> dict[str, float]:
        """Share of all multiply-accumulates per realized precision, largest first; empty without such layers."""
        macs: dict[str, int] = defaultdict(int)
        for layer in self.layers:
            macs[layer.realized] += layer.macs
        total = sum(macs.values())
        return (
            {name: macs[name] / total for name in sorted(macs, key=lambda name: (-macs[name], name))} if total else {}
        )

    def share_as_requested(self) -> float | None:
        """Share of all multiply-accumulates that run at the requested precision; None without such layers."""
        total = sum(layer.macs for layer in self.layers)
        kept = sum(layer.macs for layer in self.layers if layer.realized == layer.requested)
        return kept / total if total else None


def convolution_macs(output_shape: Sequence[int], weight_shape: Sequence[int]) -> int:
    """Multiply-accumulates per image of a convolution.

    output_shape: [N, C, H, W] in any layout; weight_shape: [C, C / groups, kH, kW]. Every output value takes
    (C / groups) * kH * kW of them.
    """
    per_value = 1
    for extent in weight_shape[1:]:
        per_value *= extent
    return _product(output_shape[1:]) * per_value


def matmul_macs(output_shape: Sequence[int], inner: int) -> int:
    """Multiply-accumulates per image of a matrix product [N, ..., M] with `inner` terms to a sum."""
    return _product(output_shape[1:]) * inner


def _product(extents: Sequence[int]) -> int:
    result = 1
    for extent in extents:
        result *= extent
    return result

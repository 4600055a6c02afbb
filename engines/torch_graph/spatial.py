"""Geometry that convolution and pooling share: windows, strides and padding of the spatial axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from seatrial.engines.torch_graph.node import Node

_AUTO_PADS = ("VALID", "SAME_UPPER", "SAME_LOWER")


@dataclasses.dataclass(frozen=True)
class Window:
    """The attributes of a sliding window; empty tuples stand for the defaults, whatever the number of axes."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    auto_pad: str

    def stride(self, rank: int) -> list[int]:
        """Step per axis."""
        return list(self.strides) or [1] * rank

    def dilation(self, rank: int) -> list[int]:
        """Distance of the window's values per axis."""
        return list(self.dilations) or [1] * rank

    def padding(self, extents: Sequence[int], kernel: Sequence[int]) -> tuple[list[int], list[int]]:
        """Padding before and after each axis, for an input of these extents.

        SAME_UPPER and SAME_LOWER: as much as makes the output ceil(input / stride), the odd one after or before.
        """
        rank = len(extents)
        if self.auto_pad == "VALID" or (self.auto_pad == "NOTSET" and not self.pads):
            return [0] * rank, [0] * rank
        if self.auto_pad == "NOTSET":
            return list(self.pads[:rank]), list(self.pads[rank:])
        before, after = [], []
        for extent, size, step, gap in zip(extents, kernel, self.stride(rank), self.dilation(rank), strict=True):
            span = (size - 1) * gap + 1
            total = max((-(-extent // step) - 1) * step + span - extent, 0)
            small, large = total // 2, total - total // 2
            upper = self.auto_pad == "SAME_UPPER"
            before.append(small if upper else large)
            after.append(large if upper else small)
        return before, after


def window(node: Node) -> Window:
    """Reads strides, dilations, pads and auto_pad."""
    auto_pad = node.require("auto_pad", "NOTSET", *_AUTO_PADS)
    strides, dilations, pads = (tuple(node.attribute(name, ())) for name in ("strides", "dilations", "pads"))
    return Window(strides, dilations, pads, auto_pad)


def pad_list(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The same padding in the order of torch.nn.functional.pad: the last axis first."""
    return [amount for pair in zip(reversed(before), reversed(after), strict=True) for amount in pair]

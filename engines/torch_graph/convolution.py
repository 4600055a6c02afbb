"""Convolution and its transpose, in any number of spatial axes."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.spatial import pad_list, window


@op("Conv")
def conv(node: Node) -> Compute:
    """x [N, C, ...], weight [M, C / group, ...], bias [M] -> [N, M, ...]."""
    groups = node.attribute("group", 1)
    node.attribute("kernel_shape")  # the weight's own
    slide = window(node)

    def compute(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = weight.ndim - 2
        before, after = slide.padding(x.shape[2:], weight.shape[2:])
        if before != after:
            x, before = F.pad(x, pad_list(before, after)), [0] * rank
        stride, dilation = slide.stride(rank), slide.dilation(rank)
        return torch.convolution(x, weight, bias, stride, before, dilation, False, [0] * rank, groups)

    return compute


@op("ConvTranspose")
def conv_transpose(node: Node) -> Compute:
    """x [N, C, ...], weight [C, M / group, ...], bias [M] -> [N, M, ...].

    An axis of the whole result has stride (input - 1) + output_padding + dilation (kernel - 1) + 1 values; pads, or
    what output_shape or auto_pad make of them, are cut off.
    """
    groups = node.attribute("group", 1)
    node.attribute("kernel_shape")
    slide = window(node)
    extra = node.attribute("output_padding")
    wanted = node.attribute("output_shape")

    def compute(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = weight.ndim - 2
        stride, dilation = slide.stride(rank), slide.dilation(rank)
        output_padding = list(extra or [0] * rank)
        shape = x.shape[2:]
        whole = [
            step * (size - 1) + add + gap * (kernel - 1) + 1
            for step, size, add, gap, kernel in zip(
                stride, shape, output_padding, dilation, weight.shape[2:], strict=True
            )
        ]
        target = wanted
        if target is None and slide.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            target = [size * step for size, step in zip(shape, stride, strict=True)]
        if target is None:
            before, after = slide.padding(shape, weight.shape[2:])
        else:
            total = [have - want for have, want in zip(whole, target[-rank:], strict=True)]
            before = [cut // 2 if slide.auto_pad == "SAME_UPPER" else cut - cut // 2 for cut in total]
            after = [cut - first for cut, first in zip(total, before, strict=True)]
        if before == after and min(before) >= 0:
            return torch.convolution(x, weight, bias, stride, before, dilation, True, output_padding, groups)
        result = torch.convolution(x, weight, None, stride, [0] * rank, dilation, True, output_padding, groups)
        result = F.pad(result, pad_list([-cut for cut in before], [-cut for cut in after]))
        return result if bias is None else result + bias.reshape(-1, *[1] * rank)

    return compute

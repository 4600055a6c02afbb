"""Maxima and means over sliding windows and over whole images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.spatial import Window, pad_list, window

_MAX_POOL: dict[int, Callable[..., Any]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOL: dict[int, Callable[..., Any]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@op("GlobalAveragePool")
def global_average_pool(node: Node) -> Compute:
    """[N, C, ...] -> [N, C, 1, ...]: the mean of each channel."""
    return lambda x: x.mean(dim=list(range(2, x.ndim)), keepdim=True)


@op("GlobalMaxPool")
def global_max_pool(node: Node) -> Compute:
    """[N, C, ...] -> [N, C, 1, ...]: the maximum of each channel."""
    return lambda x: x.amax(dim=list(range(2, x.ndim)), keepdim=True)


@op("MaxPool", held=True)
def max_pool(node: Node) -> Compute:
    """The largest value under a window; padding never wins."""
    node.only_first_output()
    node.attribute("storage_order")  # of the indices, which are not computed
    kernel, slide, ceil_mode = _common(node)

    def compute(x: Tensor) -> Tensor:
        rank = len(kernel)
        before, after = slide.padding(x.shape[2:], kernel)
        stride, dilation = slide.stride(rank), slide.dilation(rank)
        if not _native(before, after, kernel):
            after = _reach(x.shape[2:], before, after, kernel, slide, ceil_mode)
            x, before = F.pad(x, pad_list(before, after), value=-math.inf), [0] * rank
            return _MAX_POOL[rank](x, kernel, stride, before, dilation)
        return _MAX_POOL[rank](x, kernel, stride, before, dilation, ceil_mode)

    return compute


@op("AveragePool")
def average_pool(node: Node) -> Compute:
    """The mean under a window; padding counts as zeros with count_include_pad=1, else not at all.

    What a window of ceil_mode covers beyond the padding never counts.
    """
    include = bool(node.attribute("count_include_pad", 0))
    kernel, slide, ceil_mode = _common(node)

    def compute(x: Tensor) -> Tensor:
        rank = len(kernel)
        before, after = slide.padding(x.shape[2:], kernel)
        stride, dilation = slide.stride(rank), slide.dilation(rank)
        if _native(before, after, kernel) and set(dilation) == {1}:
            return _AVERAGE_POOL[rank](x, kernel, stride, before, ceil_mode, include)
        reach = _reach(x.shape[2:], before, after, kernel, slide, ceil_mode)
        counted = x.new_ones(1, 1, *x.shape[2:])
        if include:
            counted = F.pad(counted, pad_list(before, after), value=1.0)
            rest = [far - near for far, near in zip(reach, after, strict=True)]
            counted = F.pad(counted, pad_list([0] * rank, rest))
        else:
            counted = F.pad(counted, pad_list(before, reach))
        x = F.pad(x, pad_list(before, reach))
        ones = x.new_ones(1, 1, *kernel)

        def window_sum(values: Tensor) -> Tensor:
            flat = values.reshape(-1, 1, *values.shape[2:])
            flat = torch.convolution(flat, ones, None, stride, [0] * rank, dilation, False, [0] * rank, 1)
            return flat.reshape(*values.shape[:2], *flat.shape[2:])

        return window_sum(x) / window_sum(counted)

    return compute


def _common(node: Node) -> tuple[list[int], Window, bool]:
    kernel = list(node.attribute("kernel_shape"))
    if len(kernel) not in _MAX_POOL:
        raise node.unsupported(f"{len(kernel)} spatial axes are not supported")
    return kernel, window(node), bool(node.attribute("ceil_mode", 0))


def _native(before: Sequence[int], after: Sequence[int], kernel: Sequence[int]) -> bool:
    """PyTorch pads both sides alike, and by no more than half a window."""
    return before == after and all(2 * pad <= size for pad, size in zip(before, kernel, strict=True))


def _reach(
    extents: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
    kernel: Sequence[int],
    slide: Window,
    ceil_mode: bool,
) -> list[int]:
    """How much to append to each axis, so that floor division gives as many windows as ONNX says.

    With ceil_mode the last window may reach beyond the padding, but must begin inside the input or the padding before.
    """
    rank = len(extents)
    reach = []
    steps = zip(extents, before, after, kernel, slide.stride(rank), slide.dilation(rank), strict=True)
    for extent, first, last, size, step, gap in steps:
        span = (size - 1) * gap + 1
        room = extent + first + last - span
        windows = (-(-room // step) if ceil_mode else room // step) + 1
        if ceil_mode and (windows - 1) * step >= extent + first:
            windows -= 1
        reach.append(max(last, (windows - 1) * step + span - extent - first) if ceil_mode else last)
    return reach

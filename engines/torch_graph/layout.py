"""Operators that move values without changing them: shape, order of axes, joining and splitting."""

from __future__ import annotations

import math
from typing import Any

import torch

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op


@op("Reshape", host=(1,), held=True)
def reshape(node: Node) -> Compute:
    """Another shape: -1 takes what is left, 0 copies the input's extent unless allowzero=1."""
    allow_zero = bool(node.attribute("allowzero", 0))
    read_shape = node.numbers(1)

    def compute(x: Tensor, shape_input: Tensor) -> Tensor:
        shape = read_shape(shape_input) or []
        if not allow_zero:
            shape = [x.shape[place] if extent == 0 else extent for place, extent in enumerate(shape)]
        return x.reshape(shape)

    return compute


@op("Flatten", held=True)
def flatten(node: Node) -> Compute:
    """Two axes: those before `axis`, and the rest."""
    axis = node.attribute("axis", 1)

    def compute(x: Tensor) -> Tensor:
        at = axis + x.ndim if axis < 0 else axis
        return x.reshape(math.prod(x.shape[:at]), math.prod(x.shape[at:]))

    return compute


@op("Transpose", held=True)
def transpose(node: Node) -> Compute:
    """The axes in another order, reversed by default."""
    order = node.attribute("perm")
    return lambda x: x.permute(list(range(x.ndim))[::-1] if order is None else list(order))


@op("Squeeze", host=(1,), held=True)
def squeeze(node: Node) -> Compute:
    """Without the axes given, or without all of extent 1."""
    read_axes = node.attribute_or_numbers("axes", 1, before=13)

    def compute(x: Tensor, axes_input: Tensor | None = None) -> Tensor:
        axes = read_axes(axes_input)
        if axes is None:
            return x.squeeze()
        gone = {axis % x.ndim for axis in axes}
        if any(x.shape[axis] != 1 for axis in gone):
            raise ValueError(f"cannot squeeze axes {sorted(gone)} of {list(x.shape)}")
        return x.reshape([extent for axis, extent in enumerate(x.shape) if axis not in gone])

    return compute


@op("Unsqueeze", host=(1,), held=True)
def unsqueeze(node: Node) -> Compute:
    """With axes of extent 1 where the result is to have them."""
    read_axes = node.attribute_or_numbers("axes", 1, before=13)

    def compute(x: Tensor, axes_input: Tensor | None = None) -> Tensor:
        axes = read_axes(axes_input) or []
        for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
            x = x.unsqueeze(axis)
        return x

    return compute


@op("Concat", held=True)
def concat(node: Node) -> Compute:
    """Joined along an axis."""
    axis = node.attribute("axis")
    return lambda *values: torch.cat(values, axis)


@op("Split", host=(1,), held=True)
def split(node: Node) -> Compute:
    """Parts along an axis: of given sizes, or alike; with num_outputs the last may be smaller."""
    axis, count = node.attribute("axis", 0), node.output_count
    node.attribute("num_outputs")
    read_sizes = node.attribute_or_numbers("split", 1, before=13)

    def compute(x: Tensor, sizes_input: Tensor | None = None) -> tuple[Tensor, ...]:
        sizes = read_sizes(sizes_input)
        if not sizes:
            each = -(-x.shape[axis] // count)
            sizes = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
        return tuple(x.split(list(sizes), axis))

    return compute


@op("Expand", host=(1,), held=True)
def expand(node: Node) -> Compute:
    """Broadcast together with a shape."""
    read_shape = node.numbers(1)

    def compute(x: Tensor, shape_input: Tensor) -> Tensor:
        return x.expand(torch.broadcast_shapes(x.shape, read_shape(shape_input) or ()))

    return compute


@op("Tile", host=(1,), held=True)
def tile(node: Node) -> Compute:
    """Repeated along every axis."""
    read_repeats = node.numbers(1)
    return lambda x, repeats: x.repeat(read_repeats(repeats) or ())


@op("DepthToSpace", held=True)
def depth_to_space(node: Node) -> Compute:
    """[N, C b b, H, W] -> [N, C, H b, W b]; DCR takes the blocks' axes from before the channels, CRD from after."""
    block, mode = node.attribute("blocksize"), node.require("mode", "DCR", "CRD")

    def compute(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        if mode == "DCR":
            parts = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
        else:
            parts = x.reshape(n, c // block**2, block, block, h, w).permute(0, 1, 4, 2, 5, 3)
        return parts.reshape(n, c // block**2, h * block, w * block)

    return compute


@op("SpaceToDepth", held=True)
def space_to_depth(node: Node) -> Compute:
    """[N, C, H, W] -> [N, C b b, H / b, W / b]; the inverse of DepthToSpace in the same mode."""
    block, mode = node.attribute("blocksize"), node.require("mode", "DCR", "CRD")
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)

    def compute(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        parts = x.reshape(n, c, h // block, block, w // block, block).permute(order)
        return parts.reshape(n, c * block**2, h // block, w // block)

    return compute


@op("Shape", held=True)
def shape(node: Node) -> Compute:
    """The extents from `start` to before `end`, int64 on the CPU."""
    start, end = node.attribute("start", 0), node.attribute("end")

    def compute(x: Tensor) -> Any:
        return torch.tensor(list(x.shape)[slice(start, end)], dtype=torch.int64)

    return compute


@op("Size", held=True)
def size(node: Node) -> Compute:
    """The number of values, int64 on the CPU."""
    return lambda x: torch.tensor(x.numel(), dtype=torch.int64)

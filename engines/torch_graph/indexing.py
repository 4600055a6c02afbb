"""Parts of tensors: slices, gathered values, padding and triangles."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.spatial import pad_list


@op("Slice", host=(1, 2, 3, 4), held=True)
def slice_(node: Node) -> Compute:
    """Ranges along axes, with NumPy's meaning of negative and large bounds; attributes before opset 10."""
    read_starts, read_ends, read_axes = (
        node.attribute_or_numbers(name, place, before=10) for place, name in enumerate(("starts", "ends", "axes"), 1)
    )
    read_steps = node.numbers(4)

    def compute(
        x: Tensor,
        starts_input: Tensor | None = None,
        ends_input: Tensor | None = None,
        axes_input: Tensor | None = None,
        steps_input: Tensor | None = None,
    ) -> Tensor:
        starts, ends = read_starts(starts_input), read_ends(ends_input)
        axes = read_axes(axes_input) or range(len(starts))
        steps = read_steps(steps_input) or [1] * len(starts)
        index = [slice(None)] * x.ndim
        flipped = []
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            chosen = range(x.shape[axis])[start:end:step]
            if step < 0:  # PyTorch has no negative steps: the same values forward, then flipped
                flipped.append(axis)
                chosen = chosen[::-1]
            index[axis] = slice(chosen.start, max(chosen.stop, chosen.start), chosen.step)
        part = x[tuple(index)]
        return part.flip(flipped) if flipped else part

    return compute


@op("Gather", held=True)
def gather(node: Node) -> Compute:
    """Whole slices along an axis, by indices of any shape; negative ones count from the end."""
    axis = node.attribute("axis", 0)
    known = node.constant(1)
    if known is not None and known.ndim == 0:
        position = int(known)
        return lambda x, _: x.select(axis, position)

    def compute(x: Tensor, indices: Tensor) -> Tensor:
        at = axis % x.ndim
        flat = _from_start(indices, x.shape[at]).reshape(-1)
        return x.index_select(at, flat).reshape(*x.shape[:at], *indices.shape, *x.shape[at + 1 :])

    return compute


@op("GatherElements", held=True)
def gather_elements(node: Node) -> Compute:
    """Single values, by indices along an axis."""
    axis = node.attribute("axis", 0)
    return lambda x, indices: x.gather(axis, _from_start(indices, x.shape[axis]))


@op("Pad", host=(1, 2, 3), held=True)
def pad(node: Node) -> Compute:
    """Longer axes, filled with a constant, the reflection, the edge or the other side; negative amounts cut off."""
    mode = node.require("mode", "constant", "reflect", "edge", "wrap")
    read_pads = node.attribute_or_numbers("pads", 1, before=11)
    read_value = node.attribute_or_numbers("value", 2, before=11)
    read_axes = node.numbers(3)

    def compute(
        x: Tensor, pads_input: Tensor | None = None, value_input: Tensor | None = None, axes_input: Tensor | None = None
    ) -> Tensor:
        pads = read_pads(pads_input)
        axes = [axis % x.ndim for axis in read_axes(axes_input) or range(x.ndim)]
        before, after = [0] * x.ndim, [0] * x.ndim
        for place, axis in enumerate(axes):
            before[axis], after[axis] = pads[place], pads[place + len(axes)]
        if mode == "constant":
            value = read_value(value_input) or 0
            return F.pad(x, pad_list(before, after), value=value[0] if isinstance(value, list) else value)
        cut = [min(amount, 0) for amount in (*before, *after)]
        x = F.pad(x, pad_list(cut[: x.ndim], cut[x.ndim :]))
        for axis, amounts in enumerate(zip(before, after, strict=True)):
            if max(amounts) > 0:
                x = x.index_select(axis, _beyond(mode, x.shape[axis], *(max(n, 0) for n in amounts)).to(x.device))
        return x

    return compute


@op("Trilu", host=(1,))
def trilu(node: Node) -> Compute:
    """The upper or lower triangle of matrices, from the k-th diagonal on."""
    function = torch.triu if node.attribute("upper", 1) else torch.tril
    read_k = node.numbers(1)
    return lambda x, k=None: function(x, (read_k(k) or [0])[0])


def _from_start(indices: Tensor, extent: int) -> Tensor:
    return torch.where(indices < 0, indices + extent, indices).to(torch.int64)


@functools.lru_cache(maxsize=64)
def _beyond(mode: str, extent: int, before: int, after: int) -> Tensor:
    """Indices that read an axis of `extent` values beyond both of its ends."""
    index = torch.arange(-before, extent + after)
    if mode == "edge":
        return index.clamp(0, extent - 1)
    if mode == "wrap":
        return index % extent
    period = max(2 * (extent - 1), 1)
    index = index % period
    return torch.minimum(index, period - index) if extent > 1 else torch.zeros_like(index)

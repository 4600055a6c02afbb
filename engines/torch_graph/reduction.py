"""Reductions along axes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.types import FLOATS


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.mean(axes, keep)


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.sum(axes, keep, dtype=x.dtype)


def _prod(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keep, dtype=x.dtype)
    return x


_REDUCTIONS: dict[str, Callable[[Tensor, list[int], bool], Tensor]] = {
    "ReduceL1": lambda x, axes, keep: _sum(x.abs(), axes, keep),
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep),
    "ReduceLogSum": lambda x, axes, keep: _sum(x, axes, keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keep),
    "ReduceMean": _mean,
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keep),
    "ReduceProd": _prod,
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, axes, keep: _sum(x.square(), axes, keep),
}
_OF_FLOATS = ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean")


@op(*_REDUCTIONS, host=(1,))
def reduce(node: Node) -> Compute:
    """Over the axes given, all of them if none are; axes became an input in opset 13 (ReduceSum) and 18 (the rest)."""
    function = _REDUCTIONS[node.op]
    read_axes = node.attribute_or_numbers("axes", 1, before=13 if node.op == "ReduceSum" else 18)
    keep = bool(node.attribute("keepdims", 1))
    nothing = bool(node.attribute("noop_with_empty_axes", 0))
    if node.op in _OF_FLOATS and node.type_of(0) not in FLOATS:
        raise node.unsupported("it takes floats only")

    def compute(x: Tensor, axes_input: Tensor | None = None) -> Tensor:
        axes = read_axes(axes_input)
        if not axes and nothing:
            # Reduced over nothing: the function is applied to each value.
            return function(x[..., None], [-1], False)
        return function(x, [axis % x.ndim for axis in axes] if axes else list(range(x.ndim)), keep)

    return compute


@op("ArgMax", "ArgMin")
def arg_extreme(node: Node) -> Compute:
    """The position of the largest or smallest value along an axis, int64: the first, or the last of equal ones."""
    function = torch.argmax if node.op == "ArgMax" else torch.argmin
    axis, keep = node.attribute("axis", 0), bool(node.attribute("keepdims", 1))
    last = bool(node.attribute("select_last_index", 0))

    def compute(x: Tensor) -> Tensor:
        if last:
            return x.shape[axis] - 1 - function(x.flip(axis), dim=axis, keepdim=keep)
        return function(x, dim=axis, keepdim=keep)

    return compute


@op("CumSum", host=(1,))
def cumulative_sum(node: Node) -> Compute:
    """Sums along an axis up to each position, without it (exclusive) or from behind (reverse)."""
    exclusive, reverse = bool(node.attribute("exclusive", 0)), bool(node.attribute("reverse", 0))
    read_axis = node.numbers(1)

    def compute(x: Tensor, axis_input: Tensor) -> Tensor:
        (axis,) = read_axis(axis_input) or (0,)
        x = x.flip(axis) if reverse else x
        total = x.cumsum(axis, dtype=x.dtype)
        total = total - x if exclusive else total
        return total.flip(axis) if reverse else total

    return compute

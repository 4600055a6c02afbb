"""Which nodes may overwrite an input that nobody reads after them: less memory to go through, the same values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from engines.torch_graph.node import Compute, Tensor

# Their result is a tensor of its own, which their gradient does not read.
_FRESH = ("Add", "Conv", "ConvTranspose", "Gemm", "MatMul", "Sub")
# Values of activations that are computed from the result alone, gradient included.
_ACTIVATIONS: Mapping[str, Compute] = {"Relu": lambda x: torch.relu_(x)}


def in_place(
    nodes: Sequence[tuple[str, Sequence[str], Sequence[str]]], output_name: str
) -> dict[int, Callable[..., Any]]:
    """Position of a node -> what computes it in its input's memory, for the nodes where that is possible.

    nodes: operator, inputs and outputs of what is computed, in order. A value can be overwritten if a node in `_FRESH`
    made it, one node reads it, once, and it is not the graph's output.
    """
    readers = Counter(name for _, inputs, _ in nodes for name in inputs)
    makers = {outputs[0]: op for op, _, outputs in nodes}

    def free(name: str) -> bool:
        return readers[name] == 1 and name != output_name and makers.get(name) in _FRESH

    found: dict[int, Callable[..., Any]] = {}
    for place, (op, inputs, _) in enumerate(nodes):
        if op in _ACTIVATIONS and free(inputs[0]):
            found[place] = _ACTIVATIONS[op]
        elif op == "Add" and (free(inputs[0]) or free(inputs[1])):
            found[place] = _add_to_first if free(inputs[0]) else lambda x, y: _add_to_first(y, x)
    return found


def _add_to_first(x: Tensor, y: Tensor) -> Tensor:
    """x + y in x, unless the sum has another shape or type."""
    fits = x.dtype == y.dtype and x.device == y.device and torch.broadcast_shapes(x.shape, y.shape) == x.shape
    return x.add_(y) if fits else torch.add(x, y)

"""Fake quantization of an activation in one step: [Relu ->] QuantizeLinear -> [Clip ->] DequantizeLinear [-> Clip].

Node by node, these write and read a tensor a dozen times, forward and back; together they take four passes forward and
one back, and give the same values and gradients. Only where all of it is one number for the whole tensor, constant.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from onnx import TensorProto

from seatrial.engines.torch_graph.node import Compute, Tensor
from seatrial.engines.torch_graph.step import Step
from seatrial.engines.torch_graph.types import INTEGER_RANGE


def fused(
    steps: Sequence[Step], constants: Mapping[str, Tensor], types: Mapping[str, int], output_name: str
) -> list[Step]:
    """The steps, each such chain of them as one that stands in the place of its last."""
    readers = Counter(name for step in steps for name in step.inputs)
    readers[output_name] += 1
    taker = {name: step for step in steps for name in step.inputs}
    maker = {name: step for step in steps for name in step.outputs}
    gone: set[str] = set()
    made: dict[str, Step] = {}

    def alone(name: str) -> bool:
        return readers[name] == 1 and name != output_name

    for step in steps:
        found = _grid(step, constants, types)
        if found is None:
            continue
        chain = [step]
        while alone(chain[-1].outputs[0]) and (following := taker[chain[-1].outputs[0]]).op == "Clip":
            narrowed = _narrowed(found, following, constants)
            if narrowed is None:
                break
            found, chain = narrowed, [*chain, following]
        last = taker.get(chain[-1].outputs[0])
        if last is None or not alone(chain[-1].outputs[0]) or not _undoes(last, step, found, constants, types):
            continue
        while alone(last.outputs[0]) and (following := taker[last.outputs[0]]).op == "Clip":
            narrowed = _narrowed(found, following, constants, dequantized=True)
            if narrowed is None:
                break
            found, chain, last = narrowed, [*chain, last], following
        before = maker.get(step.inputs[0])
        if before is not None and before.op == "Relu" and alone(step.inputs[0]):
            found, chain = dataclasses.replace(found, relu=True), [before, *chain]
        gone |= {name for one in chain for name in one.outputs}
        made[last.outputs[0]] = Step(
            step.name, step.op, (chain[0].inputs[0], step.inputs[1]), last.outputs, _compute(found), (), {}, last=()
        )
    return [made.get(step.outputs[0], step) for step in steps if step.outputs[0] not in gone]


@dataclasses.dataclass(frozen=True)
class _Grid:
    """What a value may become: whole numbers from low to high, times the scale, behind a ReLU or not.

    zero: the zero point; low and high lie around it, as the integers of the file do.
    """

    scale: float
    zero: float
    low: float
    high: float
    relu: bool = False


def _grid(step: Step, constants: Mapping[str, Tensor], types: Mapping[str, int]) -> _Grid | None:
    """Of a QuantizeLinear to integers; None for any other step, and where a parameter is not one constant number."""
    if step.op != "QuantizeLinear" or types.get(step.inputs[0]) != TensorProto.FLOAT:
        return None
    kind = types[step.outputs[0]]
    scale, zero = _number(step, 1, constants), _number(step, 2, constants)
    if kind not in INTEGER_RANGE or scale is None or zero is None or not 0 < scale < float("inf"):
        return None
    if types.get(step.inputs[1]) != TensorProto.FLOAT:
        return None
    low, high = INTEGER_RANGE[kind]
    return _Grid(scale, zero, low, high)


def _narrowed(grid: _Grid, clip: Step, constants: Mapping[str, Tensor], *, dequantized: bool = False) -> _Grid | None:
    """Behind a Clip; None where a limit is not a constant number, or where nothing is left between them.

    dequantized: its limits are no integers, but what these stand for; None where they do not lie on the grid.
    """
    low, high = clip.attributes.get("min"), clip.attributes.get("max")
    for place in range(1, len(clip.inputs)):
        if clip.inputs[place]:
            limit = _number(clip, place, constants)
            if limit is None:
                return None
            low, high = (limit, high) if place == 1 else (low, limit)
    if dequantized:
        found_low, found_high = _integer(grid, low), _integer(grid, high)
        if (low is not None and found_low is None) or (high is not None and found_high is None):
            return None
        low, high = found_low, found_high
    found = dataclasses.replace(
        grid,
        low=grid.low if low is None else max(grid.low, low),
        high=grid.high if high is None else min(grid.high, high),
    )
    return found if found.low <= found.high else None


def _integer(grid: _Grid, limit: float | None) -> float | None:
    """What stands for the limit, in float32 arithmetic; None where nothing does."""
    if limit is None or not abs(limit) < float("inf"):
        return None
    whole = np.rint(limit / grid.scale)
    stands = bool(np.float32(whole) * np.float32(grid.scale) == np.float32(limit))
    return float(whole) + grid.zero if stands else None


def _undoes(step: Step, quantize: Step, grid: _Grid, constants: Mapping[str, Tensor], types: Mapping[str, int]) -> bool:
    """True for the DequantizeLinear of the same scale and zero point, to float32."""
    return (
        step.op == "DequantizeLinear"
        and types.get(step.outputs[0]) == TensorProto.FLOAT
        and types.get(step.inputs[1]) == TensorProto.FLOAT
        and (_number(step, 1, constants), _number(step, 2, constants)) == (grid.scale, grid.zero)
        and step.inputs[0] != quantize.inputs[0]
    )


def _number(step: Step, place: int, constants: Mapping[str, Tensor]) -> float | None:
    """A parameter that is one constant number; 0 for one that is not given, None for any other."""
    if place >= len(step.inputs) or not step.inputs[place]:
        return 0.0
    value = constants.get(step.inputs[place])
    return float(value) if value is not None and value.numel() == 1 and value.ndim <= 1 else None


def _compute(grid: _Grid) -> Compute:
    low, high = grid.low - grid.zero, grid.high - grid.zero
    low = max(low, 0.0) if grid.relu else low
    limits: dict[torch.dtype, tuple[float, float]] = {}

    def compute(x: Tensor, scale: Tensor) -> Tensor:
        scale = scale.reshape(())
        if not (torch.is_grad_enabled() and x.requires_grad):
            return _on_grid(x, scale, low, high)
        if x.dtype not in limits:
            limits[x.dtype] = _passing(grid, x.dtype)
        return _Fake.apply(x, scale, low, high, limits[x.dtype])

    return compute


def _on_grid(x: Tensor, scale: Tensor, low: float, high: float) -> Tensor:
    return torch.div(x, scale).round_().clamp_(low, high).mul_(scale)


class _Fake(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is optional
    """Straight through between the limits, which are outside themselves."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, low: float, high: float, passing: tuple[float, float]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.passing = passing
        return _on_grid(x, scale, low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, x, *ctx.passing), None, None, None, None


def _passing(grid: _Grid, dtype: torch.dtype) -> tuple[float, float]:
    """The largest number below and the smallest above those which the nodes themselves pass a gradient for."""
    kind = np.float64 if dtype == torch.float64 else np.float32
    scale = kind(grid.scale)
    with np.errstate(all="ignore"):
        below = -_first_outside(-(grid.low - grid.zero), scale)
        above = _first_outside(grid.high - grid.zero, scale)
    return (max(float(below), 0.0) if grid.relu else float(below)), float(above)


def _first_outside(high: float, scale: Any) -> Any:
    """The smallest number that is rounded, divided by the scale, to more than `high`; halves go to even numbers."""
    kind = type(scale)
    number = kind(high + 0.5) * scale
    while np.rint(number / scale) > high:
        number = np.nextafter(number, kind(-np.inf))
    while np.rint(number / scale) <= high:
        number = np.nextafter(number, kind(np.inf))
    return number

"""The Q/DQ nodes of a graph: which stand on activations, which make weights, and how many bits each keeps.

The forms met in practice: QuantizeLinear -> DequantizeLinear on activations and integer constants before a
DequantizeLinear (ONNX Runtime, PyTorch, Model Optimizer, NNCF); a Clip between the two, or between the constant and the
DequantizeLinear, that narrows the integers below the 8 bits of their storage (Brevitas); float constants through
QuantizeLinear, Clip and DequantizeLinear (Brevitas from torch.export, fake quantization in PyTorch).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from seatrial.errors import BadInputError
from seatrial.exporters.graphs import attribute_of, constants_of
from seatrial.exporters.levels import count_bits
from seatrial.exporters.tensors import INT2, UINT2

Q, DQ = "QuantizeLinear", "DequantizeLinear"
_FLOAT8 = (
    *(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ),
    *(TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ),
)
_INTEGER_BITS: dict[int, int] = {
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8), 8),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16), 16),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4), 4),
    **dict.fromkeys((INT2, UINT2), 2),
}
# What may lie between a constant and its DequantizeLinear: the value stays a constant.
_FOLDS = frozenset({Q, DQ, "Clip", "Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"})

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Step:
    """One quantization. kind: "int" or "float". bits: that its values have. ndim: of the tensor, None if unknown.
    counted: neither a type nor a Clip says so; it is what the integers of a weight need. odd: its grid
    has odd integers alone, and no zero.
    """

    node: onnx.NodeProto
    kind: str
    bits: int
    ndim: int | None = None
    counted: bool = False
    odd: bool = False


@dataclasses.dataclass(frozen=True)
class QuantizedGraph:
    """What a graph quantizes. activations: QuantizeLinear nodes; weights: DequantizeLinear nodes of constants."""

    activations: tuple[Step, ...]
    weights: tuple[Step, ...]


@dataclasses.dataclass(frozen=True)
class Grid:
    """What the integers (or float8 values) of a tensor stand for: (value - zero) * scale, from low to high."""

    scale: float
    zero: float
    low: float
    high: float

    @property
    def smallest(self) -> float:
        """The smallest value that they stand for."""
        return (self.low - self.zero) * self.scale

    @property
    def largest(self) -> float:
        """The largest."""
        return (self.high - self.zero) * self.scale


class Reader:
    """Reads the Q/DQ nodes of a graph; constants are evaluated when they are asked for."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = constants_of(graph)
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self.consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def read(self) -> QuantizedGraph:
        """All quantizations; BadInputError where a scale or zero point is not a constant."""
        activations, weights = [], []
        for node in self.graph.node:
            if node.op_type == Q and not self.is_constant(node.input[0]):
                activations.append(self._activation(node))
            elif node.op_type == DQ and self.is_constant(node.input[0]):
                step = self._weight(node)
                if step is not None:
                    weights.append(step)
        return QuantizedGraph(tuple(activations), tuple(weights))

    def is_constant(self, name: str) -> bool:
        """True for what `value` can evaluate."""
        while name not in self.constants:
            node = self.producers.get(name)
            if node is None or node.op_type not in _FOLDS or not all(i in self.constants for i in node.input[1:] if i):
                return False
            name = node.input[0]
        return True

    def value(self, name: str) -> Array:
        """The value of a constant, dequantized in float32 and fake-quantized as the graph says."""
        trail = []
        while name not in self.constants:
            trail.append(self.producers[name])
            name = self.producers[name].input[0]
        value: Array = numpy_helper.to_array(self.constants[name])
        for node in reversed(trail):
            value = self._step(node, value)
        return value

    def integers(self, name: str) -> Array | None:
        """What a constant's last DequantizeLinear reads, laid out as `name`; None where there is none."""
        trail = []
        while (node := self.producers.get(name)) is not None and node.op_type in _FOLDS - {Q, DQ, "Clip"}:
            trail.append(node)
            name = node.input[0]
        if node is None or node.op_type != DQ or not self.is_constant(node.input[0]):
            return None
        value = self.value(node.input[0])
        for moving in reversed(trail):
            value = self._step(moving, value)
        return value

    def grid(self, node: onnx.NodeProto) -> Grid | None:
        """What the output of a QuantizeLinear stands for; None where its scale is computed, or one per channel."""
        if node.input[1] not in self.constants:
            return None
        scale, zero = self._constant(node, 1), self._constant(node, 2)
        if scale is None or scale.size != 1 or (zero is not None and zero.size != 1):
            return None
        kind = numpy_type(self._storage(node))
        if np.dtype(kind).name.startswith("float8"):
            high = float(_finfo(kind).max)
            return Grid(float(scale.item()), 0.0, -high, high)
        low, high = _limits(kind)
        return Grid(float(scale.item()), 0.0 if zero is None else float(zero.item()), low, high)

    def narrowed(self, node: onnx.NodeProto, grid: Grid | None) -> Grid | None:
        """The grid behind a Clip of integers."""
        low, high = self._constant(node, 1), self._constant(node, 2)
        if grid is None:
            return None
        return dataclasses.replace(
            grid,
            low=grid.low if low is None else float(low.item()),
            high=grid.high if high is None else float(high.item()),
        )

    def _constant(self, node: onnx.NodeProto, position: int) -> Array | None:
        if len(node.input) <= position or not node.input[position]:
            return None
        if node.input[position] not in self.constants:
            raise BadInputError(
                f"Node {node.name or node.output[0]!r} ({node.op_type}) computes {node.input[position]!r} while it "
                "runs; "
                "give a model with constant scales and ranges (static quantization)."
            )
        return numpy_helper.to_array(self.constants[node.input[position]])

    def _activation(self, node: onnx.NodeProto) -> Step:
        data_type = self._storage(node)
        clips = [user for user in self.consumers.get(node.output[0], ()) if user.op_type == "Clip"]
        narrowed = max((self._clip_bits(clip) or 64 for clip in clips), default=64)
        return _step(node, data_type, narrowed)

    def _weight(self, node: onnx.NodeProto) -> Step | None:
        name, narrowed = node.input[0], 64
        storage = None
        while True:
            maker = self.producers.get(name)
            if maker is not None and maker.op_type == Q:
                storage = self._storage(maker)
                break
            if maker is None or name in self.constants:
                break
            if maker.op_type == "Clip":
                narrowed = min(narrowed, self._clip_bits(maker) or 64)
            name = maker.input[0]
        tensor = self.origin(name)
        data_type = tensor.data_type if storage is None else storage
        if data_type == TensorProto.INT32:
            return None  # a bias, in the scale of its convolution's sums
        step = dataclasses.replace(_step(node, data_type, narrowed), ndim=len(tensor.dims))
        return self._with_counted_bits(node, step, _INTEGER_BITS.get(data_type, 32))

    def _with_counted_bits(self, node: onnx.NodeProto, step: Step, storage: int) -> Step:
        """A weight in fewer bits than its type has, although no Clip says so: odd integers stand for half as many
        levels, and files of 2 to 6 bits, and of 9 and 10, lie in 8 and 16.
        """
        if step.kind != "int" or storage < 8 or not step.ndim or step.ndim < 2:
            return step
        integers = self.value(node.input[0])
        scale, zero = self._constant(node, 1), self._constant(node, 2)
        axis = attribute_of(node, "axis")
        along = 1 if axis is None else axis.i
        per_channel = scale is not None and scale.size > 1
        place = Placement(along, 0, integers.shape)
        centred = integers.astype(np.int64) - (0 if zero is None else place.spread(zero.astype(np.int64)))
        found = count_bits(
            integers, centred, along if per_channel and attribute_of(node, "block_size") is None else None
        )
        if found is None or found.bits >= step.bits or (step.bits < storage and not found.odd):
            return step
        if storage == 8 and found.bits == 7 and not found.odd:
            return step  # quantizers for x86 leave one bit unused, lest sums overflow
        return dataclasses.replace(step, bits=found.bits, counted=True, odd=found.odd)

    def origin(self, name: str) -> onnx.TensorProto:
        """The stored tensor that a constant is made from."""
        while name not in self.constants:
            name = self.producers[name].input[0]
        return self.constants[name]

    def _storage(self, node: onnx.NodeProto) -> int:
        if len(node.input) > 2 and node.input[2]:
            if node.input[2] not in self.constants:
                self._constant(node, 2)
            return self.constants[node.input[2]].data_type
        output = attribute_of(node, "output_dtype")
        return output.i if output is not None and output.i else TensorProto.UINT8

    def _clip_bits(self, node: onnx.NodeProto) -> int | None:
        low, high = self._constant(node, 1), self._constant(node, 2)
        if low is None or high is None or low.size != 1 or high.size != 1:
            return None
        return max(int(high.item()) - int(low.item()), 1).bit_length()

    def _step(self, node: onnx.NodeProto, value: Array) -> Array:
        if node.op_type in (Q, DQ):
            scale = self._constant(node, 1)
            assert scale is not None
            zero = self._constant(node, 2)
            axis, block = attribute_of(node, "axis"), attribute_of(node, "block_size")
            place = Placement(1 if axis is None else axis.i, 0 if block is None else block.i, value.shape)
            if node.op_type == DQ:
                return dequantize(value, scale, zero, place)
            return quantize(value, scale, zero, numpy_type(self._storage(node)), place)
        if node.op_type == "Clip":
            low, high = self._constant(node, 1), self._constant(node, 2)
            return value if low is None and high is None else np.clip(value, low, high).astype(value.dtype)
        return _reshaped(node, value, self._constant(node, 1))


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where scales belong: axis of the tensor, elements that share one along it (0: the axis has one each), shape."""

    axis: int
    block: int
    shape: tuple[int, ...]

    def spread(self, parameter: Array) -> Array:
        """A scale or zero point, broadcast against the tensor."""
        if parameter.size == 1:
            return parameter.reshape(())
        axis = self.axis % max(1, len(self.shape))
        if self.block:
            return np.repeat(parameter, self.block, axis=axis).take(range(self.shape[axis]), axis=axis)
        return parameter.reshape([-1 if index == axis else 1 for index in range(len(self.shape))])


def dequantize(value: Array, scale: Array, zero: Array | None, place: Placement) -> npt.NDArray[np.float32]:
    """(value - zero) * scale in float32, as ONNX's DequantizeLinear defines it."""
    exact = value.astype(np.float32) if value.dtype.kind not in "iu" else value.astype(np.int64)
    if zero is not None:
        exact = exact - place.spread(zero.astype(exact.dtype))
    result: npt.NDArray[np.float32] = exact.astype(np.float32) * place.spread(scale.astype(np.float32))
    return result


def quantize(value: Array, scale: Array, zero: Array | None, kind: Any, place: Placement) -> Array:
    """round(value / scale) + zero, half to even, saturated to the integer type, as ONNX's QuantizeLinear defines it."""
    scaled = value.astype(np.float32) / place.spread(scale.astype(np.float32))
    if np.dtype(kind).name.startswith("float8"):
        limit = float(_finfo(kind).max)
        return np.clip(scaled, -limit, limit).astype(kind)
    whole = np.rint(scaled) + (0 if zero is None else place.spread(zero.astype(np.float32)))
    low, high = _limits(kind)
    return np.clip(whole, low, high).astype(np.int64).astype(kind)


def numpy_type(data_type: int) -> Any:
    """The NumPy (or ml_dtypes) type of an ONNX element type."""
    return onnx.helper.tensor_dtype_to_np_dtype(data_type)


def _finfo(kind: Any) -> Any:
    import ml_dtypes

    return ml_dtypes.finfo(kind)  # type: ignore[no-untyped-call]


def _limits(kind: Any) -> tuple[int, int]:
    import ml_dtypes

    info = ml_dtypes.iinfo(kind)  # type: ignore[no-untyped-call]
    return int(info.min), int(info.max)


def _step(node: onnx.NodeProto, data_type: int, narrowed: int) -> Step:
    if data_type in _FLOAT8:
        return Step(node, "float", 8)
    return Step(node, "int", min(_INTEGER_BITS.get(data_type, 32), narrowed))


def _reshaped(node: onnx.NodeProto, value: Array, shape: Array | None) -> Array:
    if node.op_type == "Transpose":
        order = attribute_of(node, "perm")
        return value.transpose(None if order is None else list(order.ints))
    if node.op_type == "Reshape":
        wanted = [] if shape is None else [int(extent) for extent in shape]
        return value.reshape([value.shape[i] if extent == 0 else extent for i, extent in enumerate(wanted)])
    if node.op_type == "Flatten":
        axis = attribute_of(node, "axis")
        split = 1 if axis is None else axis.i % max(1, value.ndim)
        return value.reshape(int(np.prod(value.shape[:split], dtype=np.int64)), -1)
    if node.op_type in ("Squeeze", "Unsqueeze"):
        listed = attribute_of(node, "axes")
        axes = (
            tuple(listed.ints) if listed is not None else tuple(int(axis) for axis in (() if shape is None else shape))
        )
        return np.expand_dims(value, axes) if node.op_type == "Unsqueeze" else np.squeeze(value, axes or None)
    return value

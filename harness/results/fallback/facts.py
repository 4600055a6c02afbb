"""What an ONNX file says of the nodes that multiply: which operands are rounded, how, and who reads the result."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from seatrial.engines.work import COUNTED
from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.quantized import DQ, Q, Reader

# What runtimes append to the name of a node, or to the name of its result, where they rewrite it.
_SUFFIX = re.compile(r"_token_\d+|_nchwc|/MatMulAddFusion|/MatmulTransposeFusion/|/WithoutBiases|/duplicated")
_PREFIX = re.compile(r"fused ")
_ACTIVATIONS = ("Relu", "Clip")
_LEAST: dict[int | None, int] = {TensorProto.INT8: -128, TensorProto.UINT8: 0}


@dataclasses.dataclass(frozen=True)
class Operand:
    """quantized: it comes out of a DequantizeLinear. constant: it, or what is dequantized, is one. data_type: of the
    integers behind DequantizeLinear, or of a float constant; None if unknown. zero: a zero point other than 0 is
    there. axis, block: of the scales of blocked weights, 0 for none. readers: operators that read the rounded value.
    """

    quantized: bool
    constant: bool
    data_type: int | None
    zero: bool = False
    axis: int = 0
    block: int = 0
    readers: int = 0


@dataclasses.dataclass(frozen=True)
class Result:
    """rounded: a QuantizeLinear alone reads the result of a node, directly or behind one Relu or Clip. activation: that
    operator's type. data_type, least: type of the integers, and whether the zero point is the least of them.
    readers: as of an operand.
    """

    rounded: bool
    activation: str | None = None
    data_type: int | None = None
    least: bool = False
    readers: int = 0


class FileFacts:
    """Looks nodes up by the names that audits give their layers. Subgraphs are not looked into."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._reader = Reader(model.graph)
        self._outputs = {value.name for value in model.graph.output}
        self._by_name: dict[str, onnx.NodeProto] = {}
        for index, node in enumerate(model.graph.node):
            self._by_name[node.name or f"{node.op_type}_{index}"] = node
        self._by_result = {name: node for node in model.graph.node for name in node.output if name}
        self.has_qdq = any(node.op_type in (Q, DQ) for node in model.graph.node)

    def node(self, layer: str) -> onnx.NodeProto | None:
        """The node that multiplies in a layer; None where no node bears its name. A layer that was fused may be named
        after what stands behind that node, its Relu for instance.
        """
        for part in layer.split(" + "):
            name = _PREFIX.sub("", part)
            for spelled in (name, _SUFFIX.sub("", name)):
                found = self._multiplying(self._by_name.get(spelled) or self._by_result.get(spelled))
                if found is not None:
                    return found
        return None

    def _multiplying(self, node: onnx.NodeProto | None) -> onnx.NodeProto | None:
        while node is not None and node.op_type not in COUNTED:
            computed = [name for name in node.input if name and not self._reader.is_constant(name)]
            if len(computed) != 1 or node.op_type in (Q, DQ):
                return None
            node = self._reader.producers.get(computed[0])
        return node

    def operand(self, node: onnx.NodeProto, position: int) -> Operand | None:
        """One of the inputs; None where there is none."""
        if len(node.input) <= position or not node.input[position]:
            return None
        name = node.input[position]
        constants = self._reader.constants
        maker = self._reader.producers.get(name)
        if maker is None or maker.op_type != DQ:
            constant = self._reader.is_constant(name)
            return Operand(False, constant, constants[name].data_type if name in constants else None)
        axis, block = attribute_of(maker, "axis"), attribute_of(maker, "block_size")
        source = self._reader.producers.get(maker.input[0])
        return Operand(
            quantized=True,
            constant=self._reader.is_constant(maker.input[0]),
            data_type=self._stored(maker),
            zero=bool(np.any(self._zero(maker))),
            axis=1 if axis is None else axis.i,
            block=0 if block is None else block.i,
            readers=self._readers(source) if source is not None and source.op_type == Q else 0,
        )

    def result(self, node: onnx.NodeProto) -> Result:
        """What becomes of the first output of a node."""
        name, activation = node.output[0], None
        users = self._reader.consumers.get(name, [])
        if len(users) == 1 and users[0].op_type in _ACTIVATIONS and name not in self._outputs:
            activation = users[0].op_type
            name = users[0].output[0]
            users = self._reader.consumers.get(name, [])
        if name in self._outputs or not users or any(user.op_type != Q for user in users):
            return Result(False, activation)
        kind = self._stored(users[0])
        least = kind in _LEAST and bool(np.all(self._zero(users[0]) == _LEAST[kind]))
        return Result(True, activation, kind, least, self._readers(users[0]))

    def _readers(self, quantize: onnx.NodeProto) -> int:
        # Pairs that round the same value alike are one: runtimes join them.
        twins = [
            user
            for user in self._reader.consumers.get(quantize.input[0], [])
            if user.op_type == Q and list(user.input) == list(quantize.input)
        ]
        rounded = [user for twin in twins for user in self._reader.consumers.get(twin.output[0], [])]
        return sum(
            len(self._reader.consumers.get(user.output[0], [])) + (user.output[0] in self._outputs)
            if user.op_type == DQ
            else 1
            for user in rounded
        )

    def _zero(self, node: onnx.NodeProto) -> np.ndarray:
        tensor = self._zero_tensor(node)
        return np.zeros(1) if tensor is None else numpy_helper.to_array(tensor).astype(np.float64)

    def _zero_tensor(self, node: onnx.NodeProto) -> onnx.TensorProto | None:
        name = node.input[2] if len(node.input) > 2 else ""
        return self._reader.constants.get(name)

    def _stored(self, node: onnx.NodeProto) -> int | None:
        zero = self._zero_tensor(node)
        if zero is not None:
            return zero.data_type
        tensor = self._reader.constants.get(node.input[0])
        if node.op_type == DQ and tensor is not None:
            return tensor.data_type
        if node.op_type == Q:
            given = attribute_of(node, "output_dtype")
            return given.i if given is not None and given.i else TensorProto.UINT8
        maker = self._reader.producers.get(node.input[0])
        return self._stored(maker) if maker is not None and maker.op_type == Q else None

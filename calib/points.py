"""Where a recipe puts Q/DQ: which values, whose range each takes, who reads the rounded form, which weights and biases.

Two styles. With `quantize_outputs`, as ONNX Runtime wants it, 8-bit values run from operator to operator: behind each
stands a Q/DQ pair, a Relu is part of the operator before it, operators that only move values keep the scale. Without,
as TensorRT wants it, a pair stands before each operator that multiplies, and on the shortcut of a residual Add, so that
the Add fuses into the convolution of the other branch; the engine moves them from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

import onnx

from seatrial.calib.fold import node_input, read_constant, readers_of
from seatrial.calib.recipes import Recipe
from seatrial.calib.tactics import RULES, Product
from seatrial.calib.types import float_values
from seatrial.exporters.folding import constant_values
from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.outputs import trailing_probabilities
from seatrial.exporters.quantized import Reader

# Operators that multiply and accumulate.
MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Of those, the ones whose integer kernel may give floats: no Q/DQ behind, unless the next operator wants one.
_FLOAT_OUTPUT = ("Gemm", "MatMul")
# They move values and change none: output and input share one scale, and the kernel works on the integers.
MOVING = (
    *("MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Pad", "Gather", "Split"),
    *("DepthToSpace", "SpaceToDepth", "Expand", "Tile"),
)
_RELUS = ("Relu", "Clip")
# They multiply, too, but no recipe has a form of them in integers.
_ALSO_MULTIPLYING = ("Attention", "DeformConv", "Einsum", "GRU", "LSTM", "RNN")


@dataclasses.dataclass(frozen=True)
class Activation:
    """A value that is quantized. range_of: the value whose range it takes, itself as a rule. readers: names of the
    nodes that read the rounded form, None for all, the graph's output included.
    """

    name: str
    range_of: str
    readers: frozenset[str] | None


@dataclasses.dataclass(frozen=True)
class Weight:
    """An operand of `node` that is a constant. axis: of its channels, None for one scale. like_activation: an operand
    of Add or Mul, rounded as the values it meets. bias: name of the constant that is added, None for none.
    """

    node: str
    position: int
    axis: int | None
    like_activation: bool = False
    bias: str | None = None


@dataclasses.dataclass(frozen=True)
class Places:
    """activations: in the order of the graph. multiplying: names of the nodes that multiply and accumulate in integers,
    in order. reads, writes: node -> values that are rounded for it, and behind it. left_float: names of nodes that stay
    float, where an integer form of them would matter -> why.
    """

    activations: tuple[Activation, ...]
    weights: tuple[Weight, ...]
    multiplying: tuple[str, ...]
    reads: dict[str, tuple[str, ...]]
    writes: dict[str, tuple[str, ...]]
    left_float: dict[str, str]

    def alone(self, node: str) -> Places:
        """What is left of it where nothing but `node` is quantized, with the ranges that it has among all."""
        range_of = {one.name: one.range_of for one in self.activations}
        read = [Activation(name, range_of[name], frozenset({node})) for name in self.reads.get(node, ())]
        written = [Activation(name, range_of[name], None) for name in self.writes.get(node, ())]
        return dataclasses.replace(
            self,
            activations=(*read, *written),
            weights=tuple(one for one in self.weights if one.node == node),
            multiplying=tuple(name for name in self.multiplying if name == node),
        )


def find_places(graph: onnx.GraphProto, recipe: Recipe, keep_float: Collection[str] = ()) -> Places:
    """The places in a prepared float graph (see `calib.fold`). keep_float: names of nodes that stay float."""
    return _Finder(graph, recipe, frozenset(keep_float)).find()


def lacks_kernel(node: onnx.NodeProto, recipe: Recipe) -> str | None:
    """The word of `recipe.no_kernel` for a node that the recipe's engine runs in float whatever Q/DQ it stands in."""
    group = attribute_of(node, "group")
    words = (node.op_type, f"grouped {node.op_type}") if group is not None and group.i > 1 else (node.op_type,)
    return next((word for word in words if word in recipe.no_kernel), None)


class _Finder:
    def __init__(self, graph: onnx.GraphProto, recipe: Recipe, keep_float: frozenset[str]) -> None:
        self.graph, self.recipe, self.keep_float = graph, recipe, keep_float
        self.reader = Reader(graph)
        self.producers = self.reader.producers
        self.readers = readers_of(graph)
        self.outputs = {value.name for value in graph.output}
        self.softmax = {node.name for node in trailing_probabilities(graph)}
        self.left_float: dict[str, str] = dict.fromkeys(keep_float, "asked for")
        self.floats = float_values(graph)
        self.from_constants = constant_values(graph)
        self.multiplying = [node for node in graph.node if self._multiplies(node)]
        self.fused: dict[str, str] = {}  # Relu -> the node that it is part of
        self.activations: dict[str, Activation] = {}
        self.reads: dict[str, tuple[str, ...]] = {}
        self.writes: dict[str, tuple[str, ...]] = {}

    def find(self) -> Places:
        if self.recipe.quantize_outputs:
            integer = self._chain()
        else:
            integer = list(self.multiplying)
            for node in self.multiplying:
                self._read(node, self._operands(node))
            if self.recipe.quantize_residuals:
                for node in self.graph.node:
                    shortcut = self._shortcut(node)
                    if shortcut is not None:
                        self._read(node, [shortcut])
        self._list_unknown()
        weights = [weight for node in integer for weight in self._weights(node)]
        order = {name: index for index, node in enumerate(self.graph.node) for name in node.output}
        return Places(
            tuple(sorted(self.activations.values(), key=lambda one: order.get(one.name, -1))),
            tuple(weights),
            tuple(node.name for node in self.multiplying),
            self.reads,
            self.writes,
            self.left_float,
        )

    # --- which nodes

    def _multiplies(self, node: onnx.NodeProto) -> bool:
        if node.op_type not in MULTIPLYING or node.name in self.keep_float or node.domain not in ("", "ai.onnx"):
            return False
        constant = self.reader.is_constant(node.input[1])
        transposed = attribute_of(node, "transA")
        slow = self._without_tactic(node) if constant and self.recipe.tactics is not None else None
        if self.reader.is_constant(node.input[0]):
            reason = "its first operand is a constant"
        elif node.op_type != "MatMul" and not constant:
            unfolded = node.input[1] in self.from_constants
            made = "made from constants, which are not folded" if unfolded else "computed while the graph runs"
            reason = f"its weight is {made}"
        elif transposed is not None and transposed.i:
            reason = "its first operand is transposed"
        elif lacks_kernel(node, self.recipe):
            reason = f"{self.recipe.engine} has no integer kernel for {lacks_kernel(node, self.recipe)}"
        elif node.output[0] not in self.floats:
            reason = "it multiplies integers"
        elif slow is not None:
            reason = slow
        elif node.op_type == "Gemm" and node_input(node, 2) and read_constant(self.graph, node.input[2]) is None:
            reason = "its bias is computed while the graph runs"
        else:
            return True
        self.left_float[node.name] = reason
        return False

    def _without_tactic(self, node: onnx.NodeProto) -> str | None:
        """Why the recipe's rule leaves it float."""
        weight = read_constant(self.graph, node.input[1])
        if weight is None:
            return None
        if weight.ndim < 2:
            return RULES[str(self.recipe.tactics)](Product(1, weight.size))
        group = attribute_of(node, "group")
        rows, columns = weight.shape[:2]
        outputs, inputs = (columns, rows) if node.op_type in ("ConvTranspose", "MatMul") else (rows, columns)
        if node.op_type in ("Gemm", "MatMul"):
            return RULES[str(self.recipe.tactics)](Product(outputs, inputs))
        first = node.input[0] in {value.name for value in self.graph.input}
        groups = 1 if group is None else group.i
        return RULES[str(self.recipe.tactics)](Product(outputs, inputs, tuple(weight.shape[2:]), groups, first))

    def _chain(self) -> list[onnx.NodeProto]:
        """The integer nodes of the style with outputs; fills `activations`."""
        multiplying = {node.name for node in self.multiplying}
        known = {*self.recipe.integer_operators, *MOVING, *_RELUS}
        floats = {
            node.name
            for node in self.graph.node
            if node.name in self.keep_float or node.name in self.softmax or node.name in self.left_float
        }
        after, before = self._reached(floats, multiplying), self._leading(floats, multiplying)
        self._fuse_relus(multiplying | {n.name for n in self.graph.node if n.op_type in known and n.name not in floats})
        integer = [
            node
            for node in self.graph.node
            if node.name in multiplying
            or (
                node.op_type in known
                and node.name not in floats
                and node.name not in self.fused
                and node.output[0] in self.floats
                and any(name in after for name in node.input)
                and any(name in before for name in node.output)
            )
        ]
        names = {node.name for node in integer}
        for node in integer:
            self._read(node, self._operands(node))
        for node in integer:
            for output in filter(None, node.output):
                self._write(node, self._behind(output), names)
        return integer

    def _reached(self, floats: set[str], multiplying: set[str]) -> set[str]:
        """Values that integer nodes give, or that follow from one without a node that is kept in float."""
        found: set[str] = set()
        for node in self.graph.node:
            if node.name in multiplying or (node.name not in floats and found.intersection(node.input)):
                found.update(node.output)
        image = self.graph.input[0].name if self.graph.input else ""
        return found | {image}

    def _leading(self, floats: set[str], multiplying: set[str]) -> set[str]:
        """Values from which a node that multiplies in integers can be reached likewise."""
        found: set[str] = set()
        for node in reversed(self.graph.node):
            if node.name in multiplying or (node.name not in floats and found.intersection(node.output)):
                found.update(node.input)
        return found

    def _fuse_relus(self, candidates: set[str]) -> None:
        for node in self.graph.node:
            source = self.producers.get(node.input[0]) if node.op_type in _RELUS else None
            if (
                source is not None
                and source.name in candidates
                and source.op_type not in (*MOVING, *_RELUS)
                and node.name not in self.keep_float
                and self._saturates(node)
                and len(self.readers.get(node.input[0], ())) == 1
                and node.input[0] not in self.outputs
            ):
                self.fused[node.name] = source.name

    def _saturates(self, node: onnx.NodeProto) -> bool:
        """True for Relu, and for a Clip from 0: behind it the zero point is the smallest integer, and saturation at
        both ends does its work. A Clip from elsewhere has bounds that no integer stands for exactly.
        """
        if node.op_type == "Relu":
            return True
        low = read_constant(self.graph, node_input(node, 1)) if node_input(node, 1) else None
        return low is not None and low.size == 1 and float(low.reshape(())) == 0

    def _behind(self, name: str) -> str:
        """The value that is quantized for an output: behind the Relu that is part of the node."""
        users = self.readers.get(name, ())
        return users[0].output[0] if len(users) == 1 and users[0].name in self.fused else name

    def _list_unknown(self) -> None:
        if not self.recipe.quantize_outputs:
            for node in self.graph.node:
                if node.op_type in _ALSO_MULTIPLYING:
                    self.left_float.setdefault(node.name, f"no recipe knows {node.op_type} in integers")
            return
        known = {*self.recipe.integer_operators, *MOVING, *_RELUS, *MULTIPLYING}
        quiet = {"Constant", "Shape", "Cast", "ConstantOfShape", "Range", "Identity"}
        for node in self.graph.node:
            constant = all(self.reader.is_constant(name) for name in node.output if name)
            if node.op_type not in known | quiet and not constant and node.name not in self.left_float:
                reason = f"no recipe knows {node.op_type} in integers"
                self.left_float[node.name] = "it makes the probabilities" if node.name in self.softmax else reason

    # --- which values

    def _operands(self, node: onnx.NodeProto) -> list[str]:
        """The inputs that are computed and float."""
        if node.op_type in MULTIPLYING:
            names: Iterable[str] = node.input[:2]
        elif node.op_type in MOVING or node.op_type in _RELUS:
            names = node.input[:1]
        else:
            names = node.input
        return [name for name in names if name in self.floats and not self.reader.is_constant(name)]

    def _read(self, node: onnx.NodeProto, names: Iterable[str]) -> None:
        self.reads[node.name] = tuple(dict.fromkeys(names))
        for name in self.reads[node.name]:
            before = self.activations.get(name)
            readers = frozenset({node.name}) | ((before.readers or frozenset()) if before else frozenset())
            self.activations[name] = Activation(name, self._range_of(name), readers)

    def _write(self, node: onnx.NodeProto, name: str, integer: set[str]) -> None:
        users = {user.name for user in self.readers.get(name, ())}
        if node.op_type in (*_FLOAT_OUTPUT, *MOVING) and not users & integer:
            return
        self.writes[node.name] = (*self.writes.get(node.name, ()), name)
        self.activations[name] = Activation(name, self._range_of(name), None)

    def _range_of(self, name: str) -> str:
        """Behind operators that only move values, the value that they move; before a Clip, what it leaves of them:
        rounding saturates there, and steps for what is cut off behind would be lost.
        """
        while self.recipe.quantize_outputs:
            node = self.producers.get(name)
            if (
                node is None
                or node.op_type not in MOVING
                or node.name in self.keep_float
                or not self._keeps_values(node)
                or self.reader.is_constant(node.input[0])
            ):
                break
            name = node.input[0]
        users = self.readers.get(name, [])
        cut = (
            self.recipe.quantize_outputs
            and len(users) == 1
            and users[0].op_type == "Clip"
            and users[0].input[0] == name
        )
        return users[0].output[0] if cut and name not in self.outputs else name

    def _keeps_values(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Pad":
            return True
        mode = attribute_of(node, "mode")
        if mode is not None and mode.s not in (b"", b"constant"):
            return True
        value = read_constant(self.graph, node_input(node, 2)) if node_input(node, 2) else None
        return not node_input(node, 2) or (value is not None and not value.any())

    def _shortcut(self, node: onnx.NodeProto) -> str | None:
        """The operand of a residual Add that does not come straight from the convolution that the Add fuses into."""
        if node.op_type != "Add" or node.name in self.keep_float:
            return None
        names = list(node.input[:2])
        if any(self.reader.is_constant(name) for name in names) or names[0] == names[1]:
            return None
        multiplying = {one.name for one in self.multiplying}
        direct = [
            name in self.producers
            and self.producers[name].name in multiplying
            and len(self.readers.get(name, ())) == 1
            and name not in self.outputs
            for name in names
        ]
        if not any(direct):
            return None
        return names[1] if direct[0] else names[0]

    # --- which constants

    def _weights(self, node: onnx.NodeProto) -> list[Weight]:
        if node.op_type in MULTIPLYING:
            if not self.reader.is_constant(node.input[1]):
                return []
            bias = node_input(node, 2) if node.op_type != "MatMul" else ""
            readable = bool(bias) and read_constant(self.graph, bias) is not None
            return [Weight(node.name, 1, self._axis(node), bias=bias if readable else None)]
        if node.op_type in MOVING or node.op_type in _RELUS:
            return []
        return [
            Weight(node.name, position, None, like_activation=True)
            for position, name in enumerate(node.input)
            if name and self.reader.is_constant(name)
        ]

    def _axis(self, node: onnx.NodeProto) -> int | None:
        if not self.recipe.per_channel:
            return None
        rank = self.reader.value(node.input[1]).ndim
        if node.op_type == "Conv":
            return 0
        if node.op_type == "ConvTranspose":
            return 1
        if node.op_type == "Gemm":
            transposed = attribute_of(node, "transB")
            return 0 if transposed is not None and transposed.i else 1
        return rank - 1 if rank == 2 or (rank > 2 and not self.recipe.quantize_outputs) else None

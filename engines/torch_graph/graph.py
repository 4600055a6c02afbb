"""An ONNX graph as a PyTorch module, evaluated node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch

from seatrial.engines.torch_graph import (  # noqa: F401  (their operators register themselves)
    activation,
    constant,
    convolution,
    elementwise,
    indexing,
    layout,
    matmul,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
)
from seatrial.engines.torch_graph.fusing import fused
from seatrial.engines.torch_graph.node import OPERATORS, Node, Tensor
from seatrial.engines.torch_graph.reading import (
    DOMAINS,
    element_types,
    initializers,
    needed,
    opset_of,
    prepared,
    types_by_schema,
)
from seatrial.engines.torch_graph.step import Observer, Step, with_last_use
from seatrial.engines.torch_graph.types import FLOATS, HELD_AS_FLOAT, NATIVE, Floats, type_name
from seatrial.errors import BadInputError, UnsupportedError

# ONNX Runtime's quantizer writes these into its own domain for types that ONNX took up later; they mean the same.
_MICROSOFT = ("QuantizeLinear", "DequantizeLinear")
_MICROSOFT_OPSET = 21


class TorchGraph(torch.nn.Module):  # type: ignore[misc]  # PyTorch is optional
    """Computes one output of an ONNX graph, differentiably with respect to its inputs.

    Float constants are buffers and take no gradient; `.to(...)` moves them, `.double()` makes the whole graph compute
    in float64, whatever float types it names. Shapes and other integers stay on the CPU, exact. What depends on
    constants alone is computed once, when the graph is built.

    Small integers (at most 16 bits) and 8-bit floats are held as floats of the same value, images included: such an
    input may be given as integers or as floats. QuantizeLinear's rounding is a straight-through estimator (Bengio et
    al. 2013): its gradient is 1 / scale inside the representable range and 0 outside.

    Raises UnsupportedError for a node that it cannot compute exactly as the ONNX operator specification says, and
    BadInputError for a graph that is none.
    """

    input_names: tuple[str, ...]

    def __init__(self, model: onnx.ModelProto | bytes, output_name: str | None = None) -> None:
        """model: the ONNX model, or its bytes. output_name: any value of the graph; its first output if None."""
        super().__init__()
        model = prepared(model)
        graph = model.graph
        if output_name is None:
            if not graph.output:
                raise BadInputError("The graph has no output.")
            output_name = graph.output[0].name
        self.output_name = output_name
        self._floats = Floats()
        self._types = element_types(model)
        constants = initializers(graph)
        inputs = [value.name for value in graph.input if value.name not in constants]
        for name in inputs:
            self._check_type(name, "input")
        self.input_names = tuple(inputs)
        nodes = needed(graph, output_name)
        steps = self._steps(nodes, opset_of(model), constants)
        self._plan = with_last_use(steps, output_name)
        # Where nobody looks at single nodes.
        self._short = with_last_use(fused(steps, constants, self._types, output_name), output_name)
        self._keep(constants)

    def placed(self, device: torch.device) -> TorchGraph:
        """On the device, weights in the order of values that its convolutions read without copies to and fro.

        `to(memory_format=...)` would ask that order of tensors of five axes, too, which have none of its name.
        """
        self.to(device=device)
        for weight in self.buffers():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        return self

    def forward(self, *inputs: Tensor) -> Tensor:
        """The output for the graph's inputs in order: for a classifier, one tensor [N, ...] -> logits [N, classes].

        Raises ValueError for another number of inputs or another dtype, RuntimeError with the node's name where
        shapes do not fit.
        """
        return self._run(inputs, self._short)[self.output_name]

    def values(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Every float value that nodes compute, by name, in the order of computation.

        Of values that depend on constants alone, those that a computed node takes are among them, first. All are in
        memory at once.
        """
        values = self._run(inputs, self._plan, keep=True)
        return {
            name: value
            for name, value in values.items()
            if name in self._computed and value.is_floating_point() and self._types.get(name) not in HELD_AS_FLOAT
        }

    def observe(self, observer: Observer, *inputs: Tensor) -> Tensor:
        """Like `forward`, and calls observer(step, inputs, outputs) after every node."""
        return self._run(inputs, self._plan, observer=observer)[self.output_name]

    def _run(
        self, inputs: Sequence[Tensor], plan: Sequence[Step], keep: bool = False, observer: Observer | None = None
    ) -> dict[str, Tensor]:
        if len(inputs) != len(self.input_names):
            raise ValueError(f"the graph takes {len(self.input_names)} inputs, got {len(inputs)}")
        values: dict[str, Any] = {name: self._buffers[key] for name, key in self._keys.items()}
        values.update(self._integers)
        values.update((name, self._taken(name, x)) for name, x in zip(self.input_names, inputs, strict=True))
        several_devices = self._working.device.type != "cpu"
        for step in plan:
            arguments = [values[name] if name else None for name in step.inputs]
            if several_devices:
                _bring_together(arguments, step.host)
            results = _results(step, arguments)
            if observer is not None:
                observer(step, arguments, results)
            values.update(zip(step.outputs, results, strict=False))  # optional outputs may be left out
            if not keep:
                for name in step.last:
                    values.pop(name, None)  # an optional output may never have been there
        return values

    def _taken(self, name: str, x: Tensor) -> Tensor:
        kind = self._types[name]
        if kind in HELD_AS_FLOAT:
            return x.to(self._floats.working)
        expected = self._floats.of(kind) if kind in FLOATS else NATIVE[kind]
        if x.dtype != expected:
            raise ValueError(f"input {name!r} is {expected}, got {x.dtype}")
        return x

    def _steps(self, nodes: Sequence[onnx.NodeProto], opset: int, constants: dict[str, Tensor]) -> list[Step]:
        """Computes what depends on constants alone into `constants`, and returns the other nodes, ready to run."""
        known = {*constants, *self.input_names}
        steps = []
        self._wanted = {name for proto in nodes for name in proto.input} | {self.output_name}
        self._computed = {name for proto in nodes for name in proto.output if name}
        for proto in nodes:
            step = self._step(proto, opset, constants, known)
            known.update(step.outputs)
            if all(not name or name in constants for name in step.inputs):
                with torch.no_grad():
                    results = _results(step, [constants.get(name) for name in step.inputs])
                constants.update(zip(step.outputs, results, strict=False))
            else:
                steps.append(step)
        if self.output_name not in known:
            raise BadInputError(f"The graph has no value {self.output_name!r}.")
        return steps

    def _step(self, proto: onnx.NodeProto, opset: int, constants: dict[str, Tensor], known: set[str]) -> Step:
        microsoft = proto.domain == "com.microsoft" and proto.op_type in _MICROSOFT
        opset = _MICROSOFT_OPSET if microsoft else opset
        node = Node(proto, opset, self._floats, constants, self._types, self._wanted)
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise BadInputError(f"Node {node.name!r} takes {missing[0]!r}, which no node before it gives.")
        if node.op not in OPERATORS or not (proto.domain in DOMAINS or microsoft):
            raise node.unsupported(f"operator {proto.domain or 'ai.onnx'}::{node.op} is not supported")
        if not onnx.defs.has(node.op, opset, ""):
            raise node.unsupported("the model's opset does not have this operator")
        operator = OPERATORS[node.op]
        for name, kind in types_by_schema(proto, opset, self._types).items():
            self._types.setdefault(name, kind)
        for name in node.outputs:
            self._check_type(name, f"{node.op} node {node.name!r}")
        if not operator.held and node.holds_as_float([*node.inputs, *node.outputs]):
            raise node.unsupported("arithmetic in integers of at most 16 bits or in 8-bit floats is not supported")
        compute = operator.build(node)
        node.check()
        return Step(
            node.name,
            node.op,
            tuple(proto.input),
            tuple(proto.output),
            compute,
            operator.host,
            node.attributes,
            last=(),
        )

    def _check_type(self, name: str, where: str) -> None:
        kind = self._types.get(name)
        if kind is None:
            raise BadInputError(f"The element type of {name!r} ({where}) is not known.")
        if kind not in NATIVE and kind not in HELD_AS_FLOAT:
            raise UnsupportedError(f"The PyTorch engine cannot hold {type_name(kind)}: {name!r} ({where}).")

    def _keep(self, constants: dict[str, Tensor]) -> None:
        """Floats that are still needed become buffers, the rest of what is needed stays on the CPU."""
        used = {name for step in self._plan for name in step.inputs} | {self.output_name}
        self._keys: dict[str, str] = {}
        self._integers: dict[str, Tensor] = {}
        for name, value in constants.items():
            if name in used and value.is_floating_point():
                self._keys[name] = f"constant_{len(self._keys)}"
                self.register_buffer(self._keys[name], value)
            elif name in used:
                self._integers[name] = value
        self.register_buffer("_working", torch.zeros(()), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TorchGraph:
        super()._apply(fn, recurse)  # .to(), .double(), .cuda(), ... all come through here
        self._floats.working = self._working.dtype
        return self


def _results(step: Step, arguments: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    try:
        results = step.compute(*arguments)
    except Exception as error:
        raise RuntimeError(f"{step.op} node {step.name!r}: {error}") from error
    return results if isinstance(results, tuple) else (results,)


def _bring_together(arguments: list[Tensor | None], host: tuple[int, ...]) -> None:
    """Moves tensors that were computed from shapes, on the CPU, to the device of the others."""
    tensors = [value for place, value in enumerate(arguments) if value is not None and place not in host]
    device = next((value.device for value in tensors if value.device.type != "cpu"), None)
    if device is None:
        return
    for place, value in enumerate(arguments):
        if value is not None and place not in host:
            arguments[place] = value.to(device)

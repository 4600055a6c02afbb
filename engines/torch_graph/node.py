"""One ONNX node as an operator sees it while the graph is built, and the registry of operators."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeAlias

import onnx
import torch

from seatrial.engines.torch_graph.types import HELD_AS_FLOAT, Floats
from seatrial.errors import UnsupportedError
from seatrial.registry import Registry

# Computes a node: its input tensors, None where an optional one is left out -> its output, or a tuple of them.
Compute: TypeAlias = Callable[..., Any]
Tensor: TypeAlias = torch.Tensor


class Operator:
    """How a node is made to compute.

    build: called once for a node; checks all that can be checked before anything runs, and returns the function that
    computes it. host: positions of the inputs that are read as numbers on the CPU, such as shapes and axes.
    held: True where the function is exact for small integers that are held as floats.
    """

    def __init__(self, build: Callable[[Node], Compute], host: tuple[int, ...], held: bool) -> None:
        self.build = build
        self.host = host
        self.held = held


OPERATORS: Registry[Operator] = Registry("ONNX operator")


def op(
    *names: str, host: tuple[int, ...] = (), held: bool = False
) -> Callable[[Callable[[Node], Compute]], Callable[[Node], Compute]]:
    """Decorator that files a build function under ONNX operator names; see `Operator` for host and held."""

    def add(build: Callable[[Node], Compute]) -> Callable[[Node], Compute]:
        for name in names:
            OPERATORS.register(name)(Operator(build, host, held))
        return build

    return add


class Node:
    """A node's attributes and what is known of its inputs. Reading an attribute marks it as understood.

    opset: the version of the operator set that the model imports. floats: the types in which the graph computes.
    outputs: those that the graph goes on to use.
    """

    def __init__(
        self,
        proto: onnx.NodeProto,
        opset: int,
        floats: Floats,
        constants: Mapping[str, Tensor],
        types: Mapping[str, int],
        wanted: Container[str],
    ) -> None:
        self.op = proto.op_type
        self.name = proto.name or next(iter(proto.output), "")
        self.opset = opset
        self.floats = floats
        self.inputs = list(proto.input)
        self.outputs = [name for name in proto.output if name in wanted]
        self.output_count = len(proto.output)
        self._first_output = next(iter(proto.output), "")
        self._constants = constants
        self._types = types
        self.attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.attribute}
        self._read: set[str] = set()

    def unsupported(self, reason: str) -> UnsupportedError:
        """The error that names this node; raise it."""
        return UnsupportedError(
            f"The PyTorch engine cannot compute the {self.op} node {self.name!r} (opset {self.opset}): {reason}."
        )

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, or the default where the node does not carry it. Strings come as str."""
        self._read.add(name)
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def require(self, name: str, default: Any, *allowed: Any) -> Any:
        """Like `attribute`, but UnsupportedError for a value other than the default and the further allowed ones."""
        value = self.attribute(name, default)
        if value not in (default, *allowed):
            raise self.unsupported(f"{name}={value!r} is not supported")
        return value

    def check(self) -> None:
        """UnsupportedError for an attribute that nobody read, or more outputs than are computed."""
        unread = sorted(set(self.attributes) - self._read)
        if unread:
            raise self.unsupported(f"attribute {unread[0]!r} is not supported")

    def only_first_output(self) -> None:
        """UnsupportedError where another output than the first is wanted."""
        for name in self.outputs:
            if name != self._first_output:
                raise self.unsupported(f"its optional output {name!r} is not supported")

    def given(self, position: int) -> bool:
        """True where that input is there."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def type_of(self, position: int) -> int | None:
        """ONNX element type of an input; None where it is not there or not known."""
        return self._types.get(self.inputs[position]) if self.given(position) else None

    def output_type(self) -> int:
        """ONNX element type of the first output."""
        return self._types[self._first_output]

    def constant(self, position: int) -> Tensor | None:
        """The value of an input, where it is known before anything runs."""
        return self._constants.get(self.inputs[position]) if self.given(position) else None

    def numbers(self, position: int) -> Callable[[Tensor | None], list[Any] | None]:
        """How to read a host input: the constant's numbers, else those of the tensor passed; None where not given."""
        known = self.constant(position)
        if known is not None:
            fixed = known.reshape(-1).tolist()
            return lambda _: fixed
        return lambda value: None if value is None else value.reshape(-1).tolist()

    def attribute_or_numbers(self, name: str, position: int, before: int) -> Callable[[Tensor | None], Any]:
        """Reads what was the attribute `name` in opsets below `before`, and is an input since."""
        if self.opset < before:
            fixed = self.attribute(name)
            return lambda _: fixed
        return self.numbers(position)

    def holds_as_float(self, names: Sequence[str]) -> bool:
        """True where one of these values is a small integer or an 8-bit float, held as float."""
        return any(self._types.get(name) in HELD_AS_FLOAT for name in names)

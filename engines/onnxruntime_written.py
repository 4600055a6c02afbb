"""What a graph multiplies as the file has it, before ONNX Runtime rewrites it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from seatrial.engines.graph import nodes_of
from seatrial.engines.onnxruntime_profile import Execution


class Written:
    """The calls of one inference without any optimisation, and the graph that made them.

    macs: of the whole inference; what depends on constants alone does not count, nor what is not known.
    """

    def __init__(self, executed: Sequence[Execution], graph: onnx.GraphProto) -> None:
        """graph: as in the file, its nodes named as those of the calls."""
        self.calls = executed
        self._operators = {(call.domain, call.op) for call in executed}
        per_batch = [call for call in executed if not call.constant]
        self.macs = sum(call.macs for call in per_batch)
        self._macs = {call.name: call.macs for call in per_batch}
        self._constant = {call.name for call in executed if call.constant}
        self._makers = {name: node for node in nodes_of(graph) for name in node.output if name}
        self._found: dict[int, int | None] = {}

    def has(self, call: Execution) -> bool:
        """Whether an operator of that name stands in the file: it is no fusion then."""
        return (call.domain, call.op) in self._operators

    def convolution(self, value: str) -> int | None:
        """Of one call of the node that computes a value, or whose result it is behind what was fused into it, such as
        an activation; None where none is found.
        """
        passed: list[int] = []
        node, found = self._makers.get(value), None
        while node is not None:
            found = self._macs.get(node.name) or self._found.get(id(node))
            if found or id(node) in self._found:
                break
            self._found[id(node)] = None  # so that a circle ends
            passed.append(id(node))
            sources = [self._makers[name] for name in node.input if name in self._makers]
            sources = [source for source in sources if source.name not in self._constant]
            node = sources[0] if len(sources) == 1 else None
        self._found |= dict.fromkeys(passed, found)
        return found

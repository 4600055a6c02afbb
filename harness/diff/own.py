"""What each layer adds by itself: the original operator on the very operands that the engine's layer read.

A layer behind a bad one has bad inputs, and its output is as bad; that says nothing of it. So every operator of the
original graph runs once more, in float, on the values that the engine under test computed before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from seatrial.calib.observe import session_for
from seatrial.errors import SeatrialError
from seatrial.exporters.graphs import constants_of
from seatrial.harness.diff.points import Layer, Point

_PREFIX = "engine:"
_FLOATS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16}
Values = Mapping[str, npt.NDArray[Any]]


class OwnOutputs:
    """The original graph cut before every layer: each takes what operands the engine shows from there."""

    def __init__(
        self,
        original: onnx.ModelProto,
        layers: list[Layer],
        points: Mapping[str, Point],
        side: onnx.GraphProto,
        input_name: str,
        shown: Values,
    ) -> None:
        """points, side: of the engine's file. shown: values of a first batch, by name in that file.

        Raises BuildError or UnsupportedError where ONNX Runtime does not run the cut graph.
        """
        self._input = input_name
        self._fed: dict[str, np.dtype[Any]] = {}
        cut = onnx.ModelProto()
        cut.CopyFrom(original)
        operands = _Operands(points, side, shown)
        types = _types(original)
        taken = {name for node in cut.graph.node for name in (*node.input, *node.output)}
        prefix = _PREFIX
        while any(name.startswith(prefix) for name in taken):
            prefix += ":"
        self._prefix = prefix
        dynamic = {layer.value: layer for layer in layers}
        for node in cut.graph.node:
            layer = next((dynamic[name] for name in node.output if name in dynamic), None)
            if layer is None:
                continue
            for position, name in enumerate(layer.inputs):
                operand = operands.of(layer, position) if name in dynamic or name == input_name else None
                kind = types.get(name, np.dtype(np.float32))
                if operand is None or kind not in _FLOATS:
                    continue
                node.input[position] = f"{prefix}{operand}"
                self._fed[operand] = kind
        for operand, kind in self._fed.items():
            cut.graph.input.append(helper.make_tensor_value_info(f"{prefix}{operand}", _FLOATS[kind], None))
        self.names = [layer.value for layer in layers if layer.value in points]
        del cut.graph.output[:]
        cut.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.names)
        self._session = session_for(cut)

    def of(self, batch: npt.NDArray[Any], shown: Values) -> dict[str, npt.NDArray[Any]]:
        """Value -> what its operator makes of the engine's operands; `batch` is what the graph takes."""
        feeds = {f"{self._prefix}{name}": np.asarray(shown[name]).astype(kind) for name, kind in self._fed.items()}
        taken = {port.name for port in self._session.get_inputs()}
        feeds = {name: value for name, value in {**feeds, self._input: batch}.items() if name in taken}
        try:
            values = self._session.run(self.names, feeds)
        except Exception as error:  # pybind's exceptions share no base but Exception
            raise SeatrialError(f"the cut graph does not run: {error}") from error
        return dict(zip(self.names, values, strict=True))


class _Operands:
    """Which of the engine's values a layer reads at a position."""

    def __init__(self, points: Mapping[str, Point], side: onnx.GraphProto, shown: Values) -> None:
        self._points, self._shown = points, shown
        self._producers = {name: node for node in side.node for name in node.output if name}
        self._constants = constants_of(side)

    def of(self, layer: Layer, position: int) -> str | None:
        point = self._points.get(layer.value)
        node = None if point is None else self._producers.get(point.computed or "")
        if node is not None and node.op_type == layer.op and len(node.input) == len(layer.inputs):
            name = node.input[position]
            if name in self._shown and name not in self._constants:
                return name
        partner = self._points.get(layer.inputs[position])
        return partner.shown if partner is not None and partner.shown in self._shown else None


def _types(model: onnx.ModelProto) -> dict[str, np.dtype[Any]]:
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # of operators that onnx does not know: float32 is assumed
        graph = model.graph
    return {
        value.name: np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.elem_type
    }

"""What OpenVINO's operators, and the kernels of its CPU plugin, multiply; over the whole batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.engines.work import formulas


class DynamicShapeError(Exception):
    """Some extent is known only when the model runs."""


def imported_macs(op: Any) -> int:
    """Of an operator of an imported model; 0 for one that multiplies nothing, DynamicShapeError where nothing tells how
    much.
    """
    count = _IMPORTED.get(op.get_type_name())
    return 0 if count is None else count(op)


def executed_macs(op: Any, kind: str) -> int:
    """Of a kernel of a runtime model by its shapes; 0 where the kind does not tell, DynamicShapeError where the shapes
    do not. kind: its `layerType`.
    """
    count = _EXECUTED.get(kind)
    return 0 if count is None else count(op)


def _convolution(op: Any) -> int:
    # Grouped weights have the groups as an axis of their own in front: [G, M / G, C / G, ...].
    weight = _shape(op.input(1))
    return formulas.convolution(_shape(op.output(0)), weight[len(weight) - len(_shape(op.input(0))) :])


def _transposed_convolution(op: Any) -> int:
    # [C, M / G, ...], or [G, C / G, M / G, ...].
    image, weight = _shape(op.input(0)), _shape(op.input(1))
    return formulas.transposed_convolution(image, weight[len(weight) - len(image) :])


def _imported_product(op: Any) -> int:
    left = _shape(op.input(0))
    transposed = len(left) > 1 and op.get_attributes()["transpose_a"]
    return formulas.matrix_product(_shape(op.output(0)), left[-2] if transposed else left[-1])


def _executed_product(op: Any) -> int:
    left, result = _shape(op.input(0)), _shape(op.output(0))
    # A transposition of the left side may be part of the kernel: the inner axis is the one that is no row.
    transposed = len(left) > 1 and len(result) > 1 and left[-2] != result[-2]
    return formulas.matrix_product(result, left[-2] if transposed else left[-1])


def _fully_connected(op: Any) -> int:
    return formulas.matrix_product(_shape(op.output(0)), _shape(op.input(1))[-1])


def _einsum(op: Any) -> int:
    equation: str = op.get_attributes()["equation"]
    return formulas.einsum(equation, [_shape(port) for port in op.inputs()])


def _attention(op: Any) -> int:
    # Q, K, V as [N, heads, length, size].
    keys = _shape(op.input(1))[-2]
    return formulas.attention(math.prod(_shape(op.input(0))), math.prod(_shape(op.output(0))), keys)


def _recurrent(weight: int) -> Callable[[Any], int]:
    """Of sequences [N, steps, values] or single steps [N, values]; the recurrence's weights follow at weight + 1."""

    def count(op: Any) -> int:
        source, first = _shape(op.input(0)), _shape(op.input(weight))
        # Weights of a sequence have the directions in front.
        rows = source[:2] if len(first) == 3 else (1, source[0])
        return formulas.recurrent(rows, first, _shape(op.input(weight + 1)))

    return count


def _loop(op: Any) -> int:
    once, times = _body(op.get_function()), op.get_num_iterations()
    if once and times < 0:
        raise DynamicShapeError(op.get_friendly_name())
    return int(times) * once


def _branches(op: Any) -> int:
    return max(_body(op.get_function(index)) for index in (0, 1))


def _body(model: Any) -> int:
    return sum(imported_macs(op) for op in model.get_ordered_ops())


def _shape(port: Any) -> Sequence[int]:
    if port.get_partial_shape().is_dynamic:
        raise DynamicShapeError(port.get_node().get_friendly_name())
    return list(port.get_shape())


_IMPORTED: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(("Convolution", "GroupConvolution", "BinaryConvolution"), _convolution),
    **dict.fromkeys(("ConvolutionBackpropData", "GroupConvolutionBackpropData"), _transposed_convolution),
    "DeformableConvolution": lambda op: formulas.convolution(_shape(op.output(0)), _shape(op.input(2))),
    "MatMul": _imported_product,
    "Einsum": _einsum,
    "ScaledDotProductAttention": _attention,
    "LSTMSequence": _recurrent(4),
    **dict.fromkeys(("GRUSequence", "RNNSequence"), _recurrent(3)),
    "LSTMCell": _recurrent(3),
    **dict.fromkeys(("GRUCell", "RNNCell"), _recurrent(2)),
    **dict.fromkeys(("TensorIterator", "Loop"), _loop),
    "If": _branches,
}
_EXECUTED: dict[str, Callable[[Any], int]] = {
    "Convolution": _convolution,
    "Deconvolution": _transposed_convolution,
    "FullyConnected": _fully_connected,
    "MatMul": _executed_product,
}

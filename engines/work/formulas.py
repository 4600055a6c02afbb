"""Multiply-accumulates by the definition of an operation; over the whole batch, every axis counted.

What pads counts as what it pads: a convolution at the border multiplies zeros. What an activation, a mask or a scale
multiplies does not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = Sequence[int]
Label = str | int


def convolution(output: Shape, weight: Shape) -> int:
    """output: any layout. weight: [M, C / groups, k...]: so many for every value of the output."""
    return math.prod(output) * math.prod(weight[1:])


def transposed_convolution(image: Shape, weight: Shape) -> int:
    """image: any layout. weight: [C, M / groups, k...]: every value of the image meets those of its channel."""
    return math.prod(image) * math.prod(weight[1:])


def matrix_product(output: Shape, inner: int) -> int:
    """output: [..., rows, columns]. inner: terms of a sum."""
    return math.prod(output) * inner


def recurrent(sequence: Shape, weight: Shape, recurrence: Shape) -> int:
    """sequence: [steps, N, values] or [N, steps, values]. weight, recurrence: of all gates and directions, one
    product with each in every step.
    """
    return math.prod(sequence[:2]) * (math.prod(weight) + math.prod(recurrence))


def attention(query: int, output: int, keys: int) -> int:
    """The products Q K' and P V. query, output: values of Q and of the result, all heads; keys: those a query meets,
    masked ones among them.
    """
    return (query + output) * keys


def einsum(equation: str, shapes: Sequence[Shape]) -> int:
    """Operands are multiplied from left to right, two at a time, as ONNX Runtime and PyTorch do it. A step takes one
    for every combination of the indices of its two operands; an index that one of them alone has, and nothing behind
    it, is summed before. A single operand takes none.
    """
    operands, result = _labelled(equation, shapes)
    work, done = 0, operands[0]
    for position, operand in enumerate(operands[1:], 2):
        later = result.union(*operands[position:])
        left = {label: extent for label, extent in done.items() if label in later or label in operand}
        right = {label: extent for label, extent in operand.items() if label in later or label in done}
        both = {label: max(left.get(label, 1), right.get(label, 1)) for label in (*left, *right)}
        work += math.prod(both.values())
        done = {label: extent for label, extent in both.items() if label in later}
    return work


def _labelled(equation: str, shapes: Sequence[Shape]) -> tuple[list[dict[Label, int]], set[Label]]:
    """Index -> extent of each operand, and the result's indices. Axes of an ellipsis are numbered from the last."""
    terms, arrow, result = equation.replace(" ", "").partition("->")
    operands = [_extents(term, shape) for term, shape in zip(terms.split(","), shapes, strict=True)]
    if arrow:
        kept: set[Label] = set(result.replace("...", ""))
    else:
        letters = terms.replace("...", "").replace(",", "")
        kept = {letter for letter in letters if letters.count(letter) == 1}
    if "..." in result or not arrow:
        kept |= {label for operand in operands for label in operand if isinstance(label, int)}
    return operands, kept


def _extents(term: str, shape: Shape) -> dict[Label, int]:
    left, dots, right = term.partition("...")
    named: list[tuple[Label, int]] = [*zip(left, shape, strict=False)]
    named += zip(reversed(right), reversed(shape), strict=False)
    if dots:
        named += enumerate(reversed(shape[len(left) : len(shape) - len(right)]))
    found: dict[Label, int] = {}
    for label, extent in named:  # a diagonal has an index twice
        found[label] = max(found.get(label, 1), extent)
    return found

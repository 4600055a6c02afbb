"""Matrix products."""

from __future__ import annotations

import torch

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op


@op("MatMul")
def matmul(node: Node) -> Compute:
    """The product of NumPy's matmul."""
    return lambda a, b: torch.matmul(a, b)


@op("Gemm")
def gemm(node: Node) -> Compute:
    """alpha A B + beta C, with A or B transposed on request."""
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    transpose_a, transpose_b = node.attribute("transA", 0), node.attribute("transB", 0)

    def compute(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a = a.t() if transpose_a else a
        b = b.t() if transpose_b else b
        if c is not None:
            return torch.addmm(c, a, b, beta=beta, alpha=alpha)
        product = torch.mm(a, b)
        return product if alpha == 1.0 else alpha * product

    return compute


@op("Einsum")
def einsum(node: Node) -> Compute:
    """Einstein's summation in NumPy's notation."""
    equation = node.attribute("equation").replace(" ", "")
    return lambda *values: torch.einsum(equation, *values)

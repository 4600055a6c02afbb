"""Activation functions, and softmax in both of its meanings."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op

_PLAIN: dict[str, Compute] = {
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
}
_SOFTMAX = {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax}


@op("Relu", held=True)
def relu(node: Node) -> Compute:
    """max(x, 0)."""
    return lambda x: torch.relu(x)


@op(*_PLAIN)
def plain(node: Node) -> Compute:
    """Activations without parameters."""
    return _PLAIN[node.op]


@op("LeakyRelu")
def leaky_relu(node: Node) -> Compute:
    """x, or alpha x below zero."""
    return functools.partial(F.leaky_relu, negative_slope=node.attribute("alpha", 0.01))


@op("ThresholdedRelu")
def thresholded_relu(node: Node) -> Compute:
    """x above alpha, 0 elsewhere."""
    alpha = node.attribute("alpha", 1.0)
    return lambda x: torch.where(x > alpha, x, 0.0)


@op("PRelu")
def prelu(node: Node) -> Compute:
    """x, or slope x below zero; the slope is broadcast to x."""
    return lambda x, slope: torch.where(x < 0, slope * x, x)


@op("Elu")
def elu(node: Node) -> Compute:
    """x, or alpha (exp(x) - 1) below zero."""
    return functools.partial(F.elu, alpha=node.attribute("alpha", 1.0))


@op("Selu")
def selu(node: Node) -> Compute:
    """gamma times Elu; the defaults are those of the ONNX specification (Klambauer et al. 2017)."""
    alpha = node.attribute("alpha", 1.67326319217681884765625)
    gamma = node.attribute("gamma", 1.05070102214813232421875)
    return lambda x: gamma * F.elu(x, alpha)


@op("Celu")
def celu(node: Node) -> Compute:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    return functools.partial(F.celu, alpha=node.attribute("alpha", 1.0))


@op("HardSigmoid")
def hard_sigmoid(node: Node) -> Compute:
    """alpha x + beta, limited to 0..1."""
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    return lambda x: torch.clamp(alpha * x + beta, 0.0, 1.0)


@op("Gelu")
def gelu(node: Node) -> Compute:
    """x times the normal distribution function, or its approximation by tanh (Hendrycks and Gimpel 2016)."""
    return functools.partial(F.gelu, approximate=node.require("approximate", "none", "tanh"))


@op("Swish")
def swish(node: Node) -> Compute:
    """x sigmoid(alpha x)."""
    alpha = node.attribute("alpha", 1.0)
    return lambda x: x * torch.sigmoid(alpha * x)


@op(*_SOFTMAX)
def softmax(node: Node) -> Compute:
    """Softmax or its logarithm: along `axis`; before opset 13 over all axes from `axis` on, flattened together."""
    function: Any = _SOFTMAX[node.op]
    if node.opset >= 13:
        return functools.partial(function, dim=node.attribute("axis", -1))
    axis = node.attribute("axis", 1)

    def compute(x: Tensor) -> Tensor:
        at = axis % x.ndim if axis < 0 else axis
        return function(x.flatten(at) if at < x.ndim else x[..., None], dim=-1).reshape(x.shape)

    return compute

"""Normalisation layers, as in inference."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op


@op("BatchNormalization")
def batch_normalization(node: Node) -> Compute:
    """scale (x - mean) / sqrt(variance + epsilon) + bias per channel, with the stored statistics."""
    node.only_first_output()
    node.require("training_mode", 0)
    node.require("spatial", 1)
    node.attribute("momentum")  # of training
    epsilon = node.attribute("epsilon", 1e-5)
    return lambda x, scale, bias, mean, variance: torch.batch_norm(
        x, scale, bias, mean, variance, False, 0.0, epsilon, False
    )


@op("InstanceNormalization")
def instance_normalization(node: Node) -> Compute:
    """Every channel of every image by its own mean and variance."""
    epsilon = node.attribute("epsilon", 1e-5)
    return lambda x, scale, bias: torch.group_norm(x, x.shape[1], scale, bias, epsilon)


@op("GroupNormalization")
def group_normalization(node: Node) -> Compute:
    """Groups of channels by their mean and variance; scale and bias per group before opset 21, per channel since."""
    groups, epsilon = node.attribute("num_groups"), node.attribute("epsilon", 1e-5)
    node.require("stash_type", 1)
    per_group = node.opset < 21

    def compute(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        if per_group:
            scale, bias = (value.repeat_interleave(x.shape[1] // groups) for value in (scale, bias))
        return torch.group_norm(x, groups, scale, bias, epsilon)

    return compute


@op("LayerNormalization")
def layer_normalization(node: Node) -> Compute:
    """All axes from `axis` on, together, by their mean and variance."""
    node.only_first_output()
    node.require("stash_type", 1)
    axis, epsilon = node.attribute("axis", -1), node.attribute("epsilon", 1e-5)

    def compute(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
        shape = x.shape[axis:]
        if scale.shape == shape and (bias is None or bias.shape == shape):
            return F.layer_norm(x, shape, scale, bias, epsilon)
        result = F.layer_norm(x, shape, None, None, epsilon) * scale
        return result if bias is None else result + bias

    return compute


@op("LRN")
def local_response_normalization(node: Node) -> Compute:
    """x / (bias + alpha / size * sum of squares of `size` neighbouring channels) ^ beta (Krizhevsky et al. 2012).

    PyTorch's own function centres windows of even size otherwise.
    """
    size, bias = node.attribute("size"), node.attribute("bias", 1.0)
    alpha, beta = node.attribute("alpha", 1e-4), node.attribute("beta", 0.75)
    before, after = (size - 1) // 2, size // 2

    def compute(x: Tensor) -> Tensor:
        squares = F.pad(x.square(), [0, 0] * (x.ndim - 2) + [before, after])
        return x / (bias + alpha / size * squares.unfold(1, size, 1).sum(-1)) ** beta

    return compute


@op("LpNormalization")
def lp_normalization(node: Node) -> Compute:
    """x over its norm along an axis; 0 where the norm is 0."""
    axis, p = node.attribute("axis", -1), node.require("p", 2, 1)

    def compute(x: Tensor) -> Tensor:
        norm = x.norm(p, dim=axis, keepdim=True)
        return x / torch.where(norm == 0, torch.ones_like(norm), norm)

    return compute

"""A classifier with one attention over 256 tokens: flat, as untrained or averaging heads are, or sharp."""

from __future__ import annotations

import numpy as np
from small_graphs import SIZE, Net

TOKENS = SIZE * SIZE


def attention(path, *, sharpness=0.05, seed=0):
    """sharpness: of the queries and keys; at 0.05 every token attends to all others alike, within a few percent."""
    net = Net(seed)
    tokens = net.op("Reshape", net.conv("input", 3, 16, name="stem"), net.constant(np.array([-1, 16, TOKENS])))
    tokens = net.op("Transpose", tokens, perm=[0, 2, 1])

    def projected(name, scale):
        weight = (net.rng.standard_normal((16, 16)) * scale).astype(np.float32)
        return net.op("MatMul", tokens, net.constant(weight), name=name)

    keys = net.op("Transpose", projected("key", sharpness), perm=[0, 2, 1])
    scores = net.op("MatMul", projected("query", sharpness), keys, name="query_key")
    weights = net.op("Softmax", scores, name="attend", out="attention", axis=-1)
    mixed = net.op("Relu", net.op("MatMul", weights, projected("value", 1.0), name="mix"))
    pooled = net.op("ReduceMean", mixed, net.constant(np.array([1])), name="pool", keepdims=0)
    bias = net.constant(np.zeros(4, np.float32))
    net.op("Gemm", pooled, net.weight(4, 16), bias, name="fc", out="logits", transB=1)
    return net.save(path)

"""Fake quantization in one step: the same values and gradients as node by node, and only where it is the same."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

from seatrial.engines.torch_graph import TorchGraph  # noqa: E402  (needs PyTorch)

SCALE = 0.3  # no power of two: quotients are rounded


def graph_of(*nodes, kind="uint8", zero=0, outputs=("y",), **constants):
    """x -> y through nodes (op, inputs, output). constants: further ones, by name."""
    values = {
        "scale": np.array(SCALE, np.float32),
        "zero": np.array(zero, kind),
        "other": np.array(2 * SCALE, np.float32),
        **constants,
    }
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], name=f"{op}_{output}") for op, inputs, output in nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return TorchGraph(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10))


RELU = ("Relu", ["x"], "r")
Q, DQ = ("QuantizeLinear", ["x", "scale", "zero"], "q"), ("DequantizeLinear", ["q", "scale", "zero"], "y")


def number(value, kind="float32"):
    return np.array(value, kind)


def steps_of(value):
    return np.float32(value) * np.float32(SCALE)


FUSED = {
    "plain": graph_of(Q, DQ),
    "zero point": graph_of(Q, DQ, zero=113),
    "signed": graph_of(Q, DQ, kind="int8", zero=-5),
    "16 bits": graph_of(Q, DQ, kind="uint16", zero=40000),
    "relu": graph_of(RELU, ("QuantizeLinear", ["r", "scale", "zero"], "q"), DQ),
    "relu and a zero point": graph_of(
        RELU, ("QuantizeLinear", ["r", "scale", "zero"], "q"), DQ, kind="int8", zero=-128
    ),
    "clipped integers": graph_of(
        Q,
        ("Clip", ["q", "low", "high"], "c"),
        ("DequantizeLinear", ["c", "scale", "zero"], "y"),
        kind="int8",
        low=number(-8, "int8"),
        high=number(7, "int8"),
    ),
    "relu and integers clipped above alone": graph_of(
        RELU,
        ("QuantizeLinear", ["r", "scale", "zero"], "q"),
        ("Clip", ["q", "", "high"], "c"),
        ("DequantizeLinear", ["c", "scale", "zero"], "y"),
        high=number(15, "uint8"),
    ),
    "floats clipped on the grid": graph_of(
        RELU,
        ("QuantizeLinear", ["r", "scale", "zero"], "q"),
        ("DequantizeLinear", ["q", "scale", "zero"], "d"),
        ("Clip", ["d", "low", "high"], "y"),
        low=number(0),
        high=steps_of(15),
    ),
}
APART = {
    "another scale": graph_of(Q, ("DequantizeLinear", ["q", "other", "zero"], "y")),
    "a scale for each channel": graph_of(Q, DQ, scale=np.full(4, SCALE, np.float32)),
    "integers read twice": graph_of(
        Q,
        ("DequantizeLinear", ["q", "scale", "zero"], "a"),
        ("DequantizeLinear", ["q", "scale", "zero"], "b"),
        ("Add", ["a", "b"], "y"),
    ),
}


def points():
    """Around every half of the smallest and largest integers, exactly and a step of float32 aside."""
    edges = []
    for whole in (-128.5, -123.5, -113.5, -8.5, -7.5, -0.5, 0, 0.5, 6.5, 7.5, 14.5, 15.5, 127.5, 132.5, 142.5, 255.5):
        edge = steps_of(whole)
        edges += [np.nextafter(edge, np.float32(-np.inf)), edge, np.nextafter(edge, np.float32(np.inf))]
    random = np.random.default_rng(0).normal(0, 40, 208).astype(np.float32)
    return torch.from_numpy(np.concatenate([np.array(edges, np.float32), random]).reshape(-1, 4))


def through(graph, plan, dtype=torch.float32):
    x = points().to(dtype).requires_grad_()
    y = graph._run([x], plan)[graph.output_name]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    with torch.no_grad():
        alone = graph._run([x.detach()], plan)[graph.output_name]
    assert torch.equal(alone, y.detach())
    return y.detach(), gradient


@pytest.mark.parametrize("name", FUSED)
def test_values_and_gradients_are_those_of_the_nodes(name):
    graph = FUSED[name]
    assert len(graph._short) == 1
    assert len(graph._plan) > 1
    (expected, slope), (found, fused) = through(graph, graph._plan), through(graph, graph._short)
    assert torch.equal(found, expected)
    # scale / scale, one after the other or not at all.
    torch.testing.assert_close(fused, slope, rtol=3e-7, atol=0)
    assert 0 < (fused == 0).float().mean() < 1 or "16 bits" in name


def test_a_graph_in_float64_has_its_own_limits():
    graph = graph_of(Q, DQ)
    through(graph, graph._short)
    graph.double()
    (expected, slope), (found, fused) = (through(graph, plan, torch.float64) for plan in (graph._plan, graph._short))
    assert found.dtype == torch.float64
    assert torch.equal(found, expected)
    torch.testing.assert_close(fused, slope, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", APART)
def test_what_is_not_the_same_stays_apart(name):
    graph = APART[name]
    assert len(graph._short) == len(graph._plan) > 1
    assert torch.equal(through(graph, graph._plan)[0], through(graph, graph._short)[0])


def test_a_relu_that_others_read_stays_and_a_limit_between_two_values_is_clipped_for_itself():
    graph = graph_of(
        RELU,
        ("QuantizeLinear", ["r", "scale", "zero"], "q"),
        ("DequantizeLinear", ["q", "scale", "zero"], "d"),
        ("Clip", ["d", "", "high"], "c"),
        ("Add", ["c", "r"], "y"),
        high=steps_of(14.4),
    )
    assert [step.op for step in graph._short] == ["Relu", "QuantizeLinear", "Clip", "Add"]
    (expected, slope), (found, fused) = through(graph, graph._plan), through(graph, graph._short)
    assert torch.equal(found, expected)
    torch.testing.assert_close(fused, slope, rtol=3e-7, atol=0)


def test_a_value_inside_is_still_shown_by_its_name():
    graph = FUSED["relu"]
    assert list(graph.values(points())) == ["r", "y"]
    named = TorchGraph(
        helper.make_model(
            onnx.helper.make_graph(
                [
                    helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
                    helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
                ],
                "g",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
                [numpy_helper.from_array(np.array(SCALE, np.float32), "s")],
            ),
            opset_imports=[helper.make_opsetid("", 19)],
            ir_version=10,
        ),
        "q",
    )
    assert [step.op for step in named._short] == ["QuantizeLinear"]

"""Float graphs made ready for Q/DQ compute what they did before."""

import numpy as np
import onnx
import pytest
from small_graphs import ALL, Images, Net, build

from seatrial.calib.fold import prepare
from seatrial.calib.observe import session_for


def before_and_after(model):
    proto = onnx.load_model_from_string(model.onnx_bytes)
    prepare(proto.graph)
    onnx.checker.check_model(proto)
    tensor = model.contract.normalise(Images(8).images)
    return [session_for(one).run(None, {"input": tensor})[0] for one in (model.proto, proto)], proto.graph


@pytest.mark.parametrize("name", ALL)
def test_the_scores_stay_the_same(tmp_path, name):
    (before, after), _ = before_and_after(build(name, tmp_path))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
    assert before.std() > 0.01


def test_what_only_carries_is_dropped_and_factors_are_folded(tmp_path):
    net = Net()
    value = net.op("Dropout", net.op("Identity", net.op("Relu", net.conv("input", 3, 8))))
    flat = net.op("Flatten", net.op("GlobalAveragePool", value))
    bias = net.constant(np.array([[1.0, 2.0, 3.0, 4.0]], np.float32))
    net.op("Gemm", flat, net.weight(8, 4), bias, name="fc", out="logits", alpha=0.5, beta=3.0)
    (before, after), graph = before_and_after(net.save(tmp_path / "m.onnx"))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    assert {node.op_type for node in graph.node} == {"Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"}
    (gemm,) = (node for node in graph.node if node.op_type == "Gemm")
    assert [one.f for one in gemm.attribute if one.name in ("alpha", "beta")] == [1.0, 1.0]
    (folded,) = (one for one in graph.initializer if one.name == gemm.input[2])
    assert onnx.numpy_helper.to_array(folded).tolist() == [3, 6, 9, 12]


def test_a_normalization_whose_input_is_read_elsewhere_stays(tmp_path):
    net = Net()
    value = net.conv("input", 3, 8, name="stem")
    ones = [net.constant(np.full(8, number, np.float32)) for number in (1.5, 0.2, 0.1, 0.9)]
    normal = net.op("BatchNormalization", value, *ones, name="bn")
    net.head(net.op("Relu", net.op("Add", value, normal)), 8)
    (before, after), graph = before_and_after(net.save(tmp_path / "m.onnx"))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    assert any(node.op_type == "BatchNormalization" for node in graph.node)


def test_weights_that_two_layers_share_are_folded_for_each_alone(tmp_path):
    net = Net()
    shared = net.weight(3, 3, 1, 1)
    value = "input"
    for index, number in enumerate((2.0, 0.5)):
        value = net.op("Conv", value, shared, name=f"conv{index}")
        ones = [net.constant(np.full(3, one, np.float32)) for one in (number, 0.1, 0.2, 0.7)]
        value = net.op("Relu", net.op("BatchNormalization", value, *ones, name=f"bn{index}"))
    net.head(value, 3)
    (before, after), graph = before_and_after(net.save(tmp_path / "m.onnx"))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    assert not any(node.op_type == "BatchNormalization" for node in graph.node)


def test_nodes_without_names_or_with_one_name_for_two_get_their_own(tmp_path):
    model = build("residual", tmp_path)
    proto = onnx.load_model_from_string(model.onnx_bytes)
    for index, node in enumerate(proto.graph.node):
        node.name = "" if index % 2 else "same"
    prepare(proto.graph)
    names = [node.name for node in proto.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)

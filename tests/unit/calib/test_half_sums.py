"""Sums inside operators that leave float16's range though nothing that goes in or comes out does."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from small_graphs import Images, Net

from seatrial import calib
from seatrial.calib.half import float32_nodes
from seatrial.calib.observe import session_for
from seatrial.calib.warn import kept_float_of

CHANNELS = 8


def constants(net, *values):
    return [net.constant(np.full(CHANNELS, value, np.float32)) for value in values]


def axes(net, *numbers):
    return net.constant(np.array(numbers, np.int64))


def exponents(net, x):
    """Of values up to 16, where the others go up to 1000: exp(16) is 9e6."""
    return net.op("Mul", x, net.constant(np.float32(16 / 1000)))


# Each makes the node "sums" behind a value [N, 8, 16, 16].
FORMS = {
    "ReduceMean": lambda net, x: net.op("ReduceMean", x, axes(net, 2, 3), name="sums"),
    "ReduceMean over all but the batch": lambda net, x: net.op("ReduceMean", x, axes(net, 1, 2, 3), name="sums"),
    "ReduceMean of one axis": lambda net, x: net.op("ReduceMean", net.op("Flatten", x), axes(net, 1), name="sums"),
    "ReduceL1": lambda net, x: net.op("ReduceL1", x, axes(net, -1, -2), name="sums"),
    "ReduceL2": lambda net, x: net.op("ReduceL2", x, axes(net, 2, 3), name="sums"),
    "ReduceSumSquare": lambda net, x: net.op("ReduceSumSquare", x, axes(net, 2, 3), name="sums"),
    "ReduceLogSum": lambda net, x: net.op("ReduceLogSum", net.op("Abs", x), axes(net, 2, 3), name="sums"),
    "ReduceLogSumExp": lambda net, x: net.op("ReduceLogSumExp", exponents(net, x), axes(net, 2, 3), name="sums"),
    "GlobalAveragePool": lambda net, x: net.op("GlobalAveragePool", x, name="sums"),
    "AveragePool": lambda net, x: net.op("AveragePool", x, name="sums", kernel_shape=[16, 16]),
    "GlobalLpPool": lambda net, x: net.op("GlobalLpPool", x, name="sums", p=2),
    "LpPool": lambda net, x: net.op("LpPool", x, name="sums", p=2, kernel_shape=[8, 8]),
    "InstanceNormalization": lambda net, x: net.op("InstanceNormalization", x, *constants(net, 1, 0), name="sums"),
    "GroupNormalization": lambda net, x: net.op(
        "GroupNormalization", x, *constants(net, 1, 0), name="sums", num_groups=2
    ),
    "LayerNormalization": lambda net, x: net.op(
        "LayerNormalization", net.op("Transpose", x, perm=[0, 2, 3, 1]), *constants(net, 1, 0), name="sums"
    ),
    "LpNormalization": lambda net, x: net.op("LpNormalization", x, name="sums", axis=1, p=2),
    "MeanVarianceNormalization": lambda net, x: net.op("MeanVarianceNormalization", x, name="sums", axes=[2, 3]),
    "LRN": lambda net, x: net.op("LRN", x, name="sums", size=5),
}


def network(form, largest, path):
    """Values of up to about `largest` go into the operator, its result is made as much smaller again."""
    net = Net()
    value = net.op("Relu", net.conv("input", 3, CHANNELS, name="stem"))
    value = net.op("Mul", value, net.constant(np.float32(largest / 4)), name="enlarge")
    value = net.op("Mul", FORMS[form](net, value), net.constant(np.float32(1 / largest)), name="reduce")
    top = net.op("ReduceMax", net.op("Flatten", value), axes(net, 1), name="top")
    net.op("MatMul", top, net.weight(1, 4), name="fc", out="logits")
    return net.save(path / "m.onnx", opset=21)


def types(model):
    found = onnx.shape_inference.infer_shapes(model.proto).graph
    return {value.name: value.type.tensor_type.elem_type for value in found.value_info}


@pytest.mark.parametrize("form", FORMS)
def test_an_operator_whose_sums_overflow_stays_float32(form, tmp_path):
    model = network(form, 1000.0, tmp_path)
    with np.errstate(over="ignore"):  # an independent sum: 256 values of 250 and more, in float16
        assert np.isinf(np.full(256, 300, np.float16).sum(dtype=np.float16))
    tensor = model.contract.normalise(Images(4).images)
    for images in (Images(), None):
        made = calib.quantize(model, "fp16", engine="tensorrt-rtx", images=images, options=calib.QuantizeOptions())
        reason = kept_float_of(made)["sums"]
        assert "its sums reach" in reason or "_out: reaches" in reason
        assert ("calibration images" if images else "images of noise") in reason
        assert types(made).get("sums_out", TensorProto.FLOAT) == TensorProto.FLOAT
        assert types(made)["stem_out"] == TensorProto.FLOAT16
        expected, found = (session_for(one.proto).run(None, {"input": tensor})[0] for one in (model, made))
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS)
def test_an_operator_whose_sums_fit_is_float16(form, tmp_path):
    model = network(form, 0.5, tmp_path)
    assert float32_nodes(model, Images()) == {}


def test_a_softmax_over_many_values_stays_float32(tmp_path):
    """65,536 equal values: their exponentials add up to as much, beyond 65,504."""
    for count, kept in ((1 << 16, True), (1 << 12, False)):
        net = Net()
        flat = net.op("Flatten", net.op("GlobalAveragePool", net.conv("input", 3, 2)))
        scores = net.op("MatMul", flat, net.constant(np.full((2, count), 1e-3, np.float32)), name="scores")
        shares = net.op("Softmax", scores, name="shares", axis=-1)
        net.op("Slice", shares, axes(net, 0), axes(net, 4), axes(net, 1), name="few", out="logits")
        found = float32_nodes(net.save(tmp_path / "m.onnx"), Images(4))
        assert ("shares" in found) is kept

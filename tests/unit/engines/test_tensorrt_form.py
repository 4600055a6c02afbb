"""Quantized files that TensorRT cannot take are refused with the way out, and no others."""

import numpy as np
import onnx
import pytest
from conftest import bench, make_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import ort_quantized
from small_graphs import CONTRACT, Images, Net, build

from seatrial import calib, exporters
from seatrial.engines.tensorrt.form import check_form
from seatrial.errors import UnsupportedError


def quantized(
    *, kind=np.int8, zero=0, weight=np.int8, weight_zero=0, bias=None, scale=0.05, said=True, constants="initializer"
):
    """A convolution in Q/DQ form, with one thing at a time as TensorRT does not take it."""
    net = Net()
    grid = [net.constant(np.float32(scale)), net.constant(np.array(zero, kind))]
    rounded = net.op("QuantizeLinear", "input", *(grid if said else grid[:1]))
    rounded = net.op("DequantizeLinear", rounded, *(grid if said else grid[:1]), name="activation")
    codes = net.constant(net.rng.integers(0, 100, (8, 3, 3, 3)).astype(weight))
    scales = net.constant(np.full(8, 0.01, np.float32))
    made = net.op("DequantizeLinear", codes, scales, net.constant(np.full(8, weight_zero, weight)), axis=0)
    operands = [rounded, made]
    if bias is not None:
        operands.append(net.op("DequantizeLinear", net.constant(np.zeros(8, bias)), scales, axis=0, name="bias"))
    net.head(net.op("Relu", net.op("Conv", *operands, name="conv")), 8)
    if constants == "nodes":  # as older exporters write them
        values = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in net.constants]
        net.nodes, net.constants = [*values, *net.nodes], []
    return net


REFUSED = {
    "zero point": ({"zero": 3}, "zero points other than 0"),
    "zero point of a weight": ({"weight_zero": 1}, "zero points other than 0"),
    "uint8": ({"kind": np.uint8, "zero": 128}, "uint8 values"),
    "uint8 from 0": ({"kind": np.uint8}, "uint8 values"),
    "uint8 by default": ({"said": False}, "uint8 values"),
    "uint8 weight": ({"weight": np.uint8}, "uint8 values"),
    "int32 bias": ({"bias": np.int32}, "int32 biases behind DequantizeLinear"),
    "scale of zero": ({"scale": 0.0}, "scales that are not above 0"),
    "constants as nodes": ({"zero": 3, "constants": "nodes"}, "zero points other than 0"),
}


def proto_of(net):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        net.nodes,
        "net",
        [value("input", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [value("logits", TensorProto.FLOAT, ["batch", 4])],
        net.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("form", REFUSED)
def test_what_tensorrt_does_not_take_is_refused_with_the_way_out(form):
    options, words = REFUSED[form]
    with pytest.raises(UnsupportedError) as refused:
        check_form(proto_of(quantized(**options)), "tensorrt-rtx", "int8")
    assert words in str(refused.value)
    assert "bench.py quantize --model FLOAT.onnx" in str(refused.value)
    assert "--float-view" in str(refused.value)


def test_symmetric_files_are_taken():
    check_form(proto_of(quantized()), "tensorrt", "int8")
    check_form(proto_of(quantized(constants="nodes")), "tensorrt", "int8")


@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("name", ["residual", "branches"])
def test_our_own_files_are_taken(name, precision, tmp_path):
    made = calib.quantize(build(name, tmp_path), precision, engine="tensorrt-rtx", images=Images())
    check_form(made.proto, "tensorrt-rtx", precision)


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    source = make_model(tmp_path / "m.onnx")
    path = ort_quantized(tmp_path / "q.onnx", source, [np.random.default_rng(0).random((2, 3, 16, 16), np.float32)])
    with pytest.raises(UnsupportedError, match=r"int32 biases behind .*\(\d+ nodes, .*zero points other than 0"):
        check_form(onnx.load(path), "tensorrt", "int8")


def test_the_way_out_builds(tmp_path, calib_folder):
    """A quantization-aware network with zero points: refused as it is, built after --float-view."""
    pytest.importorskip("tensorrt_rtx")
    model = proto_of(quantized(kind=np.uint8, zero=128))
    path = tmp_path / "qat.onnx"
    path.write_bytes(model.SerializeToString())
    build = ["build", "--engine", "tensorrt-rtx", "--bits", "8", "--compute-capability", "8.9", "--size", "16"]
    refused = bench([*build, "--model", path])
    assert refused.returncode == 3
    assert "zero points other than 0" in refused.stdout + refused.stderr
    out = tmp_path / "symmetric.onnx"
    words = ["--size", "16", "--calib", calib_folder, "--engine", "tensorrt-rtx", "--bits", "8", "--out", out]
    made = bench(["quantize", "--model", path, *words])
    assert made.returncode == 2
    assert "--float-view" in made.stderr
    made = bench(["quantize", "--model", path, "--float-view", *words])
    assert made.returncode == 0, made.stderr
    assert bench([*build, "--model", out]).returncode == 0
    codes = [
        tensor for tensor in exporters.load(out, contract=CONTRACT).proto.graph.initializer if "zero" in tensor.name
    ]
    assert codes
    assert not any(numpy_helper.to_array(tensor).any() for tensor in codes)

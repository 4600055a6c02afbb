"""What the engine inspector tells, in the forms of TensorRT 10.x and 11.x, becomes the audit.

The texts follow NVIDIA's documented examples and the format names of its TensorRT Engine Explorer; real ones are read
in tests/gpu.
"""

import json

import numpy as np
import onnx
import pytest
from conftest import make_model
from onnx import TensorProto, helper, numpy_helper

from seatrial import engines
from seatrial.engines.audit import Layer
from seatrial.engines.base import BuildRequest
from seatrial.engines.graph import named_nodes
from seatrial.engines.tensorrt.audit import audit_layers, realized
from seatrial.engines.tensorrt.inspector import BuiltLayer, onnx_nodes, precision_word, read_layers
from seatrial.engines.tensorrt.macs import node_macs
from seatrial.errors import DeviceError

INT8_32 = "Thirty-two wide channel vectorized row major Int8 format"
TACTIC = "sm80_xmma_fprop_implicit_gemm_interleaved_{}_nchw_vect_c_32kcrs_vect_c_32_nchw_tilesize64x32x64_stage6"


def tensor_10(name, told):
    return {"Name": name, "Location": "Device", "Dimensions": [1, 16, 8, 8], "Format/Datatype": told}


def tensor_11(name, told):
    return {"Name": name, "Location": "Device", "Dimensions": [1, 16, 8, 8], "Format": "kLINEAR", "Datatype": told}


def layer(name, kind, inputs, *, weights=None, tactic="", metadata=""):
    """A layer as both dialects tell it, but for its tensors; [(name, 10.x's description, 11.x's type)]."""
    told = {"Name": name, "LayerType": kind, "TacticName": tactic, "StreamId": 0, "Metadata": metadata}
    return ({**told, **({"Weights": {"Type": weights, "Count": 2304}} if weights else {})}, inputs)


# A convolution fused with its Relu; a reformat that carries the name of its neighbour; a Myelin product; a pooling.
LAYERS = [
    layer(
        "Reformatting CopyNode for Input Tensor 0 to conv1 + relu1",
        "Reformat",
        [("input", "Row major linear FP32", "Float")],
        metadata="[ONNX Layer: conv1]",
    ),
    layer(
        "conv1 + relu1",
        "CaskConvolution",
        [("q", INT8_32, "Int8")],
        weights="Int8",
        tactic=TACTIC.format("i8i8_i8i32_f32"),
        metadata="[ONNX Layer: conv1]\x1e[ONNX Layer: relu1]",
    ),
    layer("pool", "CaskPooling", [("c", "Channel major FP16 format where channel % 8 == 0", "Half")]),
    layer(
        "__myl_FcAdd_myl3_0",
        "gemm",
        [("p", "Half", "Half"), ("__mye12dconst", "Half", "Half")],
        metadata="[ONNX Layer: fc]\x1f[ONNX Layer: add]",
    ),
]
MACS = {"conv1": 1000, "fc": 200}


def told(dialect, layers=LAYERS):
    """The engine's information as TensorRT 10 or 11 gives it."""
    make = tensor_10 if dialect == 10 else tensor_11
    position = 1 if dialect == 10 else 2
    body = [{**one, "Inputs": [make(t[0], t[position]) for t in inputs], "Outputs": []} for one, inputs in layers]
    if dialect == 10:
        return json.dumps({"Layers": body, "Bindings": ["input", "logits"]})
    outer = [
        {"Name": name, "IOMode": mode, "DataType": "Float"} for name, mode in (("input", "Input"), ("y", "Output"))
    ]
    return json.dumps({"Layers": body, "I/O Tensors": outer})


@pytest.mark.parametrize("dialect", [10, 11])
def test_both_dialects_give_the_same_audit(dialect):
    audit = audit_layers(read_layers(told(dialect)), MACS, "int8")
    assert audit.layers == (
        Layer("conv1", f"CaskConvolution ({TACTIC.format('i8i8_i8i32_f32')})", 1000, "int8", "int8"),
        Layer("fc", "gemm", 200, "int8", "fp16"),
    )
    assert audit.other_ops == {"CaskPooling": 1, "Reformat": 1}
    assert audit.realized() == {"int8": 1000 / 1200, "fp16": 200 / 1200}


@pytest.mark.parametrize(
    ("described", "word"),
    [
        (INT8_32, "int8"),
        ("Row major linear FP32", "fp32"),
        ("Two wide channel vectorized row major FP16 format.", "fp16"),
        ("Channel major INT8 format where column stride % 32 == 0", "int8"),
        ("Channel major BFloat16 format where channel % 8 == 0", "bf16"),
        ("Row major linear FP8 format", "fp8"),
        ("Half", "fp16"),
        ("Float", "fp32"),
        ("Int4", "int4"),
        ("Int32", ""),
        ("UInt8", ""),
        ("Row major linear BOOL", ""),
        ("N/A due to dynamic shapes", ""),
        ("Int64", ""),
        ("FP6", "unknown"),
        ("Row major linear NVFP4 format", "unknown"),
    ],
)
def test_a_tensors_type_is_found_in_its_description(described, word):
    assert precision_word(described) == word


@pytest.mark.parametrize(
    ("name", "metadata", "nodes"),
    [
        ("conv1 + relu1", "", ("conv1", "relu1")),
        ("__myl_Fc_myl0", "[ONNX Layer: /a]\x1e[ONNX Layer: /b]\x1f[ONNX Layer: /a]", ("/a", "/b")),
        ("x", "[ONNX Layer: a][ONNX Layer: b]", ("a", "b")),
        ("{ForeignNode[conv1...fc]}", "", ("conv1", "fc")),
        ("{ForeignNode[fc]}", "", ("fc",)),
    ],
)
def test_a_layers_nodes_are_read_from_metadata_or_name(name, metadata, nodes):
    assert onnx_nodes(name, metadata) == nodes


@pytest.mark.parametrize(
    ("inputs", "weights", "tactic", "expected"),
    [
        (("int8",), "int8", "", "int8"),
        (("fp16",), "fp16", "", "fp16"),
        (("int8",), "", TACTIC.format("i8f32_i8i32_f32"), "int8"),
        (("fp32",), "fp32", "sm80_xmma_fprop_implicit_gemm_tf32f32_tf32f32_f32_nhwckrsc_nhwc", "tf32"),
        (("fp32",), "fp32", "sm80_xmma_fprop_implicit_gemm_f32f32_f32f32_f32_nhwckrsc_nchw", "fp32"),
        (("fp16",), "fp16", "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc", "fp16"),
        (("fp8",), "fp8", "sm89_xmma_fprop_implicit_gemm_e4m3e4m3_e4m3f32_f32_nhwckrsc_nhwc", "fp8"),
        (("fp16", "int4"), "", "", "int4"),
        (("fp16",), "int4", "", "int4"),
        (("int8", "int4"), "", "", "w4a8"),
        (("fp32", "fp32", ""), "", "", "fp32"),
        (("fp32",), "int8", "", "unknown"),  # dequantized weights: what multiplies is not told
        (("fp32", "int8"), "", "", "unknown"),
        (
            ("fp32",),
            "fp32",
            "cutlass3x_sm100_tensorop_s128x64x8tf32implicit_gemm_fprop_f32_f32_f32_f32_f32_f32_128x64",
            "tf32",
        ),
        (("fp16",), "fp16", "cutlass3x_sm90_tensorop_s64x128x16gemm_f16_f16_f32_f16_f16_128x128x64_tnn_align8", "fp16"),
        (("int8",), "int8", "cutlass3x_sm90_tensorop_i64x128x32gemm_s8_s8_s32_f32_f32_128x128x64_tnn_align16", "int8"),
        (("unknown",), "", "", "unknown"),
        (("fp16", "unknown"), "", "", "unknown"),
        (("",), "", "", "unknown"),
        ((), "", "", "unknown"),
    ],
)
def test_what_a_layer_multiplies_in_is_what_it_tells_and_never_assumed(inputs, weights, tactic, expected):
    assert realized(BuiltLayer("l", "gemm", tactic, ("l",), inputs, weights)) == expected


# The form in which trtexec of 10.16 and 11 exports a small network that Myelin compiled, at half precision.
MYELIN_10 = """{"Layers": [{
  "Name": "stem + stem_relu", "LayerType": "CaskConvolution",
  "Inputs": [{"Name": "x", "Location": "Device", "Dimensions": [1,1,16,16], "Format/Datatype": "Half"}],
  "Outputs": [{"Name": "a", "Location": "Device", "Dimensions": [1,8,16,16], "Format/Datatype": "Half"}],
  "ParameterType": "Convolution", "Kernel": [3,3], "OutMaps": 8, "Groups": 1,
  "Weights": {"Type": "Half", "Count": 72}, "Bias": {"Type": "Half", "Count": 8}, "HasReLU": 1, "Activation": "RELU",
  "TacticName": "sm50_xmma_conv_fprop_fused_conv_act_fp16_NCHW", "TacticValue": "0x01", "StreamId": 0,
  "Metadata": "[ONNX Layer: stem]\\u001e[ONNX Layer: stem_relu]"
},{
  "Name": "head_myl4_0", "LayerType": "gemm",
  "Inputs": [{"Name": "a", "Dimensions": [1,2048], "Format/Datatype": "Half"}],
  "Outputs": [{"Name": "b_myl4", "Dimensions": [1,64], "Format/Datatype": "Half"}],
  "TacticName": "sm50_xmma_cublas_gemvx_f16f16_f16_f16_tn_n_int32", "StreamId": 0,
  "Metadata": "[ONNX Layer: head]\\u001f[ONNX Layer: head_relu]"
},{
  "Name": "__myl_MulSum_myl4_1", "LayerType": "kgen",
  "Inputs": [{"Name": "b_myl4", "Dimensions": [64,1], "Format/Datatype": "Half"}],
  "Outputs": [{"Name": "__myln_k_arg__bb1_3_myl4", "Dimensions": [1,10], "Format/Datatype": "Float"}],
  "TacticName": "__myl_MulSum_0x51", "StreamId": 0, "Metadata": "[ONNX Layer: scores]"
},{
  "Name": "__myl_AddMaxrSubExpSum_myl4_2", "LayerType": "kgen",
  "Inputs": [{"Name": "__myln_k_arg__bb1_3_myl4", "Dimensions": [1,10], "Format/Datatype": "Float"}],
  "Outputs": [{"Name": "y", "Dimensions": [1,10], "Format/Datatype": "Half"}],
  "TacticName": "__myl_AddMaxrSubExpSum_0x57", "StreamId": 0,
  "Metadata": "[ONNX Layer: scores]\\u001f[ONNX Layer: softmax]"
}],
"Bindings": ["x", "y"]}"""
MYELIN_11 = {
    "Layers": [
        {
            "Name": "__mye1085_myl0_0",
            "LayerType": "custom_layer",
            "Inputs": [{"Name": "l2_cache_policy_inputs_0_myl0", "Dimensions": [4], "Datatype": "UInt8"}],
            "Outputs": [],
        },
        {
            "Name": "stem_move",
            "LayerType": "kgen",
            "Inputs": [{"Name": "x", "Dimensions": [1, 1, 16, 16], "Datatype": "Float"}],
            "Outputs": [],
            "TacticName": "__myl_Move_0x7c",
            "Metadata": "[ONNX Layer: stem]",
        },
        {
            "Name": "stem_myl0_2",
            "LayerType": "correlation",
            "Inputs": [{"Name": "q", "Dimensions": [1, 1, 16, 16], "DataType": "Int8"}],
            "Outputs": [],
            "Constants": [
                {"Name": "factor", "Dimensions": [1], "Datatype": "Float"},
                {"Name": "weight", "Dimensions": [8, 1, 3, 3], "Datatype": "Int8"},
                {"Name": "bias", "Dimensions": [1, 8, 1, 1], "Datatype": "Float"},
            ],
            "Metadata": "[ONNX Layer: stem][ONNX Layer: stem_relu]",
        },
        {
            "Name": "head_myl0_7",
            "LayerType": "gemm",
            "Inputs": [{"Name": "a", "Dimensions": [1, 2048], "Datatype": "Half"}],
            "Outputs": [],
            "Constants": [{"Name": "packed", "Dimensions": [2048, 64], "Datatype": "Int4"}],
            "Metadata": "[ONNX Layer: head]",
        },
        {
            "Name": "__myl_CastMul_myl0_8",
            "LayerType": "kgen",
            "Inputs": [{"Name": "s", "Dimensions": [1, 64], "Datatype": "Float"}],
            "Outputs": [],
            "TacticName": "__myl_CastMul_0x11",
            "Metadata": "[ONNX Layer: scores]",
        },
        {
            "Name": "__myl_FcAddCast_myl0_9",
            "LayerType": "kgen",
            "Inputs": [{"Name": "b", "Dimensions": [1, 64], "Datatype": "Half"}],
            "Outputs": [],
            "TacticName": "__myl_FcAddCast_0x22",
            "Metadata": "[ONNX Layer: scores]",
        },
    ],
    "I/O Tensors": [{"Name": "x", "IOMode": "Input", "DataType": "Float"}],
}


def test_what_myelin_compiled_is_read_in_both_forms():
    macs = {"stem": 18432, "head": 131072, "scores": 640}
    ten, eleven = (audit_layers(read_layers(text), macs, "fp16") for text in (MYELIN_10, json.dumps(MYELIN_11)))
    assert {one.name: one.realized for one in ten.layers} == {"stem": "fp16", "head": "fp16", "scores": "fp16"}
    assert {one.name: one.realized for one in eleven.layers} == {"stem": "int8", "head": "int4", "scores": "fp16"}
    assert eleven.other_ops == {"custom_layer": 1, "kgen": 2}


def test_a_tensor_without_a_type_is_unknown_and_no_error():
    nameless = {"Name": "a", "LayerType": "gemm", "Inputs": [{"Name": "c"}], "Metadata": "[ONNX Layer: fc]"}
    assert audit_layers(
        read_layers(json.dumps({"Layers": [nameless], "Bindings": []})), {"fc": 3}, "int8"
    ).realized() == {"unknown": 1.0}


def test_a_fused_region_that_tells_its_ends_alone_is_unknown():
    inside = layer("{ForeignNode[conv1...fc]}", "Myelin", [("input", "Row major linear FP32", "Float")])
    audit = audit_layers(read_layers(told(10, [inside])), {"conv1": 10, "conv2": 20, "fc": 5, "later": 1}, "fp32")
    assert [(one.name, one.macs, one.realized) for one in audit.layers] == [
        ("conv1 + conv2 + fc", 35, "unknown"),
        ("later", 1, "unknown"),
    ]


def test_work_that_no_layer_shows_is_unknown_and_counted():
    audit = audit_layers(read_layers(told(11)), {**MACS, "lost": 800}, "int8")
    assert audit.realized() == {"int8": 0.5, "unknown": 0.4, "fp16": 0.1}
    assert audit.layers[-1] == Layer("lost", "not shown by the engine", 800, "int8", "unknown")


def test_layers_that_disagree_about_one_node_leave_it_unknown():
    two = [
        layer("a", "gemm", [("x", "Half", "Half")], metadata="[ONNX Layer: fc]"),
        layer("b", "gemm", [("x", "Float", "Float")], metadata="[ONNX Layer: fc]"),
    ]
    assert audit_layers(read_layers(told(10, two)), {"fc": 7}, "fp16").realized() == {"unknown": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "{}",
        "[]",
        '{"Layers": ["conv1 + relu1"], "Bindings": []}',
        '{"Layers": [{"Name": "a"}], "Bindings": []}',
        '{"Layers": [{"Name": "a", "LayerType": "b", "Inputs": ["c"]}], "I/O Tensors": []}',
        '{"Layers": null, "I/O Tensors": []}',
        '{"Layers": [{"Name": "a", "LayerType": "b", "Inputs": [], "Constants": [{"Dimensions": ["x", 9999999999]}]}], '
        '"Bindings": []}',
    ],
)
def test_what_cannot_be_read_is_an_error_that_shows_it(text):
    with pytest.raises(DeviceError, match="engine inspector gave"):
        read_layers(text)


def test_work_per_node_is_what_onnx_runtime_measures(tmp_path):
    onnx_bytes = named_nodes(make_model(tmp_path / "m.onnx").read_bytes())
    request = BuildRequest(onnx_bytes, "input", "logits", (3, 16, 16), 4, optimization="disable")
    with engines.build("onnxruntime", request) as engine:
        measured = {one.name: one.macs for one in engine.audit().layers}
    assert node_macs(onnx_bytes, "input") == measured
    assert len(measured) == 3


def one_node(kind, left, right, **attributes):
    """A graph of one product, its right side constant."""
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"], name="n", **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *left])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(right, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


@pytest.mark.parametrize(
    ("kind", "left", "right", "attributes", "expected"),
    [
        ("Conv", (8, 6, 6), (16, 8, 3, 3), {"pads": [1] * 4}, 6 * 6 * 16 * 8 * 9),
        ("Conv", (8, 6, 6), (8, 1, 3, 3), {"pads": [1] * 4, "group": 8}, 6 * 6 * 8 * 9),
        ("Conv", (8, 6, 6), (16, 8, 3, 3), {"strides": [2, 2], "pads": [1] * 4}, 3 * 3 * 16 * 8 * 9),
        ("ConvTranspose", (8, 6, 6), (8, 4, 2, 2), {"strides": [2, 2]}, 8 * 6 * 6 * 4 * 4),
        ("MatMul", (5, 12), (12, 7), {}, 5 * 7 * 12),
        ("Gemm", (12,), (7, 12), {"transB": 1}, 7 * 12),
    ],
)
def test_work_of_a_node_counted_by_hand(kind, left, right, attributes, expected):
    onnx_bytes = one_node(kind, left, right, **attributes)
    assert node_macs(onnx_bytes, "x") == {"n": expected}
    frozen = onnx.load_model_from_string(onnx_bytes)
    frozen.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    assert node_macs(frozen.SerializeToString(), "x") == {"n": expected}, "per image"


def test_work_of_unknown_shape_is_told():
    onnx_bytes = one_node("MatMul", ("K",), (4, 2))
    assert node_macs(onnx_bytes, "x") == {"n": -1}
    layers = [BuiltLayer(name, "gemm", "", (name,), (kind,)) for name, kind in (("n", "fp32"), ("m", "int8"))]
    audit = audit_layers(layers, {"n": -1, "m": 9}, "int8")
    assert audit.layers == (Layer("m", "gemm", 9, "int8", "int8"), Layer("n", "gemm", 9, "int8", "fp32", guessed=True))
    assert audit.realized() == {"fp32": 0.5, "int8": 0.5}, "no share of what is counted reads as of all"
    assert audit.other_ops == {}

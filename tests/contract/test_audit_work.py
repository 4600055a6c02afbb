"""The audits of ONNX Runtime, OpenVINO and PyTorch against each other and against a count by hand, on small graphs of
every operator that multiplies.
"""

import importlib.util

import numpy as np
import pytest
from counted_graphs import CASES, IMAGE, RUNTIMES, Graph, conv, loop, matmul, request_of, residual
from onnx import TensorProto, helper

from seatrial import engines
from seatrial.engines.graph import named_nodes
from seatrial.engines.tensorrt.macs import node_macs
from seatrial.engines.work import COUNTED, operators
from seatrial.engines.work.silent import ML, SILENT

INSTALLED = {
    "onnxruntime": True,
    "openvino": importlib.util.find_spec("openvino") is not None,
    "pytorch": importlib.util.find_spec("torch") is not None,
}
# Three operands and more: OpenVINO multiplies all of them before it sums.
OTHERWISE = {("einsum-three", "openvino"): 8 * 16 * 24 * 5}
BY_NAME = {case.name: case for case in CASES}
CONTROL = ("loop", "if", "scan")
# ONNX Runtime's kernels that may multiply, and of which nobody has written down how much.
UNDECIDED = {
    *("AttnLSTM", "BeamSearch", "GreedySearch", "Sampling", "SparseToDenseMatMul", "WhisperBeamSearch"),
    *("SVMClassifier", "SVMRegressor", "WordConvEmbedding"),
}


def audit_of(engine, request):
    if not INSTALLED[engine]:
        pytest.skip(f"{engine} is not installed")
    with engines.build(engine, request) as built:
        return built.audit()


def total(audit):
    return sum(layer.macs for layer in audit.layers)


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_work_is_what_a_count_by_hand_says(case, engine):
    if engine not in case.engines:
        return  # nothing to compare: the operator is one of ONNX Runtime's own
    audit = audit_of(engine, request_of(case.model(), case.shape))
    assert total(audit) == OTHERWISE.get((case.name, engine), case.macs)
    in_integers = sum(layer.macs for layer in audit.layers if layer.realized == "int8")
    assert in_integers == (0 if engine == "pytorch" else case.int8)
    control = case.name in CONTROL and engine == "openvino"
    words = {layer.realized for layer in audit.layers} - {"int8"}
    assert words <= ({"unknown"} if control else {"int4"} if case.name == "four-bits" else {"fp32"})


@pytest.mark.parametrize("case", [case for case in CASES if "openvino" in case.engines], ids=lambda case: case.name)
def test_work_by_inferred_shapes_is_the_same(case):
    """What TensorRT's audit goes by."""
    found = node_macs(named_nodes(case.model().SerializeToString()), "input")
    assert sum(found.values()) == (-1 if case.name in CONTROL else case.macs)


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize(
    "name",
    ["conv-odd-channels", "conv-residual", "transposed-grouped", "gemm", "matmul-heads", "einsum-batched", "attention"],
)
def test_a_frozen_batch_is_counted_for_one_image(name, engine):
    case = BY_NAME[name]
    audit = audit_of(engine, request_of(case.model(batch=3), case.shape))
    assert total(audit) == case.macs


@pytest.mark.parametrize("optimization", ["disable", "basic", "extended", "all"])
@pytest.mark.parametrize("name", ["conv-residual", "matmul-of-constants", "int8-then-float", "attention"])
def test_no_optimisation_changes_the_work(name, optimization):
    case = BY_NAME[name]
    assert total(audit_of("onnxruntime", request_of(case.model(), case.shape, optimization=optimization))) == case.macs


def test_calls_in_a_loop_are_one_layer():
    audit = audit_of("onnxruntime", request_of(BY_NAME["loop"].model(), BY_NAME["loop"].shape))
    assert [(layer.name, layer.macs) for layer in audit.layers] == [("inside", BY_NAME["loop"].macs)]


def test_a_batch_axis_is_not_taken_for_granted():
    """The image itself is the first axis."""
    graph = Graph()
    model = graph.model((64,), graph.op("MatMul", "input", graph.weight(64, 5)), batch=32)
    assert total(audit_of("onnxruntime", request_of(model, (64,)))) == 64 * 5


def support_vectors(graph, x):
    """A convolution, and a machine of the domain ai.onnx.ml whose work nobody has written down."""
    made = graph.reshape(conv(3, 4, 3, 3)(graph, x), -1, 4 * 14 * 14)
    attributes = {"coefficients": [0.5] * 4 * 14 * 14, "kernel_type": "LINEAR", "rho": [0.1], "n_supports": 0}
    return graph.op("SVMRegressor", made, domain="ai.onnx.ml", kernel_params=[0.0, 0.0, 3.0], **attributes)


def test_an_operator_that_nobody_counts_is_named_and_counted_at_the_most():
    graph = Graph()
    model = graph.model(IMAGE, support_vectors(graph, "input"))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    audit = audit_of("onnxruntime", request_of(model, IMAGE))
    known, unknown = audit.layers
    assert (known.op, known.macs, known.guessed) == ("Conv", 4 * 196 * 27, False)
    assert (unknown.op, unknown.macs, unknown.realized, unknown.guessed) == ("SVMRegressor", 4 * 196, "unknown", True)
    assert audit.unknown() == ("SVMRegressor",)
    assert audit.share_as_requested() == pytest.approx(27 / 28)


@pytest.mark.parametrize(
    ("name", "kernel"), [("int8-then-float", "QLinearConv"), ("attention", "FusedMatMul"), ("gemm-plain", "FusedGemm")]
)
def test_what_an_unknown_fusion_does_is_what_the_file_asks_and_no_other_kernel_shows(name, kernel, monkeypatch):
    case = BY_NAME[name]
    request = request_of(case.model(), case.shape)
    right = audit_of("onnxruntime", request)
    hidden = [layer for layer in right.layers if layer.op == kernel]
    monkeypatch.delitem(operators._COUNTS, kernel)
    audit = audit_of("onnxruntime", request)
    assert total(audit) == total(right) == case.macs
    assert [(one.op, one.macs, one.guessed) for one in audit.layers if one.realized == "unknown"] == [
        (kernel, sum(layer.macs for layer in hidden), False)
    ]


def test_an_unknown_fusion_of_what_does_not_multiply_is_no_work(monkeypatch):
    monkeypatch.setattr(operators, "SILENT", SILENT - {"ReorderOutput"})
    case = BY_NAME["conv-odd-channels"]
    audit = audit_of("onnxruntime", request_of(case.model(), case.shape))
    assert (total(audit), audit.unknown()) == (case.macs, ())


@pytest.mark.parametrize("engine", RUNTIMES)
def test_work_in_a_shape_that_only_the_run_tells_is_never_left_out(engine):
    """Rows where an image is positive: none of the zeros that the audit asks with."""
    graph = Graph()
    rows = graph.reshape("input", -1, 32)
    sums = graph.op("ReduceSum", rows, graph.constant(np.array([1])), keepdims=0)
    positive = graph.op("GreaterOrEqual", sums, graph.constant(np.float32(0)))
    kept = graph.op("Compress", rows, positive, axis=0)
    made = graph.op("MatMul", kept, graph.weight(32, 8))
    pooled = graph.op("ReduceMean", made, graph.constant(np.array([0])), keepdims=1)
    model = graph.model((64, 32), graph.op("Add", pooled, graph.op("MatMul", pooled, graph.weight(8, 8))), batch=1)
    audit = audit_of(engine, request_of(model, (64, 32)))
    if engine == "onnxruntime":
        assert total(audit) == 64 * 32 * 8 + 8 * 8
    else:
        assert [layer.guessed for layer in audit.layers] == [False, True]
        assert audit.layers[0].macs == 8 * 8
        assert audit.unknown()


def test_every_kernel_of_onnx_runtime_is_known_to_multiply_or_not():
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def

    kernels = {(one.domain, one.op_name) for one in get_all_opkernel_def() if one.provider == "CPUExecutionProvider"}
    assert len(kernels) > 250
    unclear = {op for domain, op in kernels if op not in COUNTED | (ML if domain == "ai.onnx.ml" else SILENT)}
    assert unclear == UNDECIDED & unclear
    assert not COUNTED & SILENT


def test_every_operator_of_the_pytorch_engine_is_known_to_multiply_or_not():
    if not INSTALLED["pytorch"]:
        pytest.skip("PyTorch is not installed")
    import seatrial.engines.torch_graph  # noqa: F401  (registers the operators)
    from seatrial.engines.torch_graph.node import OPERATORS

    assert len(list(OPERATORS)) > 100
    assert not {name for name in OPERATORS if name not in COUNTED | SILENT}


def test_nodes_of_one_name_are_told_apart():
    """A graph and the body of its loop may use the same one."""
    graph = Graph()
    model = graph.model((40, 64), loop(graph, matmul(64, 32)(graph, "input")))
    model.graph.node[0].name = "inside"
    audit = audit_of("onnxruntime", request_of(model, (40, 64)))
    assert [layer.macs for layer in audit.layers] == [40 * 64 * 32, 5 * 40 * 32 * 32]


def test_channels_in_blocks_are_counted_as_the_file_has_them():
    """Where ONNX Runtime pads 13 channels to 16."""
    graph = Graph()
    model = graph.model(IMAGE, residual(graph, "input"))
    audit = audit_of("onnxruntime", request_of(model, IMAGE))
    assert [layer.macs for layer in audit.layers] == [13 * 256 * 27, 13 * 256 * 13 * 9]
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT

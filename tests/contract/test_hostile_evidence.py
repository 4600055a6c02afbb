"""What an engine's process tells of itself is not trusted: it may have been taken over by the model that it has parsed.
Whatever it tells ends, soon, in an audit or in a DeviceError.
"""

import copy
import json
import random
import time

import numpy as np
import pytest
from mutations import mutated
from onnx import TensorProto, helper

from seatrial.engines import Audit, BuildRequest
from seatrial.engines.evidence import told
from seatrial.engines.onnxruntime_audit import read_audit
from seatrial.engines.onnxruntime_profile import Execution, executions
from seatrial.engines.onnxruntime_written import Written
from seatrial.engines.places import EngineProcess
from seatrial.engines.places.answers import judged
from seatrial.engines.registry import ENGINES
from seatrial.engines.tensorrt.audit import audit_layers
from seatrial.engines.tensorrt.inspector import BuiltLayer
from seatrial.errors import DeviceError

VALUES = (
    *(None, True, -1, 0, 2**62, 10**400, -(10**400), 1e308, float("nan"), "", "x" * 100_000, "\x1b[2J", "conv1"),
    *([], {}, [[]], [1] * 1000, [[2**48] * 64] * 4, {"a": {}}, [["float", [3, 16, 16]]], "float"),
)
CALL = {"name": "c", "op": "o", "provider": "p", "inputs": [], "outputs": []}
NO_GRAPH = np.zeros(0, np.uint8)
INSPECTOR = {
    "Layers": [
        {
            "Name": "conv1 + relu1",
            "LayerType": "CaskConvolution",
            "TacticName": "sm80_xmma_fprop_implicit_gemm_i8f32_i8i32_f32_nhwc",
            "Inputs": [{"Name": "a", "Format/Datatype": "Int8"}],
            "Metadata": "[ONNX Layer: conv1]",
            "Weights": {"Type": "Int8", "Count": 4},
        },
        {
            "Name": "{ForeignNode[conv2...fc]}",
            "LayerType": "Myelin",
            "Inputs": [],
            "Constants": [{"Dimensions": [2]}],
        },
    ],
    "Bindings": [],
}


@pytest.fixture(scope="module")
def request_small(tmp_path_factory):
    from conftest import make_model

    content = make_model(tmp_path_factory.mktemp("model") / "m.onnx").read_bytes()
    return BuildRequest(content, "input", "logits", (3, 16, 16), 4)


@pytest.fixture(scope="module")
def evidence(request_small):
    """Part -> what ONNX Runtime's process tells, as it travels."""
    with ENGINES["onnxruntime"](request_small) as engine:
        parts = {part: engine.evidence(part) for part in ("executed", "written")}
    return {part: (json.loads(json.dumps(fields)), arrays) for part, (fields, arrays) in parts.items()}


def ends_well(engine, request, ask):
    """True for an audit, False for a DeviceError; anything else is raised."""
    begin = time.monotonic()
    try:
        audit = judged(engine, request, ask)
    except DeviceError:
        return False
    finally:
        assert time.monotonic() - begin < 20
    assert isinstance(audit, Audit)
    assert all(0 <= layer.macs < 2**63 for layer in audit.layers)
    json.dumps(told(audit)[0], allow_nan=False)
    assert "\x1b" not in str(audit)
    return True


def holders(value):
    """All lists and objects in JSON, each with its keys."""
    found = []
    if isinstance(value, (dict, list)):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        found += [(value, key) for key in keys]
        for key in keys:
            found += holders(value[key])
    return found


def changed(value, chance):
    """JSON with some of its values replaced, removed or repeated."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(holders(value) or [({"": 0}, "")])
        what = chance.randrange(4)
        if what == 0 or isinstance(holder, dict):
            if what == 1 and key in holder:
                del holder[key]
            else:
                holder[key] = copy.deepcopy(chance.choice(VALUES))
        elif what == 1 and key < len(holder):
            del holder[key]
        else:
            holder.extend(copy.deepcopy(holder[-1:]) * 3)
    return value


def flipped(content, chance):
    content = content.copy()
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content if chance.random() < 0.7 else content[: chance.randrange(len(content))]


def test_calls_that_no_kernel_made(request_small, evidence):
    chance, good = random.Random(1), 0
    for _ in range(400):
        parts = {part: (changed(fields, chance), arrays) for part, (fields, arrays) in evidence.items()}
        good += ends_well("onnxruntime", request_small, parts.__getitem__)
    assert 0 < good < 400


def test_graphs_that_nothing_executed(request_small, evidence):
    chance, good = random.Random(2), 0
    for number in range(400):
        parts = {}
        for part, (fields, (content,)) in evidence.items():
            if number % 2:
                edits = [tuple(chance.randrange(200) for _ in range(4)) for _ in range(3)]
                content = np.frombuffer(mutated(content.tobytes(), edits), np.uint8)
            else:
                content = flipped(content, chance)
            parts[part] = fields, [content]
        good += ends_well("onnxruntime", request_small, parts.__getitem__)
    assert 0 < good < 400


def test_what_no_inspector_tells(request_small):
    chance, good = random.Random(3), 0
    assert ends_well("tensorrt", request_small, lambda part: ({"inspector": json.dumps(INSPECTOR)}, []))
    for _ in range(600):
        text = json.dumps(changed(INSPECTOR, chance))
        text = text if chance.random() < 0.9 else text[: chance.randrange(len(text))]
        good += ends_well("tensorrt", request_small, lambda part, text=text: ({"inspector": text}, []))
    assert 0 < good < 600


def test_audits_that_no_engine_reads(request_small):
    layer = {"name": "a", "op": "b", "macs": 3, "requested": "fp32", "realized": "fp32", "guessed": False}
    whole, chance, good = {"layers": [layer, dict(layer)], "other_ops": {"Relu": 3}}, random.Random(4), 0
    for _ in range(400):
        fields = changed(whole, chance)
        good += ends_well("pytorch", request_small, lambda part, fields=fields: (fields, []))
    assert 0 < good < 400


@pytest.mark.parametrize(
    ("fields", "arrays"),
    [
        (None, []),
        ({}, []),
        ({"calls": []}, []),
        ({"calls": []}, [np.zeros(3, np.uint8)] * 2),
        ({"calls": {}}, [np.frombuffer(b"no graph", np.uint8)]),
        ({"calls": [{"name": 1}]}, [NO_GRAPH]),
        ({"calls": [{**CALL, "outputs": [[-1]]}]}, [NO_GRAPH]),
        ({"calls": [{**CALL, "outputs": [[2.0]]}]}, [NO_GRAPH]),
        ({"calls": [{**CALL, "outputs": [[1] * 65]}]}, [NO_GRAPH]),
        ({"calls": [{**CALL, "inputs": [["float"]]}]}, [NO_GRAPH]),
        ({"calls": [{**CALL, "name": "c" * 70_000}]}, [NO_GRAPH]),
        ({"calls": [{**CALL, "op": []}]}, [NO_GRAPH]),
    ],
)
def test_what_is_no_evidence_is_told(request_small, fields, arrays):
    assert not ends_well("onnxruntime", request_small, lambda part: (fields, arrays))


def test_an_audit_over_the_wire_is_checked(request_small, monkeypatch, evidence):
    with EngineProcess("onnxruntime") as process:
        answers = {part: ({"evidence": fields}, arrays) for part, (fields, arrays) in evidence.items()}
        monkeypatch.setattr(process, "ask", lambda message, **more: answers[message["part"]])
        assert process.audit(request_small).realized() == {"fp32": 1.0}
        answers["executed"] = ({}, [])
        with pytest.raises(
            DeviceError, match=r"Engine 'onnxruntime' sent what is no answer \(KeyError\('evidence'\)\)"
        ):
            process.audit(request_small)


def call(name, **more):
    given = {"domain": "", "op": "Conv", "provider": "CPUExecutionProvider", "types": ["float"], "attributes": {}}
    shapes = {"inputs": [(1, 3, 8, 8), (4, 3, 3, 3)], "outputs": [(1, 4, 8, 8)], "constant": False}
    return Execution(name=name, **{**given, **shapes, **more})


def test_a_circle_of_nodes_comes_to_an_end():
    circle = [helper.make_node("Relu", [f"v{(i + 1) % 50}"], [f"v{i}"], name=f"n{i}") for i in range(50)]
    graph = helper.make_graph(circle, "circle", [], [])
    written = Written([call(f"n{i}", op="Relu", inputs=[], outputs=[]) for i in range(50)], graph)
    assert [written.convolution(f"v{i}") for i in range(50)] == [None] * 50
    blocked = [call(f"v{i}_nchwc", domain="com.microsoft.nchwc") for i in range(50)]
    assert len(read_audit(blocked, lambda: written, "fp32", "CPUExecutionProvider", 1).layers) == 50


def test_a_long_way_to_a_convolution_is_walked_once():
    chain = [helper.make_node("Relu", [f"v{i + 1}"], [f"v{i}"], name=f"n{i}") for i in range(20_000)]
    chain.append(helper.make_node("Conv", ["x", "w"], ["v20000"], name="conv"))
    written = Written([call("conv")], helper.make_graph(chain, "chain", [], []))
    begin = time.monotonic()
    assert {written.convolution(f"v{i}") for i in reversed(range(20_001))} == {call("conv").macs}
    assert {written.convolution(f"v{i}") for i in range(20_001)} == {call("conv").macs}
    assert time.monotonic() - begin < 5


def test_many_calls_of_a_node_that_holds_many_cost_no_more_than_their_number():
    inner = helper.make_graph(
        [helper.make_node("Relu", ["a"], [f"b{i}"], name=f"in{i}") for i in range(20_000)], "inner", [], []
    )
    loop = helper.make_node("Loop", ["", ""], [f"o{i}" for i in range(100)], name="loop", body=inner)
    graph = helper.make_graph([loop], "outer", [helper.make_tensor_value_info("a", TensorProto.FLOAT, [1])], [])
    once = {"name": "loop", "op": "Loop", "provider": "p", "inputs": [], "outputs": [[1]]}
    begin = time.monotonic()
    assert len(executions([once] * 4000, graph)) == 4000
    assert time.monotonic() - begin < 10
    with pytest.raises(ValueError, match="more tensors than any model's"):
        executions([once] * 200_000, graph)


def length_delimited(number, content):
    """A field of protobuf that holds bytes, a text or a message."""
    size, digits = len(content), []
    while True:
        digits.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            return bytes([number << 3 | 2, *digits]) + content


@pytest.mark.parametrize(("depth", "taken"), [(20, True), (200, False), (20_000, False)])
def test_graphs_within_graphs_have_the_depth_that_protobuf_takes(depth, taken):
    graph = b""
    for _ in range(depth):  # GraphProto.node, NodeProto.attribute, AttributeProto.g, and that it is a graph
        graph = length_delimited(1, length_delimited(5, length_delimited(6, graph) + b"\xa0\x01\x05"))
    content = np.frombuffer(length_delimited(7, graph), np.uint8)
    request = BuildRequest(b"", "input", "logits", (3, 16, 16), 4)
    assert ends_well("onnxruntime", request, lambda part: ({"calls": []}, [content])) == taken


def test_as_many_layers_as_an_inspector_may_tell_are_joined_soon():
    layers = [BuiltLayer("region", "Myelin", "", (f"a{i}", f"n{i % 99}"), (), opaque=True) for i in range(10_000)]
    layers += [BuiltLayer("n1", "gemm", "cutlass" * 500, ("n1",), ("fp16",)) for _ in range(9_000)]
    begin = time.monotonic()
    audit = audit_layers(layers, {f"n{i}": 1 for i in range(500)}, "fp16")
    assert sum(layer.macs for layer in audit.layers) == 500
    assert time.monotonic() - begin < 20

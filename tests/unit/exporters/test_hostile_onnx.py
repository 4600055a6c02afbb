"""Hostile ONNX files are refused with the reason, in seconds and in 4 GiB of address space."""

import json
import resource
import subprocess
import sys

import pytest
from bombs import BOMBS
from conftest import ROOT
from onnx import helper
from onnx_files import changed

from seatrial import exporters
from seatrial.errors import UnsupportedError

SMALL = exporters.ContractOptions(size=(16, 16))

# Loads every file in turn; one line of JSON for each: name, kind of the error, message, seconds.
CHILD = """
import json, pathlib, sys, time
from seatrial import exporters
from seatrial.errors import SeatrialError
for name in sys.argv[1:]:
    begin = time.process_time()
    options = None if "metadata" in name else exporters.ContractOptions(size=(16, 16))
    try:
        exporters.load(name, contract=options)
        answer = ["nothing", ""]
    except SeatrialError as error:
        answer = [type(error).__name__, str(error)]
    except BaseException as error:
        answer = ["CRASH " + type(error).__name__, str(error)[:500]]
    print(json.dumps([pathlib.Path(name).stem, *answer, time.process_time() - begin]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for name, (make, _) in BOMBS.items():
        make(folder / f"{name}.onnx")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *(folder / f"{name}.onnx" for name in BOMBS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (f"died of {list(BOMBS)[len(found)]}", done.returncode, done.stderr[-2000:])
    return {name: rest for name, *rest in found}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_with_the_reason_in_seconds_and_bounded_memory(answers, name):
    kind, message, seconds = answers[name]
    assert kind == "BadInputError", message
    assert f"{name}.onnx" in message or "seatrial.contract" in message
    assert BOMBS[name][1] in message
    assert len(message) < 2000
    assert seconds < 10


@pytest.mark.parametrize(
    ("op", "domain", "says"),
    [
        ("Quant", "onnx.brevitas", "export_onnx_qcdq"),
        ("Quant", "qonnx.custom_op.general", "export_onnx_qcdq"),
        ("TRT_FP8QuantizeLinear", "trt", "opset 19"),
        ("Conv", "com.microsoft.nchwc", "give the graph that it was made from"),
        ("ATen", "org.pytorch.aten", "dynamo=True"),
        ("Mystery", "my.company", "standard operators at export, or as a model-local function"),
    ],
)
def test_a_custom_operator_is_named_with_its_domain_and_a_way_out(tmp_path, op, domain, says):
    def change(model):
        model.opset_import.append(helper.make_opsetid(domain, 1))
        model.graph.node[1].op_type, model.graph.node[1].domain = op, domain

    with pytest.raises(UnsupportedError) as caught:
        exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)
    for part in ("m.onnx", "'relu1'", op, repr(domain), says):
        assert part in str(caught.value)


def test_a_custom_operator_in_a_subgraph_or_function_is_found(tmp_path):
    def change(model):
        model.opset_import.extend([helper.make_opsetid("local", 1), helper.make_opsetid("far", 1)])
        body = [helper.make_node("Hidden", ["x"], ["y"], domain="far", name="hidden")]
        imports = [helper.make_opsetid("far", 1)]
        model.functions.append(helper.make_function("local", "f", ["x"], ["y"], body, imports))
        model.graph.node[1].op_type, model.graph.node[1].domain = "f", "local"

    with pytest.raises(UnsupportedError, match="'hidden' is the custom operator Hidden"):
        exporters.load(changed(tmp_path / "m.onnx", change), contract=SMALL)


def test_functions_of_reasonable_size_are_expanded_and_compute_the_same(tmp_path):
    import numpy as np
    import onnxruntime as ort
    from bombs import functions
    from conftest import make_model

    model = exporters.load(changed(tmp_path / "m.onnx", lambda model: functions(model, 3, 2)), contract=SMALL)
    assert not model.proto.functions
    assert sum(node.op_type == "Relu" for node in model.proto.graph.node) == 9
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16), dtype=np.float32)
    plain = exporters.load(make_model(tmp_path / "p.onnx"), contract=SMALL)
    same = [ort.InferenceSession(one.onnx_bytes).run(None, {"input": x})[0] for one in (model, plain)]
    np.testing.assert_array_equal(*same)

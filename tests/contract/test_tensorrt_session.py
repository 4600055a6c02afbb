"""The path of a query through a session: buffers, batches, graph replay, phases; real cuda-python, a stub driver.

What runs is an engine that copies (tests/tensorrt_stubs/identity.py); a real one runs in tests/gpu/test_tensorrt.py.
"""

import pytest
import tensorrt_stubs as stubs

HEAD = """
import ctypes
import json
import numpy as np
from seatrial.engines.cuda import open_cuda
from seatrial.engines.tensorrt.session import Loading, Session
from seatrial.engines.tensorrt.v11 import V11
from seatrial.errors import BuildError, DeviceError
from tensorrt_stubs import identity
stub = ctypes.CDLL("libcuda.so.1")
cuda = open_cuda()
plan = json.dumps({"range": [1, 8], "tail": [5]}).encode()
images = np.random.default_rng(0).standard_normal((8, 5), dtype=np.float32)
"""


@pytest.fixture
def run(tmp_path):
    env = stubs.cuda_environment("cuda-13", tmp_path)
    return lambda code: stubs.run_python(HEAD + code, env)


def test_every_batch_comes_back_whatever_came_before(run):
    run("""
session = Session(identity, V11(), cuda, plan, Loading(8, 1))
for batch in (8, 1, 3, 1, 8, 2, 1, 1):
    part = images[-batch:]
    np.testing.assert_array_equal(session.run(part)["logits"], part)
first = session.run(images[:2])["logits"]
session.run(images[4:6])
np.testing.assert_array_equal(first, images[:2], "the caller owns what it was given")
session.close()
session.close()
assert (stub.stub_live(), stub.stub_depth()) == (0, 0)
""")


def test_the_single_query_is_replayed_and_not_queued_again(run):
    run("""
session = Session(identity, V11(), cuda, plan, Loading(8, 1))
assert session.replays and session.graph_missing is None
runs = identity.Context.runs
assert runs == 2  # once plainly, once captured
for image in images:
    np.testing.assert_array_equal(session.run(image[None])["logits"], image[None])
assert identity.Context.runs == runs
session.run(images[:2])
assert identity.Context.runs == runs + 1
session.close()
plain = Session(identity, V11(), cuda, plan, Loading(8, None))
runs = identity.Context.runs
np.testing.assert_array_equal(plain.run(images[:1])["logits"], images[:1])
assert (identity.Context.runs, plain.replays) == (runs + 1, False)
plain.close()
""")


def test_a_capture_that_is_refused_is_told_and_answers_are_right(run):
    run("""
identity.Context.refuses_capture = True
session = Session(identity, V11(), cuda, plan, Loading(8, 1))
assert not session.replays
assert "not permitted when stream is capturing" in session.graph_missing, session.graph_missing
np.testing.assert_array_equal(session.run(images[:1])["logits"], images[:1])
session.close()
assert stub.stub_live() == 0
""")


def test_a_plan_that_cannot_be_captured_is_not_captured(run):
    run("""
class Uncapturable(V11):
    def capturable(self, context, stream):
        return False
session = Session(identity, Uncapturable(), cuda, plan, Loading(8, 1))
assert session.graph_missing == "TensorRT says that this plan cannot be captured"
np.testing.assert_array_equal(session.run(images[:1])["logits"], images[:1])
session.close()
""")


def test_a_frozen_batch_has_one_context_and_its_own_graph(run):
    run("""
frozen = json.dumps({"range": [4, 4], "tail": [5]}).encode()
session = Session(identity, V11(), cuda, frozen, Loading(4, 4))
assert session.replays
runs = identity.Context.runs
np.testing.assert_array_equal(session.run(images[:4])["logits"], images[:4])
assert identity.Context.runs == runs
session.close()
assert stub.stub_live() == 0
""")


def test_phases_are_three_times_by_events(run):
    run("""
session = Session(identity, V11(), cuda, plan, Loading(8, 1))
for batch in (1, 8, 1):
    phases = session.phases(images[:batch])
    assert list(phases) == ["h2d", "compute", "d2h"]
    assert all(0 <= milliseconds < 1000 for milliseconds in phases.values())
np.testing.assert_array_equal(session.run(images[:1])["logits"], images[:1])
assert session.inspect() == "JSON at 1"
session.close()
assert stub.stub_live() == 0
""")


def test_a_prepared_request_needs_numpy_cuda_and_tensorrt_alone(run):
    """On a board there is no onnx package: what takes it was done before, or is done with what the engine tells."""
    run("""
import dataclasses
import sys
from seatrial.engines.base import BuildRequest
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.graph import Shown
from seatrial.engines.tensorrt import adapter
from seatrial.engines.tensorrt.engine import TensorRtEngine

class Copying(TensorRtEngine):
    module = "tensorrt_stubs.identity"

    @classmethod
    def version(cls):
        return "11.4.0"

    @classmethod
    def _compile(cls, request):
        return plan

asked = []
adapter.build_plan = lambda trt, dialect, request, timing, shown: asked.append((request, shown)) or plan
options = BuilderOptions(max_batch=8)
request = BuildRequest(b"a graph", "input", "logits", (5,), 5, device="cuda", builder=options, prepared="tensorrt")
with Copying(request) as engine:
    np.testing.assert_array_equal(engine.infer(images), images)
    assert engine.evidence("inspector")[0] == {"inspector": "JSON at 1"}
    found = engine.intermediates(images[:3], shown=Shown(None, ("first", "logits")))
    np.testing.assert_array_equal(found.pop("logits"), images[:3])
    assert found == {}
    assert asked == [(dataclasses.replace(request, fixed_batch=3), {"first", "logits"})]
assert not {"onnx", "ml_dtypes", "psutil", "google.protobuf"} & set(sys.modules)
""")


def test_two_sessions_do_not_share_anything(run):
    run("""
from concurrent.futures import ThreadPoolExecutor
sessions = [Session(identity, V11(), cuda, plan, Loading(8, None)) for _ in range(2)]
def ask(number):
    session, part = sessions[number % 2], images[number % 5 : number % 5 + 3]
    for _ in range(50):
        np.testing.assert_array_equal(session.run(part)["logits"], part)
with ThreadPoolExecutor(6) as pool:
    list(pool.map(ask, range(24)))
for session in sessions:
    session.close()
assert stub.stub_live() == 0
""")


def test_a_plan_that_cannot_be_loaded_is_a_build_error_and_leaks_nothing(run):
    run("""
try:
    Session(identity, V11(), cuda, b"other", Loading(8, 1))
except BuildError as error:
    assert "magic number does not match" in str(error)
else:
    raise AssertionError("loaded")
try:
    Session(identity, V11(), cuda, plan, Loading(9, 1))
except DeviceError as error:
    assert "does not take a batch of 9" in str(error)
else:
    raise AssertionError("a batch above the profile's was taken")
assert (stub.stub_live(), stub.stub_depth()) == (0, 0)
""")


def test_the_engine_answers_in_parts_describes_itself_and_frees_all(run):
    """The whole adapter, but for the build and TensorRT itself."""
    run("""
from seatrial.engines.base import BuildRequest
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.tensorrt.engine import TensorRtEngine
from seatrial.errors import UnsupportedError

class Copying(TensorRtEngine):
    module = "tensorrt_stubs.identity"

    @classmethod
    def version(cls):
        return "11.4.0"

    @classmethod
    def _compile(cls, request):
        return plan

request = BuildRequest(b"", "input", "logits", (5,), 5, device="cuda", builder=BuilderOptions(max_batch=8))
many = np.random.default_rng(1).standard_normal((21, 5), dtype=np.float32)
with Copying(request) as engine:
    np.testing.assert_array_equal(engine.infer(many), many)
    np.testing.assert_array_equal(engine.infer(many[:1]), many[:1])
    assert set(engine.phases(many)) == {"h2d", "compute", "d2h"}
    told = engine.describe()
    assert told["device_bytes"] > 0
    assert (told["integrated"], told["workspace_mib"]) == (False, None)
    assert json.loads(json.dumps(told)) == told
    assert (told["version"], told["gpu"], told["gpu_compute_capability"]) == ("11.4.0", "Stub GPU", "8.9")
    assert told["profile"] == {"min": 1, "opt": 1, "max": 8}
    assert (told["tf32"], told["cuda_graph"], told["cuda_graph_missing"]) == (False, True, None)
    assert told["cuda_library"] == "cuda-python"
    assert engine.cautions() == ()
    assert engine.save() == plan
    assert engine.evidence("inspector") == ({"inspector": "JSON at 1"}, [])
    try:
        engine.audit()
    except DeviceError as error:
        assert "inspector gave what cannot be read" in str(error)
    else:
        raise AssertionError("an audit of nothing")
assert (stub.stub_live(), stub.stub_depth(), stub.stub_retained()) == (0, 0, 1)  # `cuda`, opened above

import dataclasses
identity.Context.runs, identity.Context.refuses_capture = 0, True
with Copying(request) as engine:
    (caution,) = engine.cautions()
    assert caution.startswith("Single queries are not replayed as a CUDA graph, so they are slower: TensorRT refused")
    assert engine.describe()["cuda_graph"] is False
for precision, device, words in [
    ("fp8", "cuda:3", "no usable GPU 3"),
    ("w4a8", "cuda", "does not run w4a8"),
    ("fp32", "dla", "does not run fp32"),
]:
    try:
        Copying(dataclasses.replace(request, precision=precision, device=device))
    except UnsupportedError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)
assert stub.stub_retained() == 1
""")


def test_bfloat16_outputs_become_float32(run):
    """The engine copies float32 bytes; read as pairs of bfloat16, each is a float32 of the same upper half."""
    run("""
kinds = {"input": identity.DataType.FLOAT, "logits": identity.DataType.BF16}
identity.Engine.get_tensor_dtype = lambda self, name: kinds[name]
session = Session(identity, V11(), cuda, plan, Loading(8, None))
raw = session.run(images[:2])["logits"]
assert raw.dtype == np.float32
expected = images[:1].view(np.uint16).reshape(2, 5).astype(np.uint32) << 16
np.testing.assert_array_equal(raw, expected.view(np.float32))
session.close()
""")


def test_scratch_memory_has_a_limit_where_it_is_the_systems(run):
    run("""
import dataclasses
from seatrial.engines.cuda import DeviceInfo
from seatrial.engines.base import BuildRequest
from seatrial.engines.tensorrt.adapter import _workspace
request = BuildRequest(b"", "input", "logits", (5,), 5)
orin, card = DeviceInfo("Orin", (8, 7), 1 << 35, "12.6", integrated=True), cuda.info()
asked = dataclasses.replace(request, builder=dataclasses.replace(request.builder, workspace_mib=64))
assert [_workspace(one, gpu) for one in (request, asked) for gpu in (orin, card)] == [1024, None, 64, 64]
""")

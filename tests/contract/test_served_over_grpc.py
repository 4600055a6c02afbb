"""Engine `kserve` against a server over gRPC: the same bits as ONNX Runtime, and an error for all that it may do."""

import contextlib
import time

import numpy as np
import pytest
from certificates import certificate
from conftest import make_model

from seatrial import engines
from seatrial.engines import BuildRequest
from seatrial.engines.kserve import grpc as over_grpc
from seatrial.engines.kserve import retries
from seatrial.engines.kserve.credentials import ENDPOINT
from seatrial.errors import DeviceError

grpc = pytest.importorskip("grpc", reason="pip install grpcio")
served_grpc = pytest.importorskip("served_grpc")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("served") / "small.onnx")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSES", (0.0, 0.0, 0.0))


def request_of(model):
    return BuildRequest(model.read_bytes(), "input", "logits", (3, 16, 16), 4, precision="int8", device="grpc")


@pytest.fixture
def asking(model, monkeypatch):
    """Builds the engine on a server, as it is told."""
    with contextlib.ExitStack() as stack:

        def build(**more):
            url, served = stack.enter_context(served_grpc.serving(model, **more))
            monkeypatch.setenv(ENDPOINT, url)
            return stack.enter_context(engines.build("kserve", request_of(model))), served

        yield build


@pytest.fixture
def expected(model, batch):
    with engines.build("onnxruntime", BuildRequest(model.read_bytes(), "input", "logits", (3, 16, 16), 4)) as engine:
        return engine.infer(batch)


def test_the_answers_are_those_of_the_file(asking, batch, expected):
    engine, _ = asking()
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert engine.audit().realized() == {"unknown": 1.0}


def aborts(code):
    return lambda made, context: context.abort(code, "as it is\x1b[31m told")


def another_shape(made, context):
    made.outputs[0].shape[:] = [1, 3]
    return made


def lies_about_size(made, context):
    made.outputs[0].shape[:] = [1 << 40, 4]
    return made


def nan(made, context):
    count = len(made.raw_output_contents[0]) // 4
    made.raw_output_contents[0] = np.full(count, np.nan, np.float32).tobytes()
    return made


def labels(made, context):
    made.outputs[0].datatype = "INT64"
    return made


def further_contents(made, context):
    made.raw_output_contents.append(b"more")
    return made


def no_outputs(made, context):
    del made.outputs[:]
    return made


def huge(made, context):
    made.raw_output_contents[0] = bytes(8 << 20)
    return made


def too_large_for_grpc(made, context):
    made.raw_output_contents[0] = bytes(65 << 20)
    return made


def garbage(made, context):
    return b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("fault", "says", "asked"),
    [
        (aborts(grpc.StatusCode.UNAVAILABLE), "did not answer, asked 4 times: UNAVAILABLE", 4),
        (aborts(grpc.StatusCode.DEADLINE_EXCEEDED), "did not answer, asked 4 times: DEADLINE_EXCEEDED", 4),
        (aborts(grpc.StatusCode.INTERNAL), "answered INTERNAL: as it is", 1),
        (aborts(grpc.StatusCode.NOT_FOUND), "answered NOT_FOUND", 1),
        (another_shape, r"\[1, 3\]", 1),
        (lies_about_size, "bytes for FP32", 1),
        (nan, "NaN or infinite", 1),
        (labels, "INT64, which are no scores", 1),
        (further_contents, "outputs that are not there", 1),
        (no_outputs, "output", 1),
        (huge, "at most .* can be one", 1),
        (too_large_for_grpc, "RESOURCE_EXHAUSTED", 1),
        (garbage, "INTERNAL", 1),
    ],
)
def test_what_a_server_may_do_is_an_error_with_its_reason(asking, batch, fault, says, asked):
    engine, served = asking()
    engine.infer(batch)
    served.fault, before = fault, served.infers
    with pytest.raises(DeviceError, match=says) as told:
        engine.infer(batch)
    assert served.infers == before + asked
    assert all(line.isprintable() for line in str(told.value).split("\n"))


def test_one_that_hangs_is_given_up(asking, batch, monkeypatch):
    engine, served = asking()
    engine.infer(batch)
    monkeypatch.setattr(over_grpc, "QUERY_S", 0.2)
    served.fault = lambda made, context: time.sleep(1.0) or made
    with pytest.raises(DeviceError, match="asked 4 times: DEADLINE_EXCEEDED"):
        engine.infer(batch)


def test_one_that_is_gone_is_told_and_one_that_comes_back_is_asked(model, monkeypatch, batch, expected):
    with served_grpc.serving(model) as (url, served):
        monkeypatch.setenv(ENDPOINT, url)
        engine = engines.build("kserve", request_of(model))
        served.fault = lambda made, context: (
            made if served.infers != 2 else aborts(grpc.StatusCode.UNAVAILABLE)(made, context)
        )
        np.testing.assert_array_equal(engine.infer(batch), expected)
        np.testing.assert_array_equal(engine.infer(batch), expected)
    with engine, pytest.raises(DeviceError, match="did not answer, asked 4 times: UNAVAILABLE"):
        engine.infer(batch)


def test_who_is_not_known_is_told_how_to_say_who_asks(asking, monkeypatch, batch, expected):
    monkeypatch.setenv("SEATRIAL_KSERVE_TOKEN", "another-secret")
    with pytest.raises(DeviceError, match="refuses who asks") as told:  # the server says what it heard
        asking(token="the-secret")
    assert "another-secret" not in str(told.value)
    monkeypatch.setenv("SEATRIAL_KSERVE_TOKEN", "the-secret")
    engine, _ = asking(token="the-secret")
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert "the-secret" not in str(engine.describe())


def test_a_model_that_is_not_ready_is_told(asking, model, monkeypatch):
    with served_grpc.serving(model) as (url, served):
        monkeypatch.setenv(ENDPOINT, url)
        served.ready = False
        with pytest.raises(DeviceError, match="is not ready"):
            engines.ENGINES["kserve"].check_device("grpc")


def test_tls_is_checked_both_ways(model, tmp_path, monkeypatch, batch, expected):
    certificate(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1")
    certificate(tmp_path, "client")
    pair = ((tmp_path / "server.key").read_bytes(), (tmp_path / "server.pem").read_bytes())
    trusted = (tmp_path / "client.pem").read_bytes()
    tls = grpc.ssl_server_credentials([pair], root_certificates=trusted, require_client_auth=True)
    with served_grpc.serving(model, tls=tls) as (url, _):
        monkeypatch.setenv(ENDPOINT, url)
        with pytest.raises(DeviceError, match="UNAVAILABLE"):
            engines.build("kserve", request_of(model))
        monkeypatch.setenv("SEATRIAL_KSERVE_CA_FILE", str(tmp_path / "server.pem"))
        with pytest.raises(DeviceError):  # without a certificate of ours
            engines.build("kserve", request_of(model))
        monkeypatch.setenv("SEATRIAL_KSERVE_CERT_FILE", str(tmp_path / "client.pem"))
        monkeypatch.setenv("SEATRIAL_KSERVE_KEY_FILE", str(tmp_path / "client.key"))
        with engines.build("kserve", request_of(model)) as engine:
            np.testing.assert_array_equal(engine.infer(batch), expected)

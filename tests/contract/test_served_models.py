"""Engine `kserve` against a server over HTTP: the same bits as ONNX Runtime, and an error for all that a server may
do.
"""

import contextlib
import dataclasses
import itertools
import logging
import ssl
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import served_models
from certificates import certificate
from conftest import make_model
from served_models import after, redirects, serving, status

from seatrial import engines
from seatrial.engines import BuildRequest
from seatrial.engines.kserve import retries
from seatrial.engines.kserve.credentials import ENDPOINT
from seatrial.errors import DeviceError, UnsupportedError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("served") / "small.onnx")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture
def asking(model, monkeypatch):
    """Builds the engine on a server, as it is told."""
    with contextlib.ExitStack() as stack:

        def build(device="http", change=None, **more):
            url, served = stack.enter_context(serving(model, **more))
            monkeypatch.setenv(ENDPOINT, url)
            request = BuildRequest(
                model.read_bytes(), "input", "logits", (3, 16, 16), 4, precision="int8", device=device
            )
            engine = stack.enter_context(engines.build("kserve", dataclasses.replace(request, **(change or {}))))
            return engine, served

        yield build


@pytest.fixture
def expected(model, batch):
    with engines.build("onnxruntime", BuildRequest(model.read_bytes(), "input", "logits", (3, 16, 16), 4)) as engine:
        return engine.infer(batch)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {
            "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3, 16, 16]}],
            "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 4]}],
        },
    ],
)
def test_the_answers_are_those_of_the_file(asking, batch, expected, told):
    engine, _ = asking(told=told)
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert engine.audit().realized() == {"unknown": 1.0}
    assert engine.audit().share_as_requested() is None
    assert engine.describe()["data"] == "binary"
    assert engine.standing() == {"version": engine.version(), "answered_by": "m version 1", "asked_again": 0}


def test_a_server_that_refuses_bytes_is_asked_with_json_to_the_same_bits(asking, batch, expected, caplog):
    with caplog.at_level(logging.WARNING, logger="seatrial"):
        engine, served = asking(binary=False)
        np.testing.assert_array_equal(engine.infer(batch), expected)
        np.testing.assert_array_equal(engine.infer(batch), expected)
    assert engine.describe()["data"] == "json"
    assert len([one for one in caplog.records if "refuses binary data" in one.message]) == 1
    assert sum("Inference-Header-Content-Length" in heard for heard in served.heard) == 1


def test_json_has_no_float16(asking):
    with pytest.raises(DeviceError, match="FP16"):
        asking(binary=False, change={"input_dtype": "float16"})


def test_no_query_is_larger_than_the_server_takes(asking, batch, expected):
    engine, served = asking(config={"max_batch_size": 4})
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert served.sizes[-2:] == [4, 2]


def test_a_frozen_batch_is_filled_up(asking, batch, expected):
    told = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [4, 3, 16, 16]}]}
    engine, served = asking(told=told)
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert served.sizes == [4, 4, 4]  # one to see whether it answers


def test_several_threads_ask_at_once(asking, batch, expected):
    engine, _ = asking()
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(engine.infer, [batch] * 40):
            np.testing.assert_array_equal(found, expected)


def test_the_servers_own_clock_is_told_where_it_has_one(asking, batch):
    engine, _ = asking(stats=True)
    assert engine.phases(batch) == {"queue": 0.001, "h2d": 0.002, "compute": 0.003, "d2h": 0.004}
    engine, served = asking()
    assert engine.phases(batch) == engine.phases(batch) == {}
    assert sum(path.endswith("/stats") for path in served.paths) == 1


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_who_is_busy_is_asked_again_which_is_counted_and_told_once(asking, batch, expected, caplog, code):
    engine, served = asking()
    served.fault = lambda handler, number: number in (2, 3, 5) and not status(code)(handler)
    with caplog.at_level(logging.WARNING, logger="seatrial"):
        for _ in range(3):
            np.testing.assert_array_equal(engine.infer(batch), expected)
    assert engine.standing()["asked_again"] == 3
    (told,) = [one.message for one in caplog.records if "asked again" in one.message]
    assert f"asked again: {code} " in told
    assert "as it is told" in told


def test_a_connection_that_was_cut_is_opened_anew(asking, batch, expected):
    engine, served = asking()
    served.fault = lambda handler, number: number == 2 and not served_models.dies(handler)
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert engine.standing()["asked_again"] == 1


@pytest.mark.parametrize(
    ("fault", "says", "asked"),
    [
        (served_models.dies, "did not answer, asked 4 times", 4),
        (served_models.cut_short, "did not answer, asked 4 times", 4),
        (status(503), "did not answer, asked 4 times: 503", 4),
        (served_models.another_shape, r"expected floats \[6, 4\]|answered \[1, 3\] to 6", 1),
        (served_models.nan, r"answered \[1, 4\] to 6 images", 1),
        (served_models.labels, "INT64, which are no scores", 1),
        (served_models.lies_about_size, "bytes for FP32", 1),
        (served_models.garbage, "no JSON: it begins with '<html>", 1),
        (served_models.deep, "no JSON", 1),
        (served_models.huge, "more than the .* bytes that can be an answer", 1),
        (served_models.told_huge, "answers with 1125899906842624 bytes", 1),
        (served_models.no_http, "no HTTP", 1),
        (status(500), "500 Internal Server Error: as it is told", 1),
        (status(400), "400 Bad Request", 1),
        (status(413), "413", 1),
    ],
)
def test_what_a_server_may_do_is_an_error_with_its_reason(asking, batch, fault, says, asked):
    engine, served = asking()
    served.fault = after(1, fault)
    with pytest.raises(DeviceError, match=says) as told:
        engine.infer(batch)
    assert served.infers == 1 + asked
    assert all(line.isprintable() for line in str(told.value).split("\n"))


def test_scores_that_are_no_numbers_are_an_error(asking, batch):
    engine, served = asking()
    served.fault = after(1, served_models.nan)
    with pytest.raises(DeviceError, match="NaN or infinite"):
        engine.infer(batch[:1])


def test_no_redirect_is_followed(asking, batch, model):
    with serving(model) as (elsewhere, other):
        engine, served = asking()
        served.fault = after(1, redirects(elsewhere))
        with pytest.raises(DeviceError, match=r"redirects to .* not followed"):
            engine.infer(batch)
        assert not other.heard
        assert not other.paths


def test_who_is_not_known_is_told_how_to_say_who_asks(asking, monkeypatch, tmp_path, batch, expected):
    with pytest.raises(DeviceError, match="SEATRIAL_KSERVE_TOKEN") as told:
        asking(token="the-secret")
    assert "401" in str(told.value)
    monkeypatch.setenv("SEATRIAL_KSERVE_TOKEN", "another-secret")
    with pytest.raises(DeviceError, match="refuses who asks") as told:  # the server says what it heard
        asking(token="the-secret")
    assert "another-secret" not in str(told.value)
    monkeypatch.setenv("SEATRIAL_KSERVE_TOKEN", "the-secret")
    engine, _ = asking(token="the-secret")
    np.testing.assert_array_equal(engine.infer(batch), expected)
    assert "the-secret" not in str(engine.describe())


def test_another_version_that_answers_is_seen(asking, batch):
    engine, served = asking()
    served.version = "2"
    with pytest.raises(DeviceError, match="is answered by m version 2, and was by m version 1"):
        engine.infer(batch)


def test_two_servers_behind_one_address_are_seen(asking):
    engine, served = asking()
    turns = itertools.count()
    served.server_version = lambda: f"1.{next(turns) % 2}"
    with pytest.raises(DeviceError, match="several that tell otherwise"):
        engine.standing()


def test_a_model_that_is_not_ready_is_told(model, monkeypatch):
    with serving(model) as (url, served):
        monkeypatch.setenv(ENDPOINT, url)
        served.ready = False
        with pytest.raises(DeviceError, match="did not answer, asked 4 times: 503"):
            engines.ENGINES["kserve"].check_device("http")


def test_without_an_endpoint_the_flag_is_told():
    with pytest.raises(UnsupportedError, match="--place"):
        engines.ENGINES["kserve"].check_support("int8", "http")


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 32, 32]}]}, "3, 32, 32"),
        ({"outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 10]}]}, "4 classes"),
    ],
)
def test_a_model_that_is_another_is_told_before_it_is_asked(asking, told, says):
    with pytest.raises(UnsupportedError, match=says):
        asking(told=told)


def test_tls_is_checked_both_ways(model, tmp_path, monkeypatch, batch, expected):
    certificate(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1")
    certificate(tmp_path, "client")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    request = BuildRequest(model.read_bytes(), "input", "logits", (3, 16, 16), 4, precision="int8", device="http")
    with serving(model, tls=context) as (url, _):
        monkeypatch.setenv(ENDPOINT, url)
        with pytest.raises(DeviceError, match="SEATRIAL_KSERVE_CA_FILE"):
            engines.build("kserve", request)
        monkeypatch.setenv("SEATRIAL_KSERVE_CA_FILE", str(tmp_path / "server.pem"))
        with pytest.raises(DeviceError):  # without a certificate of ours
            engines.build("kserve", request)
        monkeypatch.setenv("SEATRIAL_KSERVE_CERT_FILE", str(tmp_path / "client.pem"))
        monkeypatch.setenv("SEATRIAL_KSERVE_KEY_FILE", str(tmp_path / "client.key"))
        with engines.build("kserve", request) as engine:
            np.testing.assert_array_equal(engine.infer(batch), expected)
    monkeypatch.setenv("SEATRIAL_KSERVE_CA_FILE", str(tmp_path / "server.key"))
    with pytest.raises(UnsupportedError, match="cannot be used"):
        engines.build("kserve", request)

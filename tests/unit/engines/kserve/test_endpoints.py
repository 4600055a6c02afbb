"""Where a served model is, what opens its door, and whether it fits."""

import dataclasses
import json

import pytest

from seatrial.engines import BuildRequest
from seatrial.engines.kserve.credentials import ENDPOINT, credentials_here, environment_for
from seatrial.engines.kserve.described import described_of
from seatrial.engines.kserve.endpoint import Endpoint, endpoint_of
from seatrial.engines.kserve.fit import Fit, fitted
from seatrial.engines.kserve.statistics import statistics_of
from seatrial.engines.places.environment import without_credentials
from seatrial.errors import DeviceError, UnsupportedError, UsageError

REQUEST = BuildRequest(b"", "input", "logits", (3, 16, 16), 4)


@pytest.mark.parametrize(
    ("text", "name", "parts"),
    [
        ("http://h:8000/v2/models/m", "h-8000-m", ("http", False, "h", 8000, "", "m", None)),
        ("http://h/v2/models/m/versions/3/", "h-80-m-v3", ("http", False, "h", 80, "", "m", "3")),
        ("https://a.b/ns/x/v2/models/m", "a.b-443-m", ("http", True, "a.b", 443, "/ns/x", "m", None)),
        ("https://a.b/v2/models/v2/v2/models/m", "a.b-443-m", ("http", True, "a.b", 443, "/v2/models/v2", "m", None)),
        ("grpc://h:8001/m", "h-8001-m", ("grpc", False, "h", 8001, "", "m", None)),
        ("grpcs://h/m/versions/2", "h-443-m-v2", ("grpc", True, "h", 443, "", "m", "2")),
        ("http://[::1]:8000/v2/models/m", "1-8000-m", ("http", False, "::1", 8000, "", "m", None)),
        ("prod=http://h:8000/v2/models/m", "prod", ("http", False, "h", 8000, "", "m", None)),
    ],
)
def test_an_address_and_its_name(text, name, parts):
    found = endpoint_of(text)
    assert found.name == name
    assert dataclasses.astuple(found.address) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:8000",
        "http://h:8000/v2/models/",
        "http://h:8000/m",
        "http:///v2/models/m",
        "http://h:port/v2/models/m",
        "http://h:99999/v2/models/m",
        "http://h:8000/v2/models/m/infer",
        "http://h:8000/v2/models/m?token=secret",
        "http://h:8000/v2/models/m#secret",
        "http://h:8000/v2/models/..",
        "http://h:8000/../v2/models/m",
        "http://h:8000/v2/models/m%2fx",
        "http://h\r\n:8000/v2/models/m",
        "http://h:8000/v2/models/m\n",
        "http://[fe80::1%eth0]:8000/v2/models/m",
        "grpc://h/m",
        "file:///etc/passwd",
        "ftp://h/v2/models/m",
        "-o=http://h:8000/v2/models/m",
        "a b=http://h:8000/v2/models/m",
        f"{'x' * 65}=http://h:8000/v2/models/m",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError) as told:
        endpoint_of(text)
    assert "secret" not in str(told.value)
    assert str(told.value).isprintable()


@pytest.mark.parametrize("url", ["http://me:secret@h:8000/v2/models/m", "http://secret@h:8000/v2/models/m"])
def test_a_password_in_an_address_is_refused_and_not_told(url):
    with pytest.raises(UsageError, match="SEATRIAL_KSERVE_TOKEN") as told:
        endpoint_of(url)
    assert "secret" not in str(told.value)


SAFE = Endpoint("prod", "https://h/v2/models/m")
OTHER = Endpoint("b", "https://other/v2/models/m")


def test_a_token_goes_to_the_endpoint_alone():
    given = {"PATH": "/bin", "SEATRIAL_KSERVE_TOKEN": "secret", "SEATRIAL_KSERVE_CA_FILE": "ca"}
    assert without_credentials(given) == {"PATH": "/bin"}
    assert environment_for(SAFE, (), given) == {**given, ENDPOINT: SAFE.url}


def test_a_token_without_a_name_is_for_one_host():
    given = {"SEATRIAL_KSERVE_TOKEN": "secret"}
    same = Endpoint("b", "https://h/v2/models/other")
    assert environment_for(SAFE, [same], given)["SEATRIAL_KSERVE_TOKEN"] == "secret"
    with pytest.raises(UnsupportedError, match="SEATRIAL_KSERVE_TOKEN_PROD") as told:
        environment_for(SAFE, [OTHER], given)
    assert "secret" not in str(told.value)


def test_a_token_with_a_name_is_for_that_endpoint():
    given = {"SEATRIAL_KSERVE_TOKEN_PROD": "one", "SEATRIAL_KSERVE_TOKEN_FILE_B": "two"}
    assert environment_for(SAFE, [OTHER], given) == {"SEATRIAL_KSERVE_TOKEN": "one", ENDPOINT: SAFE.url}
    assert environment_for(OTHER, [SAFE], given) == {"SEATRIAL_KSERVE_TOKEN_FILE": "two", ENDPOINT: OTHER.url}


@pytest.mark.parametrize("variable", ["SEATRIAL_KSERVE_TOKEN", "SEATRIAL_KSERVE_TOKEN_FILE_PROD"])
def test_a_token_is_not_sent_where_it_can_be_read(variable):
    for host in ("h", "10.0.0.1", "localhost.evil"):
        with pytest.raises(UnsupportedError, match="not encrypted"):
            environment_for(Endpoint("prod", f"http://{host}:80/v2/models/m"), (), {variable: "secret"})
    for host in ("localhost", "127.0.0.1", "127.8.0.1", "[::1]"):
        assert environment_for(Endpoint("prod", f"http://{host}:80/v2/models/m"), (), {variable: "secret"})


@pytest.mark.parametrize("content", [b"", b"two words", b"line\nline", "ä".encode(), b"x" * 70000])
def test_what_is_no_token_is_not_sent(content, tmp_path):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(UnsupportedError):
        credentials_here({"SEATRIAL_KSERVE_TOKEN_FILE": str(path)}).bearer()
    if content and len(content) < 100:
        with pytest.raises(UnsupportedError):
            credentials_here({"SEATRIAL_KSERVE_TOKEN": content.decode()})


def test_a_token_file_is_read_each_time(tmp_path):
    path = tmp_path / "token"
    found = credentials_here({"SEATRIAL_KSERVE_TOKEN_FILE": str(path)})
    for token in ("one", "two"):
        path.write_text(f"{token}\n")
        assert found.bearer() == token
    assert found.redacted("you sent two, didn't you") == "you sent ..., didn't you"
    path.unlink()
    with pytest.raises(UnsupportedError, match="cannot be read"):
        found.bearer()


def test_no_token_stands_in_a_representation():
    assert "secret" not in repr(credentials_here({"SEATRIAL_KSERVE_TOKEN": "secret"}))


def described(model, config=None, server=None):
    return described_of(server or {"name": "s", "version": "1"}, {"name": "m", **model}, config, SAFE.address)


def tensor(name="input", datatype="FP32", shape=(-1, 3, 16, 16)):
    return {"name": name, "datatype": datatype, "shape": list(shape)}


SCORES = tensor("logits", shape=(-1, 4))


@pytest.mark.parametrize(
    ("model", "config", "fit"),
    [
        ({}, None, ("input", "FP32", None, None, 5461)),
        ({"inputs": [tensor("x")], "outputs": [tensor("y", shape=(-1, 4))]}, None, ("x", "FP32", "y", None, 5461)),
        ({"inputs": [tensor(shape=(-1, 3, -1, -1))]}, None, ("input", "FP32", None, None, 5461)),
        ({"inputs": [tensor(shape=(8, 3, 16, 16))]}, None, ("input", "FP32", None, 8, 8)),
        ({"inputs": [tensor()]}, {"max_batch_size": 16}, ("input", "FP32", None, None, 16)),
        ({"inputs": [tensor()]}, {"max_batch_size": "16"}, ("input", "FP32", None, None, 16)),
        ({"inputs": [tensor(shape=("-1", "3", "16", "16"))]}, {}, ("input", "FP32", None, None, 5461)),
        ({"outputs": [tensor("boxes", shape=(-1, 7)), SCORES]}, None, ("input", "FP32", "logits", None, 5461)),
        ({"outputs": [tensor("y", "FP16", (-1, 4, 1, 1))]}, None, ("input", "FP32", "y", None, 5461)),
    ],
)
def test_what_is_served_and_what_is_asked_fit(model, config, fit):
    assert fitted(REQUEST, described(model, config), "E") == Fit(*fit)


@pytest.mark.parametrize(
    ("model", "config", "says"),
    [
        (
            {"inputs": [tensor(datatype="UINT8")]},
            None,
            r"takes input UINT8 \[-1, 3, 16, 16\]; .* FP32 \[N, 3, 16, 16\]",
        ),
        ({"inputs": [tensor(shape=(-1, 16, 16, 3))]}, None, "size and layout"),
        ({"inputs": [tensor(shape=(3, 16, 16))]}, None, "without a batch"),
        ({"inputs": [tensor(), tensor("other")]}, None, "has 2 inputs"),
        ({"inputs": [tensor(shape=(8, 3, 16, 16))]}, {"max_batch_size": 4}, "at most 4"),
        ({"outputs": [tensor("a"), tensor("b")]}, None, "has 2 outputs"),
        ({"outputs": [tensor("y", shape=(-1, 1000))]}, None, "has 4 classes"),
        ({"outputs": [tensor("y", "INT64", (-1,))]}, None, "Labels alone"),
        ({"outputs": [tensor("y", "FP32", ())]}, None, "4 classes"),
    ],
)
def test_what_does_not_fit_is_told_with_both_sides(model, config, says):
    with pytest.raises(UnsupportedError, match=says):
        fitted(REQUEST, described(model, config), "Endpoint E")


@pytest.mark.parametrize(
    ("server", "model", "config"),
    [
        ([], {}, None),
        ({"name": {"a": 1}}, {}, None),
        ({}, [], None),
        ({}, {"inputs": {}}, None),
        ({}, {"inputs": [{}]}, None),
        ({}, {"inputs": [tensor()] * 100}, None),
        ({}, {"inputs": [tensor(shape=[1] * 99)]}, None),
        ({}, {"inputs": [tensor(shape=[1e400])]}, None),
        ({}, {"name": "x" * 1000}, None),
        ({}, {"versions": [[]]}, None),
        ({}, {}, {"max_batch_size": "many"}),
        ({}, {}, []),
    ],
)
def test_metadata_that_are_none_are_a_device_error(server, model, config):
    with pytest.raises(DeviceError, match="metadata"):
        described_of(server, model, config, SAFE.address)


def test_names_are_made_printable():
    found = described({"inputs": [tensor("\x1b[2J")]}, server={"name": "\x1b]0;x\x07", "version": "1"})
    assert found.server.isprintable()
    assert str(found.inputs[0]).isprintable()


def test_the_identity_holds_all_that_is_told_and_with_a_version_no_other():
    known = described({"versions": ["1"]})
    assert known.identity(SAFE.address).startswith("s 1, m version 1, metadata ")
    for other in (
        described({"versions": ["1", "2"]}),
        described({"versions": ["1"], "platform": "x"}),
        described({"versions": ["1"]}, {"max_batch_size": 1}),
        described({"versions": ["1"]}, server={"name": "s", "version": "2"}),
    ):
        assert other.identity(SAFE.address) != known.identity(SAFE.address)
    third = Endpoint("c", "https://h/v2/models/m/versions/3").address
    told = [described_of({}, {"versions": versions}, None, third).identity(third) for versions in (["3"], ["3", "4"])]
    assert told[0] == told[1]
    assert "version 3" in told[0]


@pytest.mark.parametrize(
    "found", [None, [], {}, {"model_stats": []}, {"model_stats": [{}]}, {"model_stats": 3}, {"model_stats": [None]}]
)
def test_what_are_no_statistics_tell_nothing(found):
    assert statistics_of(found) is None


def test_statistics_of_one_query_between_two_looks():
    def told(count, ns):
        parts = {name: {"ns": str(ns)} for name in ("queue", "compute_input", "compute_infer", "compute_output")}
        return statistics_of({"model_stats": [{"inference_stats": {"success": {"count": count}, **parts}}]})

    once = told(2, 3_000_000).since(told(1, 1_000_000))
    assert json.dumps(once) == '{"queue": 2.0, "h2d": 2.0, "compute": 2.0, "d2h": 2.0}'
    assert told(3, 3).since(told(1, 1)) == {}  # another asked, too

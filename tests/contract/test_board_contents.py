"""What a board has of its own: graphs that are brought there once, each named by its hash, and what it built."""

import dataclasses
import hashlib
import os

import numpy as np
import pytest
from piped import piped

from seatrial.engines import BuildRequest
from seatrial.engines.build_cache import Entry, keep_within, read_entry, write_entry
from seatrial.engines.places import EngineProcess, PlacedEngine
from seatrial.engines.places.contents import named_content
from seatrial.engines.places.place import ProcessLink
from seatrial.errors import DeviceError

CONTENT = b"a graph" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_BLOBS", str(tmp_path))
    return tmp_path


@pytest.fixture
def request_small(model_file):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


def test_a_file_is_named_by_its_hash(folder):
    (folder / DIGEST).write_bytes(CONTENT)
    assert named_content({"blob": DIGEST}) == CONTENT


NO_DIGESTS = ["", "../x", "/etc/passwd", DIGEST.upper(), DIGEST + "/", DIGEST[:-1], None, 3, "0" * 64]


@pytest.mark.parametrize("name", NO_DIGESTS)
def test_what_is_no_hash_names_nothing(folder, name):
    (folder / DIGEST).write_bytes(CONTENT)
    with pytest.raises(DeviceError, match=r"No file can be named|No such file"):
        named_content({"blob": name})


def test_another_content_is_refused(folder):
    (folder / DIGEST).write_bytes(CONTENT[:-1])
    with pytest.raises(DeviceError, match=f"The file {DIGEST[:12]} that was brought here is another one now"):
        named_content({"blob": DIGEST})


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_what_is_no_file_is_refused_at_once(folder, make):
    make(folder / DIGEST)
    with pytest.raises(DeviceError):
        named_content({"blob": DIGEST})


def test_nothing_is_named_where_no_folder_is(monkeypatch):
    monkeypatch.delenv("SEATRIAL_BLOBS", raising=False)
    with pytest.raises(DeviceError, match="No file can be named"):
        named_content({"blob": DIGEST})


def test_a_graph_is_brought_once_and_built_from_its_name(folder, request_small, monkeypatch):
    """As a board's link does it: the file lies there before the message that names it."""
    given = []

    def give(self, content):
        digest = hashlib.sha256(content).hexdigest()
        given.append(digest)
        (folder / digest).write_bytes(content)
        return {"blob": digest}

    batch = np.random.default_rng(0).standard_normal((6, 3, 16, 16), dtype=np.float32)
    with EngineProcess("onnxruntime") as process:
        here = PlacedEngine(process, request_small)
        expected, values, audit = here.infer(batch), here.intermediates(batch[:2], ["r1"]), here.audit()
    monkeypatch.setattr(ProcessLink, "give", give)
    with EngineProcess("onnxruntime", place=piped()) as process:
        process.compile(request_small)
        there = PlacedEngine(process, request_small)
        np.testing.assert_array_equal(there.infer(batch), expected)
        assert there.audit() == audit
        for _ in range(3):
            np.testing.assert_array_equal(there.intermediates(batch[:2], ["r1"])["r1"], values["r1"])
        assert given == [hashlib.sha256(request_small.onnx_bytes).hexdigest()] * 2 + given[2:]
        assert len(given) == 3  # the one that shows r1 is sent once
        monkeypatch.setattr(ProcessLink, "give", lambda self, content: {"blob": given[0]})
        (folder / given[0]).write_bytes(b"something else")
        with pytest.raises(DeviceError, match="another one now"):
            PlacedEngine(process, request_small)


def test_a_board_keeps_what_it_builds_in_a_folder_of_its_own(tmp_path, request_small, monkeypatch):
    own, hosts = tmp_path / "own", tmp_path / "hosts"
    monkeypatch.setenv("SEATRIAL_ENGINES", str(own))
    request = dataclasses.replace(request_small, cache=hosts)
    for from_cache in (False, True):
        with EngineProcess("openvino", place=piped()) as process:
            assert PlacedEngine(process, request).from_cache == from_cache
    assert len(list(own.iterdir())) == 1
    assert not hosts.exists()
    monkeypatch.setenv("SEATRIAL_ENGINES_BYTES", "1")
    with EngineProcess("openvino", place=piped()) as process:
        assert not PlacedEngine(process, dataclasses.replace(request, precision="int8")).from_cache
    assert len(list(own.iterdir())) == 1  # the other one had to go


def test_without_a_cache_a_board_keeps_nothing(tmp_path, request_small, monkeypatch):
    monkeypatch.setenv("SEATRIAL_ENGINES", str(tmp_path / "own"))
    with EngineProcess("openvino", place=piped()) as process:
        assert not PlacedEngine(process, request_small).from_cache
    assert not (tmp_path / "own").exists()


def test_what_was_used_last_stays(tmp_path):
    for number in range(4):
        write_entry(tmp_path, str(number), Entry(bytes(1000), 1.0, False))
        os.utime(tmp_path / f"{number}.engine", (number, number))
    assert read_entry(tmp_path, "0") is not None
    (tmp_path / "a folder").mkdir()
    keep_within(tmp_path, 2500)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.engine", "3.engine", "a folder"]
    keep_within(tmp_path, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.engine", "a folder"]
    keep_within(tmp_path / "nowhere", 0)

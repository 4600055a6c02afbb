"""Only regular files are opened, and only they are replaced: a pipe or a device ends with words, at once."""

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from conftest import bench, make_folders, make_model

from seatrial.artefacts import read_artefact
from seatrial.errors import BadInputError, DamagedError, UsageError
from seatrial.files import file_digest, open_regular, read_json, write_text
from seatrial.harness.conditions.kinds.corruption.released import NpySource
from seatrial.harness.data import labeller, open_source, open_unlabelled
from seatrial.harness.records.checked import read_table
from seatrial.harness.spec.yaml_file import read_yaml

ENDLESS = Path("/dev/zero")


@pytest.fixture(autouse=True)
def _in_time():
    """What waits for a pipe would wait for ever."""

    def late(*_):
        raise AssertionError("It waits.")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "m.onnx")
    make_folders(tmp_path / "test", images=2)
    make_folders(tmp_path / "calib", images=2, seed=1)
    for name in ("pipe", "pipe.npz", "pipe.yaml", "pipe.onnx", "pipe.py"):
        os.mkfifo(name)
    return tmp_path


MODEL = "--model m.onnx --size 16"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (f"{MODEL} --data pipe", "pipe is a named pipe: neither a folder nor"),
        (f"{MODEL} --data pipe.npz", "pipe.npz is a named pipe: neither a folder nor"),
        (f"{MODEL} --data /dev/zero", "/dev/zero is a device: neither a folder nor"),
        (f"{MODEL} --data test --calib pipe.npz", "pipe.npz is a named pipe"),
        (f"{MODEL} --data test --unlabelled --calib pipe", "pipe is a named pipe"),
        (f"{MODEL} --data test --calib calib --classes pipe", "no class file pipe"),
        (f"{MODEL} --data test --calib calib --gate pipe.yaml", "cannot be read: it is a named pipe"),
        ("--model pipe.onnx --size 16 --data test", "no model file pipe.onnx"),
        ("--model pipe.py:net --size 16 --data test", "no file pipe.py"),
        ("--config pipe.yaml", "cannot be read: it is a named pipe"),
        ("--config /dev/zero", "cannot be read: it is a device"),
        ("--boards /dev/zero --board pi", "cannot be read: it is a device"),
        ("trial /dev/zero --out o", "it is a device"),
        ("trial pipe --out o", "it is a named pipe"),
        ("report pipe", "holds no run"),
        (f"contract {MODEL} --data pipe", "pipe is a named pipe"),
    ],
)
def test_commands_name_what_is_no_file(world, words, says):
    done = bench(words.split())
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_among_images(world, kind):
    path = world / "test/class1/zz.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("test/class1/zz.jpg")
    else:
        try:
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root makes devices")
    for opened in (open_source, open_unlabelled):
        with pytest.raises(BadInputError, match=rf"zz.jpg lies among the images but is a (named )?{kind}"):
            opened(world / "test", 4, labeller(4))


def test_an_image_that_becomes_a_pipe(world):
    source = open_source(world / "test", 4, labeller(4))
    path = world / "test" / source.ids[0]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadInputError, match="cannot be read any more: it is a named pipe"):
        list(source.stream([0]))
    with pytest.raises(BadInputError, match="cannot be read any more: it is a named pipe"):
        list(source.digests([0]))


def test_every_reader_refuses_them(world):
    pipe = world / "pipe"
    for read, error in (
        (file_digest, OSError),
        (open_regular, OSError),
        (read_json, BadInputError),
        (read_table, DamagedError),
        (lambda path: read_yaml(path, "--gate", "a gate"), UsageError),
        (lambda path: NpySource(path, 1, 4), BadInputError),
    ):
        for path in (pipe, ENDLESS, world):
            with pytest.raises(error, match=r"named pipe|device|a folder"):
                read(path)
    assert read_artefact(pipe) is None  # which is made again


def test_a_device_is_not_replaced(world):
    Path("link").symlink_to("/dev/null")
    for path in (Path("/dev/null"), world / "link", world / "pipe"):
        before = path.stat()
        with pytest.raises(UsageError, match=r"Cannot write .*: it is a (device|named pipe)"):
            write_text(path, "text")
        assert os.path.samestat(before, path.stat())
    assert not list(Path("/dev").glob(".tmp-*"))
    done = bench(["diff", *MODEL.split(), "--data", "test", "--calib", "calib", "--json", "/dev/null"])
    assert done.returncode == 2
    assert "it is a device" in done.stderr
    assert Path("/dev/null").is_char_device()


def test_a_regular_file_is_read_whole(world):
    content = np.random.default_rng(0).bytes(3 << 20)
    (world / "file").write_bytes(content)
    Path("link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(world / name) as stream:
            assert stream.read() == content

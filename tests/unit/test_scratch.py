"""What fails for want of room in a temporary folder says so, whatever the runtime called it."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest
from small_disk import fill, small_disk

from seatrial.engines.onnxruntime import OnnxRuntimeEngine
from seatrial.engines.places import build
from seatrial.errors import BuildError, UsageError
from seatrial.files import temporary_beside
from seatrial.scratch import scratch, sweep_scratch


@pytest.fixture
def full(tmp_path, monkeypatch):
    """The temporary folder, on a disk without room."""
    with small_disk(tmp_path / "small", 1) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        fill(disk)
        yield disk


def test_a_folder_goes_away_with_what_is_in_it():
    with scratch() as folder:
        (folder / "file").write_bytes(b"1")
    assert not folder.exists()


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal; from seatrial.scratch import scratch\nwith scratch(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with scratch() as mine:
        (tmp_path / "of another program").mkdir()
        sweep_scratch()
        assert {path.name for path in tmp_path.iterdir()} == {mine.name, "of another program"}
        assert mine.stat().st_mode & 0o777 == 0o700


def test_an_engine_that_is_killed_while_it_builds_leaves_nothing(tmp_path, monkeypatch, request_small):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with build("onnxruntime", request_small) as engine:
        left = temporary_beside(tmp_path / "seatrial")
        pid = engine.process._link.process.pid
        left = left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{pid}-"))
        left.mkdir()
        sweep_scratch()
        assert left.exists()
        os.kill(pid, signal.SIGKILL)
    assert not left.exists()


def test_want_of_room_is_told_in_place_of_a_runtimes_words(full):
    told = r"Cannot write .*small: the disk is full; .*TMPDIR. \(Protobuf failed\)"
    with pytest.raises(UsageError, match=told), scratch():
        raise BuildError("Protobuf failed")
    with pytest.raises(UsageError, match="the disk is full"), scratch() as folder:
        (folder / "file").write_bytes(bytes(1 << 20))
    assert [path.name for path in full.iterdir()] == ["ballast"]


def test_with_room_an_error_stays_what_it_is(full):
    (full / "ballast").unlink()
    with pytest.raises(BuildError, match=r"^Protobuf failed$"), scratch():
        raise BuildError("Protobuf failed")


def test_an_engine_that_cannot_write_what_it_built(full, model_file, request_small):
    with pytest.raises(UsageError, match=r"the disk is full; .*\(ONNX Runtime cannot build"):
        OnnxRuntimeEngine(request_small)

"""Two runs on one directory."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys

import pytest

from seatrial.errors import UsageError
from seatrial.harness.records.lock import LOCK, locked

HOLD = """
import sys
from pathlib import Path
from seatrial.harness.records.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_holds_it_until_that_is_gone(tmp_path):
    root = tmp_path / "run"
    root.mkdir()
    (root / "run.json").write_text("")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=rf"in use by process {other.pid} on \S+\. Wait"), locked(root):
            pass
        assert (root / LOCK).exists()
        other.kill()
        other.wait()
        assert (root / LOCK).exists()
        with locked(root) as alone:
            assert alone
            assert (root / LOCK).read_text().startswith(f"process {os.getpid()} on ")
            with pytest.raises(UsageError, match="in use"), locked(root):
                pass
    assert [path.name for path in root.iterdir()] == ["run.json"]


def test_no_empty_folder_stays(tmp_path):
    with locked(tmp_path / "a/b"):
        assert (tmp_path / "a/b").is_dir()
    assert not (tmp_path / "a").exists()
    with locked(tmp_path / "a/b"):
        (tmp_path / "a/b/run.json").write_text("")
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["run.json"]


def test_the_lock_of_whoever_has_the_name_now_stays(tmp_path):
    root, first = tmp_path / "run", contextlib.ExitStack()
    first.enter_context(locked(root))
    root.rename(tmp_path / "moved")
    with locked(root) as alone:
        first.close()
        assert alone
        with pytest.raises(UsageError, match="in use"), locked(root):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_what_a_hostile_lock_says_is_not_repeated(tmp_path):
    with (tmp_path / LOCK).open("w") as other:
        other.write("\x1b[2J rm -rf")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="in use by another run"), locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path) as alone:
        assert not alone
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write"), locked(tmp_path / "file/run"):
        pass

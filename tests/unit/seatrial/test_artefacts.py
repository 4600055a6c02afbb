"""What is kept between runs: whole, or made again."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from seatrial.artefacts import read_artefact, write_artefact
from seatrial.cache import sweep_cache
from seatrial.engines.build_cache import Entry, read_entry, write_entry
from seatrial.files import is_leftover, temporary_beside
from seatrial.harness.progress import Silent, telling

DAY_AGO = 25 * 3600


def test_an_artefact_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "deep/key.engine"
    assert read_artefact(path) is None
    for content in (b"", b"\n\n\x00", np.random.default_rng(0).bytes(10_000)):
        write_artefact(path, content, {"build_s": 0.1})
        found = read_artefact(path)
        assert (found.content, found.facts) == (content, {"build_s": 0.1})


def test_no_bit_of_an_artefact_changes_unseen_and_each_is_told(tmp_path, caplog):
    path = tmp_path / "key.model"
    write_artefact(path, b"weights", {"precision": "int8"})
    whole = path.read_bytes()
    for index in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[index // 8] ^= 1 << index % 8
        path.write_bytes(changed)
        caplog.clear()
        assert read_artefact(path) is None
        assert f"{path} is damaged" in caplog.text
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert read_artefact(path) is None


def test_an_artefact_is_not_read_under_another_name(tmp_path):
    write_entry(tmp_path, "a", Entry(b"engine", 1.5, False))
    assert read_entry(tmp_path, "a") == Entry(b"engine", 1.5, True)
    (tmp_path / "a.engine").rename(tmp_path / "b.engine")
    assert read_entry(tmp_path, "b") is None


def test_what_the_layers_below_warn_of_is_told(tmp_path):
    said = []
    progress = Silent()
    progress.tell = said.append
    (tmp_path / "x").write_bytes(b"?")
    with telling(progress):
        read_artefact(tmp_path / "x")
    read_artefact(tmp_path / "x")
    assert said == [f"{tmp_path / 'x'} is damaged (its checksum does not hold), and is made again."]
    assert not any("Telling" in type(one).__name__ for one in logging.getLogger("seatrial").handlers)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path))
    return tmp_path


def test_leftovers_of_dead_processes_alone_are_swept(cache):
    named = "from seatrial.files import temporary_beside; from pathlib import Path; print(temporary_beside(Path('x')))"
    dead = subprocess.run([sys.executable, "-c", named], capture_output=True, text=True, check=True)
    gone = [cache / dead.stdout.strip(), cache / "a/.tmp-elsewhere-1-ab-x", cache / "scratch/tmpabc"]
    kept = [temporary_beside(cache / "a/x"), cache / "a/.tmp-elsewhere-2-ab-x", cache / "scratch/tmpdef", cache / "a/x"]
    for path in (*gone, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    for path in (*gone[1:], kept[-1]):
        old = path.stat().st_mtime - DAY_AGO
        os.utime(path, (old, old))
    partial = temporary_beside(cache / "demo-v1")
    (partial / "test").mkdir(parents=True)
    sweep_cache()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (*kept, partial / "test"))
    old = partial.stat().st_mtime - DAY_AGO
    os.utime(partial, (old, old))
    assert is_leftover(partial)
    sweep_cache()
    assert not partial.exists()

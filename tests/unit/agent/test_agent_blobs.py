from __future__ import annotations

import os
import shutil
import threading
import time

import numpy as np
import pytest
from agent_host import AgentHost, AgentPlace, Window, digest
from small_disk import fill, small_disk

from seatrial.agent import frames
from seatrial.agent.blobs import Blobs
from seatrial.agent.refusals import ViolationError
from seatrial.agent.uploads import Upload
from seatrial.engines.places import EngineProcess


def content_of(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def folder(home):
    return home / ".cache" / "seatrial" / "blobs"


def begin_part(host, content, size):
    """Sends the first bytes and no more."""
    answers = host.begin("blob", sha256=digest(content), size=len(content))
    first = answers.get(timeout=60)
    host.granted[0, first["lane"]] = Window()
    host.send(frames.BLOB, content[first["have"] : first["have"] + size], 0, first["lane"])
    path = folder(host.home) / f"{digest(content)}.part"
    end = time.monotonic() + 60
    while path.stat().st_size < first["have"] + size and time.monotonic() < end:
        time.sleep(0.01)
    return first


@pytest.mark.parametrize("size", [0, 1, frames.MOST, 3 * frames.WINDOW + 17])
def test_a_file_is_sent_once(tmp_path, size):
    content = content_of(size)
    with AgentHost(tmp_path) as host:
        first, last = host.upload(content)
        assert (first.get("have"), last) == (0, {"done": True})
        assert host.upload(content)[0] == {"done": True}
    assert [path.name for path in folder(tmp_path).iterdir()] == [digest(content)]
    assert (folder(tmp_path) / digest(content)).read_bytes() == content
    assert (folder(tmp_path) / digest(content)).stat().st_mode & 0o077 == 0
    with AgentHost(tmp_path) as host:
        assert host.upload(content)[0] == {"done": True}


def test_what_arrived_before_a_cut_is_not_sent_again(tmp_path):
    content = content_of(2 << 20)
    with AgentHost(tmp_path) as host:
        begin_part(host, content, frames.MOST)
        begin_part_again = host.ask("blob", sha256=digest(content), size=len(content))
        assert begin_part_again["error"] == "busy"
        os.kill(host.hello["pid"], 9)
    with AgentHost(tmp_path) as host:
        first, last = host.upload(content)
        assert (first["have"], last) == (frames.MOST, {"done": True})
    assert (folder(tmp_path) / digest(content)).read_bytes() == content


def test_content_that_is_not_what_its_name_says_is_removed(tmp_path):
    content = content_of(1 << 20)
    with AgentHost(tmp_path) as host:
        assert host.upload(content, sha256="0" * 64)[1]["error"] == "damaged"
        assert not list(folder(tmp_path).iterdir())
        folder(tmp_path).joinpath(f"{digest(content)}.part").write_bytes(b"\0" * 1000)  # a part that was damaged
        assert host.upload(content)[1]["error"] == "damaged"
        assert host.upload(content)[1] == {"done": True}
    (folder(tmp_path) / digest(content)).write_bytes(content[:-1] + b"?")
    with AgentHost(tmp_path) as host:
        first, last = host.upload(content)
        assert (first["have"], last) == (0, {"done": True})
    assert (folder(tmp_path) / digest(content)).read_bytes() == content


def test_a_part_that_is_longer_than_the_file_is_begun_anew(tmp_path):
    content = content_of(1000)
    folder(tmp_path).mkdir(parents=True)
    folder(tmp_path).joinpath(f"{digest(content)}.part").write_bytes(b"\0" * 2000)
    with AgentHost(tmp_path) as host:
        first, last = host.upload(content)
        assert (first["have"], last) == (0, {"done": True})


def test_what_was_not_used_for_longest_goes_first_and_what_is_in_use_stays(tmp_path):
    contents = [content_of(1000, seed) for seed in range(5)]
    with AgentHost(tmp_path, hello={"cache_bytes": 6000}) as host:
        for seed, content in enumerate(contents[:3]):
            assert host.upload(content)[1] == {"done": True}
            os.utime(folder(tmp_path) / digest(content), (1000 + seed, 1000 + seed))
        assert "raise cache_bytes" in host.upload(contents[3])[1]["says"]  # all are of this run
        assert host.upload(content_of(3001))[1]["error"] == "refused"
    with AgentHost(tmp_path, hello={"cache_bytes": 6000}) as host:
        assert host.upload(contents[0])[0] == {"done": True}  # is the youngest from now on
        assert host.upload(contents[3])[1] == {"done": True}
        assert {path.name for path in folder(tmp_path).iterdir()} == {digest(contents[index]) for index in (0, 2, 3)}
        with AgentHost(tmp_path, hello={"cache_bytes": 6000}) as second:
            assert second.upload(contents[4])[1] == {"done": True}
        assert {path.name for path in folder(tmp_path).iterdir()} == {digest(contents[index]) for index in (0, 3, 4)}


@pytest.fixture
def disk(tmp_path):
    """A home that is soon full."""
    with small_disk(tmp_path / "small") as found:
        yield found


def test_a_full_disk_is_told_before_anything_is_sent_and_while_it_is(disk):
    with AgentHost(disk) as host:
        free = host.hello["cache_free_bytes"]
        assert 0 < free < 4 << 20
        first, last = host.upload(content_of(5 << 20))
        assert first == last
        assert (first["error"], "is full" in first["says"]) == ("disk full", True)
        content = content_of(frames.MOST * 4)
        begin_part(host, content, frames.MOST)
        fill(disk)
        lane = host.begin("blob", sha256=digest(b""), size=0).get(timeout=60)  # another is not hurt
        assert lane.get("done") or "lane" in lane
        host.send(frames.BLOB, content[frames.MOST : 2 * frames.MOST], 0, 1)
        answers = host._answers[2]
        found = answers.get(timeout=60)
        assert (found["error"], "No space left" in found["says"]) == ("disk full", True)
        assert not list(folder(disk).glob("*.part"))
        (disk / "ballast").unlink()
        assert host.upload(content)[1] == {"done": True}
        assert host.ask("lease", wait_s=0)["held"]


def test_a_disk_too_small_for_the_agent_is_told(disk):
    fill(disk)
    with AgentHost(disk) as host:
        assert not host.started
        assert "No space left" in host.lines[-1]["says"]
    (disk / "ballast").unlink()
    with AgentHost(disk) as host:
        assert host.started


class Nowhere:
    """Where nobody hears what a thread says."""

    def post(self, call):
        pass


def test_a_lane_of_blobs_has_a_window(tmp_path):
    content = content_of(3 * frames.WINDOW)
    slow = threading.Event()

    class SlowDisk(Blobs):
        def has(self, sha256):
            return not slow.wait(20)

    upload = Upload(1, 0, digest(content), len(content), SlowDisk(tmp_path, 1 << 30), Nowhere())
    for at in range(0, frames.WINDOW, frames.MOST):
        upload.put(content[at : at + frames.MOST])
    with pytest.raises(ViolationError, match="more of a file than there was room for"):
        upload.put(b"x")
    slow.set()


@pytest.mark.parametrize("sha256", ["../../etc/passwd", "A" * 64, "0" * 63, "", "0" * 64 + "\n"])
def test_names_that_are_none_are_refused(tmp_path, sha256):
    with AgentHost(tmp_path) as host:
        assert host.ask("blob", sha256=sha256, size=1)["error"] == "bad ask"
        assert host.ask("blob", sha256="0" * 64, size=-1)["error"] == "bad ask"


def test_links_in_the_folder_lead_nowhere(tmp_path):
    content = content_of(100)
    folder(tmp_path).mkdir(parents=True)
    (tmp_path / "target").write_bytes(b"old")
    (folder(tmp_path) / f"{digest(content)}.part").symlink_to(tmp_path / "target")
    with AgentHost(tmp_path) as host:
        assert host.ask("blob", sha256=digest(content), size=100)["error"] == "refused"
    assert (tmp_path / "target").read_bytes() == b"old"


def test_an_engine_is_served_while_a_file_comes(tmp_path):
    content = content_of(8 << 20)
    with AgentHost(tmp_path) as host:
        host.ask("lease", wait_s=0)
        with EngineProcess("null", place=AgentPlace(host)) as process:
            begin_part(host, content, 1000)
            assert process.about().installed
    shutil.rmtree(folder(tmp_path))

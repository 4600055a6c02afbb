"""However a run ends, nothing that runs is left on the board."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from agent_host import AgentHost, AgentPlace, left_of, processes

from seatrial.agent import frames
from seatrial.engines.places import EngineProcess, build
from seatrial.errors import SeatrialError


def hung(host, request_small, batch):
    """An engine that keeps Python's lock, and so hears of no end; its process."""
    engine = build("sleeps", request_small, place=AgentPlace(host))

    def ask():
        with pytest.raises((SeatrialError, ValueError)):
            engine.infer(batch)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    return engine, thread, host.links[1].answers.get(timeout=60)["pid"]


def no_more(home, *pids):
    assert not left_of(home)
    end = time.monotonic() + 60
    for pid in pids:
        while _runs(pid):
            assert time.monotonic() < end
            time.sleep(0.01)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    "how", ["hangs up", "agent killed", "agent and guardian killed", "silence", "SIGTERM", "SIGHUP"]
)
def test_no_process_is_left(tmp_path, unruly, request_small, batch, how):
    with AgentHost(tmp_path, hello={"silence_s": 1.0} if how == "silence" else None) as host:
        assert host.ask("lease", wait_s=0)["held"]
        engine, thread, pid = hung(host, request_small, batch)
        agent, guardian = host.hello["pid"], host.process.pid
        assert set(processes(tmp_path)) == {agent, guardian, pid}
        begin = time.monotonic()
        if how == "hangs up":
            host.process.stdin.close()
        elif how == "agent killed":
            os.kill(agent, signal.SIGKILL)
        elif how == "agent and guardian killed":
            os.kill(guardian, signal.SIGSTOP)
            os.kill(agent, signal.SIGKILL)
            os.kill(guardian, signal.SIGKILL)
        elif how == "silence":
            host.send = lambda *frame: None
        else:
            os.kill(guardian, signal.Signals[how])
        assert host.gone.wait(60)
        no_more(tmp_path, agent, pid)
        assert time.monotonic() - begin < 20
        thread.join()
        engine.close()
        words = {
            "silence": "The host said nothing for 1 s.",
            "SIGTERM": "The agent got SIGTERM.",
            "SIGHUP": "The agent got SIGHUP.",
        }
        assert host.last_words == words.get(how)
        assert host.process.wait(60) == (
            0 if how not in ("agent killed", "agent and guardian killed") else host.process.returncode
        )
    with AgentHost(tmp_path) as host:
        assert host.ask("lease", wait_s=0)["held"]


def test_a_host_that_was_stopped_for_long_and_comes_back_finds_nobody(tmp_path):
    with AgentHost(tmp_path, hello={"silence_s": 0.5}) as host:
        host.ask("lease", wait_s=0)
        os.kill(host.hello["pid"], signal.SIGSTOP)
        time.sleep(1)
        os.kill(host.hello["pid"], signal.SIGCONT)  # what the host said meanwhile lies there
        assert host.ask("lease", wait_s=0)["held"]


def test_a_guardian_that_is_gone_ends_the_agent(tmp_path):
    with AgentHost(tmp_path) as host:
        host.ask("lease", wait_s=0)
        with EngineProcess("null", place=AgentPlace(host)) as process:
            process.about()
            os.kill(host.process.pid, signal.SIGKILL)
            assert host.gone.wait(60)
            assert "guardian was ended" in host.last_words
            no_more(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff" * 9, "a frame of kind 255"),
        (frames.HEAD.pack(frames.DATA, 1, 0, frames.MOST + 1), f"a frame of kind 5 and {frames.MOST + 1} bytes"),
        (frames.head(frames.ANSWER, 2) + b"{}", "a frame of kind 4"),
        (frames.head(frames.ASK, 3) + b"[1]", "no object"),
        (frames.head(frames.ASK, 4) + b"\xff\xfe{}", "no JSON"),
        (frames.head(frames.ASK, 200_000) + b"[" * 200_000, "no JSON"),
        (frames.head(frames.ASK, 15) + b'{"ask":"lease"}', "asked without a number"),
        (frames.head(frames.BLOB, 1, 0, 3) + b"x", "was not asked for"),
        (frames.head(frames.DATA, 1, 1, 9) + b"x", "named lane 9"),
        (frames.head(frames.TAKEN, 1, 1, 0) + b"x", "no count"),
        (frames.head(frames.TAKEN, 4, 1, 0) + b"\xff\xff\xff\xff", "took more of a lane than it was sent"),
        (frames.head(frames.HELLO, 2) + b"{}", "a frame of kind 1"),
    ],
)
def test_a_host_that_is_none_ends_the_agent_quietly(tmp_path, content, says):
    with AgentHost(tmp_path) as host:
        host.ask("lease", wait_s=0)
        with EngineProcess("null", place=AgentPlace(host)) as process:
            process.about()
            with host._lock:
                host.write(content)
            assert host.gone.wait(60)
            assert says in host.last_words
            assert host.process.wait(60) == 0
            assert host.process.stderr.read() == b""
    no_more(tmp_path)


def test_more_than_a_window_of_a_lane_is_no_hosts(tmp_path, unruly, request_small, batch):
    with AgentHost(tmp_path) as host:
        host.ask("lease", wait_s=0)
        engine, thread, _ = hung(host, request_small, batch)
        for _ in range(frames.WINDOW // frames.MOST + 4):
            host.send(frames.DATA, b"x" * frames.MOST, 1, 0)
        assert host.gone.wait(60)
        assert "more of a lane than there was room for" in host.last_words
        thread.join()
        engine.close()
    no_more(tmp_path)


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        ({"seatrial": "9.9"}, "The host is seatrial '9.9' (agent 1)"),
        ({"agent": 2}, "they do not fit"),
        ({"environment": {"A B": "c"}}, "is no environment"),
        ({"environment": {"A": "\0"}}, "must be a text"),
        ({"lease_s": -1}, "lease_s is -1"),
        ({"silence_s": True}, "silence_s is True"),
        ({"cache_bytes": 1e300}, "cache_bytes is 1e+300"),
    ],
)
def test_a_hello_that_does_not_fit_is_told(tmp_path, hello, says):
    with AgentHost(tmp_path, hello=hello) as host:
        assert host.gone.wait(60)
        assert says in host.last_words
    no_more(tmp_path)


def test_a_first_frame_that_is_no_hello_ends_the_agent(tmp_path):
    with AgentHost(tmp_path, hello={"agent": 1, "x": "y" * 10}) as host:
        assert host.ask("lease", wait_s=0)["held"]
    with AgentHost(tmp_path, reads=False, first=frames.BEAT) as host:
        kind, engine, _, body = host.frame()
        assert (kind, engine) == (frames.ENDED, 0)
        assert b"first frame is no hello" in body
    no_more(tmp_path)

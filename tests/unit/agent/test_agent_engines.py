from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from agent_host import AgentHost, AgentPlace, left_of, processes

from seatrial import engines
from seatrial.agent import frames
from seatrial.engines.places import EngineProcess, Limits, PlacedEngine, build
from seatrial.engines.places.wire import send
from seatrial.errors import EngineDiedError

PATIENT = Limits(call_s=60, memory_bytes=1 << 29)


def served(host, number=1):
    """The process of an engine."""
    return host.links[number].answers.get(timeout=20)["pid"]


@pytest.mark.parametrize("name", ["null", "onnxruntime"])
def test_answers_are_those_of_this_process(board, request_small, batch, name):
    batches = [np.roll(batch, shift) * (1 + shift) for shift in range(12)]
    with engines.build(name, request_small) as here:
        expected = [here.infer(one) for one in batches]
    place = AgentPlace(board)
    with EngineProcess(name, lanes=3, place=place) as first, EngineProcess(name, lanes=2, place=place) as second:
        both = [PlacedEngine(first, request_small), PlacedEngine(second, request_small)]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda index: both[index % 2].infer(batches[index // 2]), range(24)))
        assert not board.ends
    for index, answer in enumerate(found):
        np.testing.assert_array_equal(answer, expected[index // 2])
    assert board.ends == {1: {"outcome": None, "says": None, "status": 0}, 2: board.ends[1]}


def test_more_than_a_window_travels_both_ways(board, request_small):
    large = np.random.default_rng(1).standard_normal((2000, 3, 16, 16), dtype=np.float32)
    assert large.nbytes > frames.WINDOW
    with (
        engines.build("onnxruntime", request_small) as here,
        build("onnxruntime", request_small, place=AgentPlace(board)) as there,
    ):
        np.testing.assert_array_equal(there.infer(large), here.infer(large))
        (name,) = [name for name, value in here.intermediates(large[:1]).items() if value.size == 16 * 16 * 16][:1]
        shown = there.intermediates(large, [name])[name]
        assert shown.nbytes > 2 * frames.WINDOW
        np.testing.assert_array_equal(shown, here.intermediates(large, [name])[name])


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        ("segfaults", "crashed", r"crashed \(signal 11, SIGSEGV\)(.|\n)*about to read address 0"),
        ("exits", "crashed", "ended with exit status 7"),
        ("eats", "out of memory", r"took more than 0.5 GiB of memory, its limit, and was ended"),
        ("sleeps", "hung", "did not answer within 1.5 s"),
        ("lies", "crashed", "sent what is no answer"),
    ],
)
def test_how_an_engine_ends_is_told_and_the_others_go_on(board, unruly, request_small, batch, name, outcome, says):
    place = AgentPlace(board)
    limits = dataclasses.replace(PATIENT, call_s=1.5) if outcome == "hung" else PATIENT
    with (
        build("onnxruntime", request_small, place=place) as other,
        build(name, request_small, limits, place=place) as engine,
    ):
        expected = other.infer(batch)
        with pytest.raises(EngineDiedError, match=says) as caught:
            engine.infer(batch)
        assert caught.value.outcome == outcome
        np.testing.assert_array_equal(other.infer(batch), expected)
        assert served(board, 2) not in processes(board.home)


def test_an_engine_that_reads_nothing_holds_up_no_other(board, unruly, request_small, batch):
    place = AgentPlace(board)
    limits = Limits(call_s=60)
    with (
        build("sleeps", request_small, limits, lanes=2, place=place) as hung,
        build("onnxruntime", request_small, place=place) as other,
    ):
        errors = []

        def ask():
            with pytest.raises(ValueError, match="closed while it answered") as caught:
                hung.infer(np.zeros((6000, 3, 16, 16), np.float32))
            errors.append(caught)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        begin = time.monotonic()
        for _ in range(20):
            other.infer(batch)
        assert time.monotonic() - begin < 20
        begin = time.monotonic()
        hung.close()
        assert time.monotonic() - begin < 20
        for thread in threads:
            thread.join()
        assert len(errors) == 2


def test_a_host_that_does_not_read_holds_up_no_beat(tmp_path):
    """What engines say waits in the engines, whatever the host takes of it."""
    with AgentHost(tmp_path, reads=False, hello={"silence_s": 2}) as host:
        host.send(frames.ASK, b'{"id": 1, "ask": "lease", "wait_s": 0}')
        assert host.frame()[0] == frames.ANSWER
        for number in range(2, 10):
            host.send(frames.ASK, b'{"id": 2, "ask": "start", "engine": %d, "lanes": 1, "memory_bytes": null}' % number)
        found: list[int] = []
        while found.count(frames.DATA) < 8 or found[-1] != frames.BEAT:  # each engine's hello
            found.append(host.frame()[0])


def test_output_without_end_does_not_block(board, unruly, request_small, batch):
    with build("babbles", request_small, place=AgentPlace(board)) as engine:
        for _ in range(3):
            assert engine.infer(batch).shape == (6, 4)


def test_what_an_engine_started_ends_with_the_run_in_whichever_group(tmp_path, unruly, request_small, batch):
    with AgentHost(tmp_path) as host:
        host.ask("lease", wait_s=0)
        with build("spawns", request_small, place=AgentPlace(host)) as engine:
            engine.infer(batch)
            assert "sleep 60 " in processes(tmp_path).values()
        host.leave()
    assert not left_of(tmp_path)


def test_what_an_engine_left_talking_does_not_hide_its_end(board, unruly, request_small, batch):
    with (
        build("leaves-a-talker", request_small, place=AgentPlace(board)) as engine,
        pytest.raises(EngineDiedError, match="ended with exit status 7"),
    ):
        engine.infer(batch)


def test_an_engine_has_the_hosts_environment_and_a_number_of_its_own(tmp_path):
    with AgentHost(tmp_path, environment={"SEATRIAL_A_TEST": "a b"}) as host:
        refused = host.ask("start", engine=1, lanes=1, memory_bytes=None)
        assert refused["error"] == "no lease"
        host.ask("lease", wait_s=0)
        with EngineProcess("null", place=AgentPlace(host)) as process:
            process.about()
            environment = Path(f"/proc/{served(host)}/environ").read_bytes().split(b"\0")
            assert b"SEATRIAL_A_TEST=a b" in environment
            assert f"SEATRIAL_BLOBS={tmp_path}/.cache/seatrial/blobs".encode() in environment
            assert f"SEATRIAL_ENGINES_BYTES={1 << 29}".encode() in environment
            assert f"SEATRIAL_ENGINES={tmp_path}/.cache/seatrial/engines".encode() in environment
            assert host.ask("start", engine=1, lanes=1, memory_bytes=None)["says"] == "There was an engine 1 already."
        assert host.ask("start", engine=1, lanes=1, memory_bytes=None)["error"] == "bad ask"


def test_an_engine_that_is_no_more_is_passed_over(board):
    for kind in (frames.DATA, frames.CLOSE, frames.TAKEN):
        board.send(kind, b"\0\0\0\0" if kind != frames.CLOSE else b"", 77, 0)
    assert board.ask("lease", wait_s=0)["held"]


def test_a_close_of_all_lets_engines_leave_and_tells_how_they_ended(board):
    with EngineProcess("null", place=AgentPlace(board)) as process:
        process.about()
        board.send(frames.CLOSE)
        assert board.gone.wait(60)
        assert board.ends == {1: {"outcome": None, "says": None, "status": 0}}
        assert board.process.wait(60) == 0


def test_messages_reach_an_engine_that_starts_slowly(board):
    """They may follow the ask at once."""
    with EngineProcess("null", place=AgentPlace(board)) as process:
        send(process._link.channels[0], {"ask": "about"})
        assert process.about().installed

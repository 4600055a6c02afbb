"""Engines answer the same on a board as here, and what a runtime does there is told as truly."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest
from conftest import ROOT

from seatrial import engines
from seatrial.engines import ENGINES, Engine
from seatrial.engines.boards.places import Places
from seatrial.engines.cpu import processor
from seatrial.engines.places import LOCAL, EngineProcess, Limits, PlacedEngine, build
from seatrial.engines.timing.block import Block
from seatrial.errors import BuildError, DeviceError, EngineDiedError, UnsupportedError
from seatrial.harness.pipeline.feeding import FEEDER

QUICK = Limits(start_s=60, build_s=60, call_s=1.5, memory_bytes=256 << 20)


@contextlib.contextmanager
def a_board(ssh_server, lease):
    lease_file = str(ssh_server.folder / lease)
    board = ssh_server.board("pi5", python=ssh_server.wrapper(PYTHONPATH=str(ROOT / "tests")), lease_file=lease_file)
    with Places({"pi5": board}) as places:
        yield places.of("pi5")


@pytest.fixture(scope="module")
def place(ssh_server):
    """One connection for all: what an engine does there, the next does not feel."""
    with a_board(ssh_server, "lease-of-all") as place:
        yield place
    assert ssh_server.wait_until_empty(10) == []


@pytest.fixture
def place_of_its_own(ssh_server):
    with a_board(ssh_server, "lease-of-one") as place:
        yield place


@pytest.mark.parametrize("name", ["null", "onnxruntime", "openvino"])
def test_an_engine_is_the_same_on_a_board(place, name, request_small, batch):
    with (
        engines.build(name, request_small) as here,
        EngineProcess(name, lanes=2, place=place) as process,
    ):
        assert process.check("fp32", "cpu") == ENGINES[name].version()
        there = PlacedEngine(process, request_small)
        np.testing.assert_array_equal(there.infer(batch), here.infer(batch))
        assert there.version == ENGINES[name].version()
        assert there.there.processor == processor()
        assert there.describe() == here.describe()
        assert there.cautions() == here.cautions()
        there.prepare([batch[:1], batch[1:2]], 0.01)
        assert (there.time(Block("single-stream", queries=20)).taken > 0).all()
        if ENGINES[name].save is not Engine.save:
            assert len(there.save()) == there.engine_bytes


def test_a_board_is_asked_what_is_there(place):
    assert place.engine("ort") == LOCAL.engine("onnxruntime")
    assert place.facts() == LOCAL.facts()
    assert place.board.name == "pi5"
    assert place.hello["machine"] == os.uname().machine


def test_large_batches_over_several_lanes_arrive_whole(place, request_small):
    rng = np.random.default_rng(0)
    batches = [rng.standard_normal((2000, 3, 16, 16), dtype=np.float32) for _ in range(4)]
    with (
        engines.build("onnxruntime", request_small) as here,
        EngineProcess("onnxruntime", lanes=3, place=place) as process,
    ):
        there = PlacedEngine(process, request_small)
        found = [None] * len(batches)

        def ask(index):
            found[index] = there.infer(batches[index])

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(batches))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for ours, theirs in zip(map(here.infer, batches), found, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_content_is_taken_to_a_board_once(place):
    content = np.random.default_rng(0).bytes(9 << 20)
    with EngineProcess("null", place=place) as process:
        named = process._link.give(content)
        assert process._link.give(content) == named
    assert list(named) == ["blob"]


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        (
            "segfaults",
            "crashed",
            r"at board pi5 crashed \(signal 11, SIGSEGV\)(.|\n)*about to read address 0(.|\n)*Segmentation fault",
        ),
        ("sleeps", "hung", r"did not answer within 1\.5 s"),
        ("eats", "out of memory", r"took more than 0\.25 GiB of memory, its limit"),
        ("exits", "crashed", "ended with exit status 7"),
        ("lies", "crashed", "sent what is no answer"),
        ("dribbles", "hung", r"did not answer within 1\.5 s"),
    ],
)
def test_what_a_runtime_does_on_a_board_stays_there(
    unruly, place, ssh_server, request_small, batch, name, outcome, says
):
    limits = QUICK if name != "eats" else Limits(memory_bytes=QUICK.memory_bytes)
    with build("onnxruntime", request_small, place=place) as other:
        with build(name, request_small, limits, place=place) as engine:
            assert engine.infer(batch[:1]).shape == (1, 4)
            before = len(ssh_server.processes())
            with pytest.raises(EngineDiedError, match=says) as caught:
                engine.infer(batch)
            assert caught.value.outcome == outcome
            with pytest.raises(EngineDiedError, match=says):
                engine.infer(batch[:1])
            assert len(ssh_server.processes()) < before
        assert other.infer(batch).shape == (6, 4)


def test_what_a_runtime_prints_does_not_reach_the_wire(unruly, place, request_small, batch):
    with build("babbles", request_small, QUICK, place=place) as engine:
        for _ in range(3):
            np.testing.assert_array_equal(engine.infer(batch), np.zeros((6, 4), np.float32))


def test_an_engine_that_hangs_holds_up_no_other(unruly, place, request_small):
    """Its lanes are full, and nobody reads them."""
    large = np.zeros((2500, 3, 16, 16), np.float32)
    with (
        build("sleeps", request_small, lanes=2, place=place) as hangs,
        build("onnxruntime", request_small, place=place) as other,
    ):
        stuck = [threading.Thread(target=_infer_in_vain, args=(hangs, large)) for _ in range(2)]
        for thread in stuck:
            thread.start()
        time.sleep(0.3)
        assert other.infer(large).shape == (2500, 4)
        began = time.monotonic()
        hangs.close()
        assert time.monotonic() - began < 8
        for thread in stuck:
            thread.join(5)
            assert not thread.is_alive()
        assert other.infer(large).shape == (2500, 4)


def _infer_in_vain(engine, batch):
    with contextlib.suppress(ValueError, DeviceError):
        engine.infer(batch)


def test_what_cannot_be_built_is_told(place, request_small):
    import dataclasses

    with pytest.raises(BuildError, match="ONNX Runtime cannot build"):
        build("onnxruntime", dataclasses.replace(request_small, onnx_bytes=b"nothing"), place=place)


def test_a_killed_connection_ends_its_engines_and_is_told(place_of_its_own, ssh_server, request_small, batch):
    place = place_of_its_own
    engine = build("onnxruntime", request_small, place=place)
    os.kill(place.connection._ssh.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(EngineDiedError, match=r"pi5 was cut off: ssh ended \(signal 9, SIGKILL\)") as caught:
            engine.infer(batch)
        assert caught.value.outcome == "cut off"
    with pytest.raises(DeviceError, match="Board pi5 was cut off"):
        build("onnxruntime", request_small, place=place)
    engine.close()


def test_a_board_that_another_run_holds_is_refused_or_waited_for(ssh_server):
    board = ssh_server.board("pi5")
    with Places({"pi5": board}) as first, Places({"pi5": board}) as second, Places({"pi5": board}, wait_s=30) as third:
        first.of("pi5")
        for _ in range(2):
            with pytest.raises(
                UnsupportedError, match=rf"Board pi5 is held by .* pid {os.getpid()} \(there as .*, lease"
            ):
                second.of("pi5")
        threading.Timer(0.5, first.close).start()
        began = time.monotonic()
        assert third.of("pi5").facts().cores >= 1
        assert time.monotonic() - began > 0.4


def test_waiting_for_a_board_ends(ssh_server):
    board = ssh_server.board("pi5")
    with Places({"pi5": board}) as first, Places({"pi5": board}, wait_s=0.5) as second:
        first.of("pi5")
        with pytest.raises(UnsupportedError, match=r"was not let go within 0\.5 s"):
            second.of("pi5")


def test_a_board_has_nothing_that_decodes(place, request_small):
    with build("null", request_small, place=place) as engine, pytest.raises(UnsupportedError, match="decodes images"):
        engine.feed(FEEDER, {}, [np.zeros(8, np.uint8)])

"""An engine in its own process answers as one without, and whatever its runtime does stays there."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from conftest import ROOT

from seatrial import engines
from seatrial.engines import BuildRequest
from seatrial.engines.places import Arena, EngineProcess, Limits, PlacedEngine, build
from seatrial.engines.timing.block import Block
from seatrial.errors import BuildError, DeviceError, EngineDiedError, UnsupportedError


@pytest.fixture
def request_small(model_file):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


@pytest.mark.parametrize("name", ["null", "onnxruntime", "openvino", "pytorch"])
def test_it_answers_as_an_engine_in_this_process(name, request_small, batch):
    with engines.build(name, request_small) as here, build(name, request_small) as there:
        np.testing.assert_array_equal(there.infer(batch), here.infer(batch))
        assert there.audit() == here.audit()
        assert there.describe() == here.describe()
        assert there.cautions() == here.cautions()
        # OpenVINO numbers its operators, so that the file grows by a few digits.
        assert there.engine_bytes == pytest.approx(here.engine_bytes, rel=0.01)
        assert there.build_s > 0
        if name != "null":
            ours, theirs = here.intermediates(batch[:1]), there.intermediates(batch[:1])
            assert list(ours) == list(theirs)
            for value in ours:
                np.testing.assert_array_equal(ours[value], theirs[value])


def test_batches_may_lie_in_shared_memory(request_small, batch):
    arena = Arena(batch.nbytes, 2)
    with EngineProcess("onnxruntime", arena=arena) as process:
        engine = PlacedEngine(process, request_small)
        for scale in (1, 2):
            with arena.slot() as slot:
                np.testing.assert_array_equal(engine.infer(slot.put(batch * scale)), engine.infer(batch * scale))
    arena.close()


def test_several_calls_run_at_once(request_small, batch):
    with EngineProcess("onnxruntime", lanes=4) as process:
        engine = PlacedEngine(process, request_small)
        expected = [engine.infer(batch * scale) for scale in range(8)]
        found = [None] * 8

        def ask(index):
            for _ in range(5):
                found[index] = engine.infer(batch * index)

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_time_is_that_of_the_engine(request_small, batch):
    with build("onnxruntime", request_small) as engine:
        assert 0 < engine.prepare([batch[:1], batch[1:2]], 0.01) < 60
        np.testing.assert_array_equal(
            engine.expected(), np.concatenate([engine.infer(batch[i : i + 1]) for i in (0, 1)])
        )
        timed = engine.time(Block("single-stream", queries=50))
        for values in (timed.begin, timed.taken, timed.service):
            assert values.shape == (50,)
            assert values.dtype == np.int64
        assert (timed.taken > 0).all()
        assert (timed.checked, timed.wrong) == (50, 0)
        assert not engine.unsteady().any()
        assert engine.phases(0) == {}


def test_errors_come_back_as_they_are(request_small, batch):
    import dataclasses

    with pytest.raises(BuildError, match="ONNX Runtime cannot build"):
        build("onnxruntime", dataclasses.replace(request_small, onnx_bytes=b"nothing"))
    with pytest.raises(UnsupportedError, match="no device 'tpu'"):
        build("onnxruntime", dataclasses.replace(request_small, device="tpu"))
    with build("onnxruntime", request_small) as engine:
        with pytest.raises(ValueError, match="takes float32"):
            engine.infer(batch.astype(np.float64))
        with pytest.raises(DeviceError, match="NaN or infinite"):
            engine.infer(np.full_like(batch, np.nan))
        with (
            pytest.raises(UnsupportedError, match="no file of its own") if not engine_saves("onnxruntime") else quiet()
        ):
            engine.save()
        assert engine.infer(batch).shape == (6, 4)
    with pytest.raises(ValueError, match="closed"):
        engine.infer(batch)


def engine_saves(name):
    from seatrial.engines.base import Engine

    return engines.ENGINES[name].save is not Engine.save


def quiet():
    import contextlib

    return contextlib.nullcontext()


QUICK = Limits(start_s=60, build_s=1.5, call_s=1.5, memory_bytes=1 << 30)


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        (
            "segfaults",
            "crashed",
            r"crashed \(signal 11, SIGSEGV\)(.|\n)*about to read address 0(.|\n)*Segmentation fault",
        ),
        ("sleeps", "hung", "did not answer within 1.5 s"),
        ("eats", "out of memory", "took more than 1 GiB of memory"),
        ("exits", "crashed", "ended with exit status 7"),
        ("lies", "crashed", "sent what is no answer"),
        ("dribbles", "hung", "did not answer within 1.5 s"),
    ],
)
def test_what_a_runtime_does_stays_in_its_process(unruly, request_small, batch, name, outcome, says):
    limits = QUICK if name != "eats" else Limits(memory_bytes=1 << 30)
    with build(name, request_small, limits) as engine:
        assert engine.infer(batch[:1]).shape == (1, 4)
        child = psutil.Process(engine.process._link.process.pid)
        with pytest.raises(EngineDiedError, match=says) as caught:
            engine.infer(batch)
        assert caught.value.outcome == outcome
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        with pytest.raises(EngineDiedError, match=says):
            engine.infer(batch[:1])


def test_a_limit_is_that_of_one_call(unruly, request_small, batch):
    with build("slow", request_small, QUICK) as engine:
        engine.prepare([batch[:1]], 0.01)
        assert (engine.time(Block("single-stream", queries=20)).taken > 90_000_000).all()


@pytest.mark.parametrize(
    ("name", "says"),
    [("segfaults", "SIGSEGV"), ("sleeps", "did not answer"), ("exits", "status 7"), ("gives-nan", "NaN")],
)
def test_what_an_engine_does_while_it_is_timed_is_told(unruly, request_small, batch, name, says):
    """Queries of eight images are the first that it misbehaves at."""
    with build(name, request_small, QUICK) as engine:
        engine.prepare([batch[:1], batch[1:2]], 0.01)
        assert engine.time(Block("single-stream", queries=20)).wrong == 0
        with pytest.raises(DeviceError, match=says):
            engine.time(Block("multi-stream", samples=8, seconds=0.2))


def test_an_interrupted_call_ends_the_engine(request_small, batch, monkeypatch):
    """Its answer would be the next call's."""
    import seatrial.engines.places.process as module

    with build("onnxruntime", request_small) as engine:
        receive = module.receive

        def interrupted(channel, deadline):
            monkeypatch.setattr(module, "receive", receive)
            raise KeyboardInterrupt

        monkeypatch.setattr(module, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.infer(batch)
        with pytest.raises(EngineDiedError, match="interrupted"):
            engine.infer(batch * 2)


def test_what_it_started_does_not_hold_the_run(unruly, request_small, batch):
    engine = build("spawns", request_small)
    engine.infer(batch)
    begin = time.monotonic()
    engine.close()
    assert time.monotonic() - begin < 20
    assert engine.process._link.process.stdout.closed


def test_an_error_is_no_command_for_the_terminal(unruly, request_small, batch):
    with build("escapes", request_small) as engine, pytest.raises(DeviceError) as caught:
        engine.infer(batch)
    assert "\x1b" not in str(caught.value)
    assert "title" in str(caught.value)


def test_a_fault_of_an_adapter_ends_its_target(unruly, request_small):
    with pytest.raises(DeviceError, match=r"An engine's process failed(.|\n)*too large"):
        build("raises-building", request_small)


def test_an_answer_is_checked(request_small, monkeypatch):
    with build("onnxruntime", request_small) as engine:
        for answer in ({}, {"evidence": 1}, {"evidence": {"calls": [{}]}}):
            monkeypatch.setattr(engine.process, "ask", lambda *words, answer=answer, **more: (answer, []))
            with pytest.raises(DeviceError, match="sent what is no answer"):
                engine.audit()
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("name", "says"), [("segfaults-building", "SIGSEGV"), ("sleeps-building", "did not build within 1.5 s")]
)
def test_a_build_that_comes_to_no_end(unruly, request_small, name, says):
    with pytest.raises(EngineDiedError, match=says):
        build(name, request_small, QUICK)


def test_a_crash_while_the_runtime_is_imported(unruly):
    with EngineProcess("segfaults-starting") as process, pytest.raises(EngineDiedError, match="SIGSEGV"):
        process.check("fp32", "cpu")


def test_output_without_end_does_not_block(unruly, request_small, batch):
    with build("babbles", request_small, QUICK) as engine:
        assert engine.infer(batch).shape == (6, 4)


def test_all_waiting_calls_learn_of_a_crash(unruly, request_small, batch):
    with EngineProcess("segfaults", QUICK, lanes=3) as process:
        engine = PlacedEngine(process, request_small)
        raised = []

        def ask():
            try:
                engine.infer(batch)
            except EngineDiedError as error:
                raised.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(raised) == 6
        assert len(set(raised)) == 1


def test_it_ends_with_the_run():
    """Killed without a chance to clean up, the run leaves no process behind."""
    script = (
        "import sys, time; from seatrial.engines.places import EngineProcess; p = EngineProcess('null'); "
        "p.check('fp32', 'cpu'); print(p._link.process.pid, flush=True); time.sleep(100)"
    )
    run = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(run.stdout.readline()))
    assert child.is_running()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert child.wait(timeout=10) is None or not child.is_running()


def test_nothing_is_imported_from_the_current_folder(tmp_path, monkeypatch):
    for name in ("json", "sys", "numpy", "engines", "socket"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    with EngineProcess("null") as process:
        process.check("fp32", "cpu")
    assert not (tmp_path / "imported").exists()


def test_it_can_be_closed_while_it_hangs(unruly, request_small, batch):
    engine = build("sleeps", request_small)
    raised = []

    def ask():
        try:
            engine.infer(batch)
        except ValueError as error:
            raised.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    begin = time.monotonic()
    engine.close()
    thread.join()
    assert time.monotonic() - begin < 10
    assert raised == ["Engine 'sleeps' was closed while it answered."]


def test_closing_takes_no_time(request_small):
    engine = build("onnxruntime", request_small)
    begin = time.monotonic()
    engine.close()
    engine.close()
    assert time.monotonic() - begin < 10

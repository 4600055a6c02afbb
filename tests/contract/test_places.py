"""Engines answer the same at every place: over shared memory, and over nothing but two pipes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import ROOT
from piped import piped

from seatrial import __version__, engines
from seatrial.engines import ENGINES, BuildRequest, Engine
from seatrial.engines.cpu import processor
from seatrial.engines.places import LOCAL, Arena, EngineProcess, Limits, PipedPlace, PlacedEngine, build
from seatrial.engines.timing.block import Block
from seatrial.errors import BuildError, EngineDiedError, UnsupportedError, UsageError

QUICK = Limits(start_s=60, build_s=1.5, call_s=1.5, memory_bytes=1 << 30)


@pytest.fixture(params=["here", "behind pipes"])
def place(request):
    return LOCAL if request.param == "here" else piped()


@pytest.fixture
def request_small(model_file):
    return BuildRequest(model_file.read_bytes(), "input", "logits", (3, 16, 16), 4)


def saves(name):
    return ENGINES[name].save is not Engine.save


@pytest.mark.parametrize("name", ["null", "onnxruntime", "openvino", "pytorch"])
def test_an_engine_is_the_same_at_every_place(place, name, request_small, batch):
    with (
        engines.build(name, request_small) as here,
        EngineProcess(name, lanes=2, place=place) as process,
    ):
        assert process.check("fp32", "cpu") == ENGINES[name].version()
        process.check_compile("fp32", "cpu", None)
        with pytest.raises(UnsupportedError, match="has no device 'tpu'"):
            process.check("fp32", "tpu")
        there = PlacedEngine(process, request_small)
        np.testing.assert_array_equal(there.infer(batch), here.infer(batch))
        assert there.version == ENGINES[name].version()
        assert there.there.processor == processor()
        assert there.audit() == here.audit()
        assert there.describe() == here.describe()
        assert there.cautions() == here.cautions()
        there.prepare([batch[:1], batch[1:2]], 0.01)
        assert (there.time(Block("single-stream", queries=20)).taken > 0).all()
        assert there.phases(0) == here.phases(batch[:1])
        if saves(name):
            assert len(there.save()) == there.engine_bytes
        else:
            with pytest.raises(UnsupportedError, match="no file of its own"):
                there.save()
        if name != "null":
            ours, theirs = here.intermediates(batch[:1]), there.intermediates(batch[:1])
            assert list(ours) == list(theirs)
            for value in ours:
                np.testing.assert_array_equal(ours[value], theirs[value])
        made = process.compile(request_small)
        assert (made.content is not None) == saves(name)


def test_batches_of_an_arena_reach_every_place(place, request_small, batch):
    arena = Arena(batch.nbytes, 1)
    with EngineProcess("onnxruntime", arena=arena, place=place) as process:
        assert process.sees(arena) == (place is LOCAL)
        engine = PlacedEngine(process, request_small)
        with arena.slot() as slot:
            np.testing.assert_array_equal(engine.infer(slot.put(batch)), engine.infer(batch))
    arena.close()


def test_the_memory_is_that_of_the_engines_own_process(place, request_small, batch):
    ballast = np.ones(400 << 20, np.uint8)  # of this process, which starts the other
    with EngineProcess("onnxruntime", lanes=1, place=place) as process:
        there = PlacedEngine(process, request_small)
        there.infer(batch)
        (child,) = [one for one in psutil.Process().children(recursive=True) if one.memory_info().rss > 30 << 20][-1:]
        assert child.memory_info().rss <= there.memory_bytes() * 1.02
        assert there.memory_bytes() < len(ballast)


def test_what_cannot_be_built_is_told_from_every_place(place, request_small):
    import dataclasses

    with pytest.raises(BuildError, match="ONNX Runtime cannot build"):
        build("onnxruntime", dataclasses.replace(request_small, onnx_bytes=b"nothing"), place=place)


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        (
            "segfaults",
            "crashed",
            r"at the other side crashed \(signal 11, SIGSEGV\)(.|\n)*about to read address 0(.|\n)*Segmentation fault",
        ),
        ("sleeps", "hung", "did not answer within 1.5 s"),
        ("eats", "out of memory", "took more than 1 GiB of memory, its limit"),
        ("exits", "crashed", "ended with exit status 7"),
        ("lies", "crashed", "sent what is no answer"),
        ("dribbles", "hung", "did not answer within 1.5 s"),
    ],
)
def test_what_a_runtime_does_behind_pipes_stays_there(unruly, request_small, batch, name, outcome, says):
    limits = QUICK if name != "eats" else Limits(memory_bytes=1 << 30)
    with build(name, request_small, limits, place=piped()) as engine:
        assert engine.infer(batch[:1]).shape == (1, 4)
        child = psutil.Process(engine.process._link.process.pid)
        with pytest.raises(EngineDiedError, match=says) as caught:
            engine.infer(batch)
        assert caught.value.outcome == outcome
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        with pytest.raises(EngineDiedError, match=says):
            engine.infer(batch[:1])


def test_what_a_runtime_prints_does_not_reach_the_wire(unruly, request_small, batch):
    with build("babbles", request_small, QUICK, place=piped()) as engine:
        for _ in range(3):
            np.testing.assert_array_equal(engine.infer(batch), np.zeros((6, 4), np.float32))


def test_it_can_be_closed_while_it_hangs_behind_pipes(unruly, request_small, batch):
    import threading

    engine = build("sleeps", request_small, place=piped())
    raised = []

    def ask():
        with pytest.raises(ValueError, match="was closed while it answered") as caught:
            engine.infer(batch)
        raised.append(caught.value)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    begin = time.monotonic()
    engine.close()
    thread.join()
    assert time.monotonic() - begin < 10
    assert len(raised) == 1


def test_a_server_ends_when_its_pipe_does_even_while_it_is_busy(unruly, request_small, batch):
    """As when a connection is cut: nobody is left who could end it."""
    engine = build("slow", request_small, place=piped())
    process = engine.process._link.process
    engine.process.ask({"ask": "queries"}, [batch[:1]])
    engine.process._lanes.get()
    from seatrial.engines.places.wire import send

    (channel,) = engine.process._link.channels
    send(channel, {"ask": "warm up", "seconds": 1000.0})
    time.sleep(0.5)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    engine.close()


def test_a_place_is_asked_what_is_there_once(monkeypatch):
    place, started = piped(), []
    connect = PipedPlace.connect
    monkeypatch.setattr(PipedPlace, "connect", lambda self, *words: started.append(1) or connect(self, *words))
    assert place.engine("ort") == place.engine("onnxruntime") == LOCAL.engine("onnxruntime")
    facts = place.facts()
    assert (facts.seatrial, facts.numpy, facts.processor) == (__version__, np.__version__, processor())
    assert facts.cores >= 1
    assert facts.memory_bytes == LOCAL.facts().memory_bytes
    place.check_offered("onnxruntime", "int8", "cpu")
    with pytest.raises(UnsupportedError, match=r"has no device .tpu"):
        place.check_offered("null", "fp32", "tpu")
    with pytest.raises(UsageError, match="Unknown engine"):
        place.engine("nothing")
    assert len(started) <= 2


def test_what_is_not_installed_there_is_told_although_it_is_here():
    place = piped("import importlib.util; importlib.util.find_spec = lambda name, package=None: None")
    assert not place.engine("openvino").installed
    with pytest.raises(UnsupportedError, match="Engine 'openvino' is not installed"):
        place.check_offered("openvino", "fp32", "cpu")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            "import seatrial; seatrial.__version__ = '99.1'",
            "",
            rf"seatrial {__version__} .* at the other side seatrial 99",
        ),
        (
            "",
            "from seatrial.engines.places import hello; hello.WIRE = 77",
            r"\(wire 2\), at .* \(wire 77\): they do not",
        ),
    ],
)
def test_another_version_is_refused_and_both_sides_are_named(before, after, says):
    with EngineProcess("null", place=piped(before, after)) as process:
        for _ in range(2):
            with pytest.raises(UnsupportedError, match=says):
                process.check("fp32", "cpu")


def test_what_stands_before_the_hello_is_shown():
    place = piped("print('Welcome to the board', flush=True)")
    with (
        EngineProcess("null", place=place) as process,
        pytest.raises(EngineDiedError, match="begins with b'Welcome t'"),
    ):
        process.check("fp32", "cpu")


def test_a_command_that_is_not_there_or_ends_is_told():
    with pytest.raises(UnsupportedError, match="no-such-command cannot be started: No such file"):
        EngineProcess("null", place=PipedPlace("nowhere", ["no-such-command"]))
    failing = [sys.executable, "-c", "import sys; sys.exit('cannot reach it')"]
    with (
        EngineProcess("null", place=PipedPlace("nowhere", failing)) as process,
        pytest.raises(EngineDiedError, match=r"at nowhere ended with exit status 1.*\n.*cannot reach it"),
    ):
        process.check("fp32", "cpu")


@pytest.mark.parametrize("adapter", ["null", "openvino", "pytorch"])
def test_a_server_imports_numpy_and_nothing_else_before_its_runtime(adapter):
    script = (
        f"import sys, json; from seatrial.engines.places import server; import seatrial.engines.{adapter}; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))))"
    )
    bare = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(np.__file__).parent.parent)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(bare.stdout) == ["__main__", "numpy", "seatrial"]

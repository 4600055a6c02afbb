"""A process that was taken over by a model says what it likes: only what a block can give is taken."""

import copy
import math

import numpy as np
import pytest

from seatrial.engines.base import BuildRequest
from seatrial.engines.places import Limits, PlacedEngine
from seatrial.engines.places.local import LOCAL
from seatrial.engines.timing.block import Block, Counters, Timed
from seatrial.engines.timing.message import block_of, timed_message, timed_of
from seatrial.errors import DeviceError

BLOCK = Block("single-stream", queries=3, seconds=2.0)
TIMED = Timed(
    np.array([0, 5, 9]),
    np.array([4, 3, 2]),
    np.array([4, 2, 2]),
    np.array([False, True, False]),
    3,
    1,
    0.25,
    Counters(0.5, 0.9, -0.02, 0.0, 0.1, (10, 11), (20, 21), 2400.0, {"NVML": 3.5}),
)


def test_what_is_told_comes_back():
    message, arrays = timed_message(TIMED)
    found = timed_of(message, arrays, BLOCK)
    for name in ("begin", "taken", "service", "fresh"):
        np.testing.assert_array_equal(getattr(found, name), getattr(TIMED, name))
    assert (found.checked, found.wrong, found.worst, found.counters) == (3, 1, 0.25, TIMED.counters)
    assert block_of(BLOCK.to_dict()) == BLOCK


def test_an_endless_difference_travels():
    import dataclasses
    import json

    message, arrays = timed_message(dataclasses.replace(TIMED, worst=math.inf))
    assert timed_of(json.loads(json.dumps(message, allow_nan=False)), arrays, BLOCK).worst == math.inf


NO_MESSAGES = [
    {"checked": 4},
    {"wrong": 4},
    {"wrong": -1},
    {"worst": -1},
    {"worst": "nan"},
    {"checked": "many"},
    {"checked": None},
    {"counters": None},
    {"counters": {}},
    {"counters": {**TIMED.counters.to_dict(), "own": math.nan}},
    {"counters": {**TIMED.counters.to_dict(), "wall_s": -1}},
    {"counters": {**TIMED.counters.to_dict(), "probe_ns": [1]}},
    {"counters": {**TIMED.counters.to_dict(), "probe_ns": [-1, 2]}},
    {"counters": {**TIMED.counters.to_dict(), "joules": [1]}},
    {"counters": {**TIMED.counters.to_dict(), "joules": {"a": "x"}}},
    {"counters": {**TIMED.counters.to_dict(), "joules": {str(n): 1.0 for n in range(100)}}},
]
NO_ARRAYS = [
    lambda a: a[:3],
    lambda a: [*a, a[0]],
    lambda a: [a[0].astype(np.float64), *a[1:]],
    lambda a: [a[0][:2], *a[1:]],
    lambda a: [a[0], -a[1], *a[2:]],
    lambda a: [a[0], a[1], a[1] + 1, a[3]],
    lambda a: [a[0] + 10**17, *a[1:]],
    lambda a: [*a[:3], a[3].astype(np.int64)],
    lambda a: [np.repeat(one, 2) for one in a],
    lambda a: [one[None] for one in a],
]


class Process:
    """Answers as it was told to."""

    engine, limits, place = "null", Limits(call_s=7), LOCAL

    def __init__(self, **answers):
        built = {"build_s": 1, "engine_bytes": 1, "from_cache": False, "version": "1", "describe": {}, "cautions": []}
        self.answers = {"build": (built, []), "queries": ({}, []), "warm up": ({"median_s": 0.5}, [])}
        self.answers["expect"] = ({"at_once": 2}, [np.zeros((2, 4), np.float32), np.zeros(2, np.bool_)])
        self.answers.update({name.replace("_", " "): answer for name, answer in answers.items()})
        self.limits_s = {}

    def ask_with(self, message, graph, *, limit_s=None):
        return self.ask(message, limit_s=limit_s)

    def ask(self, message, arrays=(), *, limit_s=None):
        self.limits_s[message["ask"]] = limit_s
        return copy.deepcopy(self.answers[message["ask"]])


REQUEST = BuildRequest(b"", "input", "logits", (3, 2, 2), 4)
QUERIES = [np.zeros((1, 3, 2, 2), np.float32)] * 2


def placed(**answers):
    return PlacedEngine(Process(**answers), REQUEST)


@pytest.mark.parametrize("wrong", NO_MESSAGES)
def test_a_message_that_cannot_be_is_refused(wrong):
    message, arrays = timed_message(TIMED)
    with pytest.raises(DeviceError, match="what is no answer"):
        placed(time=({**message, **wrong}, arrays)).time(BLOCK)


@pytest.mark.parametrize("missing", ["checked", "wrong", "worst", "counters"])
def test_a_message_that_lacks_something_is_refused(missing):
    message, arrays = timed_message(TIMED)
    del message[missing]
    with pytest.raises(DeviceError, match="what is no answer"):
        placed(time=(message, arrays)).time(BLOCK)


@pytest.mark.parametrize("change", NO_ARRAYS)
def test_arrays_that_cannot_be_are_refused(change):
    message, arrays = timed_message(TIMED)
    with pytest.raises(DeviceError, match="what is no answer"):
        placed(time=(message, change(arrays))).time(BLOCK)


@pytest.mark.parametrize(
    "expect",
    [
        ({"at_once": 2}, []),
        ({}, [np.zeros((2, 4), np.float32), np.zeros(2, np.bool_)]),
        ({"at_once": "x"}, [np.zeros((2, 4), np.float32), np.zeros(2, np.bool_)]),
        ({"at_once": 2}, [np.zeros((3, 4), np.float32), np.zeros(2, np.bool_)]),
        ({"at_once": 2}, [np.zeros((2, 4), np.float64), np.zeros(2, np.bool_)]),
        ({"at_once": 2}, [np.full((2, 4), np.nan, np.float32), np.zeros(2, np.bool_)]),
        ({"at_once": 2}, [np.zeros((2, 4), np.float32), np.zeros(2, np.int64)]),
        ({"at_once": 2}, [np.zeros((2, 4), np.float32), np.zeros((2, 1), np.bool_)]),
    ],
)
def test_answers_that_cannot_be_are_refused(expect):
    with pytest.raises(DeviceError, match="what is no answer"):
        placed(expect=expect).prepare(QUERIES, 0.1)


@pytest.mark.parametrize("median", [-1, math.inf, math.nan, "x", None])
def test_a_median_that_cannot_be_is_refused(median):
    with pytest.raises(DeviceError, match="what is no answer"):
        placed(warm_up=({"median_s": median}, [])).prepare(QUERIES, 0.1)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        ("memory_bytes", {"peak_bytes": -1}),
        ("memory_bytes", {"peak_bytes": "much"}),
        ("device_memory_bytes", {}),
        ("device_memory_bytes", {"peak_bytes": -5}),
        ("idle_watts", {"watts": {"a\x1b": 1}}),
        ("idle_watts", {"watts": {"NVML": math.inf}}),
        ("idle_watts", {"watts": [3]}),
        ("probe", {"ns": None}),
    ],
)
def test_what_no_machine_tells_is_refused(ask, answer):
    names = {"memory_bytes": "memory", "device_memory_bytes": "device memory", "idle_watts": "idle watts"}
    engine = placed()
    engine.process.answers[names.get(ask, ask)] = (answer, [])
    with pytest.raises(DeviceError, match="what is no answer"):
        getattr(engine, ask)(*([0.1] if ask == "idle_watts" else []))


@pytest.mark.parametrize("value", [None, [], {"load": "x", "evil": "\x1b"}, {"gpus": {"name": 3}}])
def test_a_reading_that_is_none_has_no_values(value):
    found = placed(machine=({"machine": value}, [])).machine()
    assert not [one for one in found.values() if one not in (None, [], {})]
    assert "evil" not in found


def test_what_was_not_prepared_is_not_known():
    engine = placed()
    for ask in (engine.expected, engine.unsteady, lambda: engine.at_once):
        with pytest.raises(ValueError, match="not prepared"):
            ask()
    assert engine.prepare(QUERIES, 0.1) == 0.5
    assert engine.expected().shape == (2, 4)
    assert engine.at_once == 2


def test_a_block_has_a_deadline():
    """Two calls longer than it may last by its seconds, or by its queries where nothing has to arrive."""
    engine = placed(time=timed_message(TIMED))
    rare = Block("server", queries=3, seconds=400.0, rate=0.01)
    expected = ((BLOCK, 2 * 2.0 + 14), (Block("single-stream", queries=3), 3 * 7 + 14), (rare, 800 + 14))
    for block, limit_s in expected:
        engine.time(block)
        assert engine.process.limits_s["time"] == limit_s


@pytest.mark.parametrize(
    "fields",
    [{"queries": 0}, {"samples": 0}, {"workers": 0}, {"first": -1}, {"seconds": 0}, {"rate": 0}, {"rate": math.inf}],
)
def test_a_block_that_cannot_be_run_is_refused(fields):
    with pytest.raises(ValueError, match=r"no such block|above 0"):
        block_of({**Block("server", rate=1.0).to_dict(), **fields})

"""What a node sends is taken where it fits what was asked, and for nothing else."""

import io
import json

import numpy as np
import pytest

from seatrial.errors import BadInputError, DamagedError, EngineDiedError, UnsupportedError
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.records.failures import Failure
from seatrial.harness.records.predictions import Predictions, rows_of
from seatrial.harness.run.executors.messages import Asked, FaultError, Order, Ready, as_error, packed, told, unpacked

LABELS = np.array([3, 0, 1], np.int64)
TARGETS = ("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu")
ASKED = Asked(tuple(Pending(Condition(name), TARGETS) for name in ("clean", "corruption/fog@3")), 32, 35)
HEAD = {"failures": [], "conditions_s": 0.5, "engines_s": 1.0}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return {key: rows_of(rng.standard_normal((3, 10), np.float32), LABELS) for key in ASKED.keys}


def read(content):
    return unpacked(content, ASKED, LABELS, 10)


def test_rows_come_back_with_the_same_bits_and_the_labels_of_the_driver(rows):
    found = read(packed(ASKED.keys, rows, HEAD))
    assert found.rows.keys() == rows.keys()
    for key, one in found.rows.items():
        for name in ("label", "top", "p_top1", "margin"):
            ours, theirs = getattr(rows[key], name), getattr(one, name)
            assert ours.dtype == theirs.dtype
            assert ours.tobytes() == theirs.tobytes()
    assert (found.conditions_s, found.engines_s) == (0.5, 1.0)


def changed(**fields):
    """Rows of which one has other values."""

    def change(rows):
        key = ASKED.keys[1]
        values = {name: getattr(rows[key], name).copy() for name in ("label", "top", "p_top1", "margin")}
        for name, change in fields.items():
            values[name] = change(values[name])
        return {**rows, key: Predictions(**values)}

    return change


def put(value):
    def change(array):
        array.flat[0] = value
        return array

    return change


@pytest.mark.parametrize(
    "change",
    [
        changed(top=put(10)),
        changed(top=put(-1)),
        changed(top=lambda top: np.repeat(top[:, :1], 5, axis=1)),
        changed(p_top1=put(np.nan)),
        changed(p_top1=put(1.5)),
        changed(margin=put(-0.1)),
        changed(margin=put(2)),
        lambda rows: {key: one for key, one in rows.items() if key != ASKED.keys[2]},
    ],
)
def test_rows_that_no_engine_gives_are_refused(rows, change):
    with pytest.raises(BadInputError, match="no answer"):
        read(packed(ASKED.keys, change(rows), HEAD))


@pytest.mark.parametrize(
    "change",
    [
        {"top": lambda one: one.astype(np.int64)},
        {"top": lambda one: one[:, :, :4]},
        {"top": lambda one: one[:, :2]},
        {"p_top1": lambda one: one.astype(np.float64)},
        {"margin": lambda one: one[:3]},
        {"top": lambda one: one[:0]},
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(rows, change):
    with np.load(io.BytesIO(packed(ASKED.keys, rows, HEAD))) as found:
        arrays = {name: change.get(name, lambda one: one)(found[name]) for name in found.files}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(BadInputError, match="no answer"):
        read(stream.getvalue())


@pytest.mark.parametrize(
    "head",
    [
        {},
        {**HEAD, "conditions_s": -1},
        {**HEAD, "engines_s": float("inf")},
        {**HEAD, "engines_s": True},
        {**HEAD, "failures": [{"target": "another", "stage": "trials", "outcome": "hung", "says": ""}]},
        {**HEAD, "failures": [{"target": TARGETS[1], "stage": "trials", "outcome": "well", "says": ""}]},
        {**HEAD, "failures": 3},
        {**HEAD, "failures": [3]},
    ],
)
def test_a_head_that_says_what_cannot_be_is_refused(rows, head):
    with pytest.raises(BadInputError, match="no answer"):
        read(packed(ASKED.keys, rows, head))


@pytest.mark.parametrize("content", [b"", b"x", b"{", b"[]", b"{}", b"PK\x03\x04", None, b"\x80\x04K\x01."])
def test_what_is_no_message_is_refused(content):
    with pytest.raises(BadInputError):
        read(content)
    with pytest.raises(BadInputError):
        Ready.of(content)


def test_more_than_was_asked_for_is_not_read():
    with pytest.raises(BadInputError, match="more than"):
        read(bytes((64 << 20) + (1 << 20)))


def test_a_target_that_failed_there_has_no_rows_and_says_why(rows):
    lost = Failure(TARGETS[1], "trials", "hung", "did not answer\x1b[2J")
    there = {key: one for key, one in rows.items() if key[1] != TARGETS[1]}
    found = read(packed(ASKED.keys, there, {**HEAD, "failures": [lost.to_dict()]}))
    assert {target for _, target in found.rows} == {TARGETS[0]}
    error = as_error(found.failures[0])
    assert isinstance(error, EngineDiedError)
    assert error.outcome == "hung"
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    "error",
    [BadInputError("no image"), DamagedError("damaged"), UnsupportedError("none"), EngineDiedError("x", "hung")],
)
def test_an_error_of_a_node_is_raised_here_as_what_it_is(error):
    content = json.dumps(told(error)).encode()
    for reading in (read, Ready.of):
        with pytest.raises(type(error), match=str(error)) as raised:
            reading(content)
        assert type(raised.value) is type(error)
        assert getattr(raised.value, "outcome", None) == getattr(error, "outcome", None)


@pytest.mark.parametrize("kind", ["fault", "SystemExit", "annotations", "EXIT_USAGE", "os"])
def test_anything_else_is_a_fault(kind):
    with pytest.raises(FaultError):
        read(json.dumps({"error": {"kind": kind, "says": "Traceback"}}).encode())


def test_orders_and_readiness_survive_the_way():
    order = Order({"schema": 1}, TARGETS, {"": ["0" * 64]}, 4)
    assert Order.of(order.to_json()) == order
    failure = Failure(TARGETS[1], "build", "refused", "no")
    ready = Ready(
        "node", {"machine": "x86_64"}, {"seed": 0}, {name: {} for name in TARGETS}, {"clean": {}}, {}, (failure,)
    )
    assert Ready.of(ready.to_bytes()) == ready

"""What travels between the run and an engine's process, and how hostile messages are met."""

import json
import os
import socket
import struct
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engines.places.arena import Arena, slot_bytes
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.limits import Limits
from seatrial.engines.places.wire import WireError, receive, send
from seatrial.errors import UsageError
from seatrial.memory import default_memory


@pytest.fixture(params=["a socket", "pipes"])
def pair(request):
    """Two channels that are each other's ends, and the first with its `raw` end, to write what is no message."""
    if request.param == "a socket":
        one, other = socket.socketpair()
        handles = [one.detach(), other.detach()]
        ends = [(handles[0], handles[0]), (handles[1], handles[1])]
    else:
        there, back = os.pipe(), os.pipe()
        handles = [*there, *back]
        ends = [(back[0], there[1]), (there[0], back[1])]
    open_still = set(handles)

    def leave():
        for handle in set(ends[0]):
            os.close(handle)
            open_still.discard(handle)

    first, second = (Channel(*end) for end in ends)
    first.leave = leave
    yield first, second
    for handle in open_still:
        os.close(handle)


@pytest.mark.parametrize(
    "arrays",
    [
        [],
        [np.arange(6, dtype=np.float32).reshape(2, 3)],
        [np.zeros((0, 4), np.float16), np.array(7, np.int64), np.array([True, False])],
        [np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::2]],
    ],
)
def test_what_is_sent_is_received(pair, arrays):
    send(pair[0], {"ask": "infer", "n": [1, None, "é"]}, arrays)
    message, found = receive(pair[1])
    assert message == {"ask": "infer", "n": [1, None, "é"]}
    assert len(found) == len(arrays)
    for sent, got in zip(arrays, found, strict=True):
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent)


def test_large_arrays_arrive_whole(pair):
    array = np.random.default_rng(0).integers(0, 255, 5_000_000, dtype=np.uint8)
    sender = threading.Thread(target=send, args=(pair[0], {}, [array]))
    sender.start()
    _, (found,) = receive(pair[1])
    sender.join()
    np.testing.assert_array_equal(found, array)


def test_the_other_side_is_gone(pair):
    pair[0].leave()
    with pytest.raises(EOFError):
        receive(pair[1])


def raw(text, rest=b""):
    return struct.pack("<Q", len(text)) + text + rest


def described(dtype, shape):
    return raw(json.dumps({"message": {}, "arrays": [{"dtype": dtype, "shape": shape}]}).encode())


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 60),
        raw(b"{"),
        raw(b"[]"),
        raw(b"[" * 100_000),
        raw(b'{"message": [], "arrays": []}'),
        raw(b'{"message": {}}'),
        described("O", [1]),
        described("V8", [1]),
        described("<f4", [-1]),
        described("<f4", [1 << 40]),
        described("<f4", [1 << 40, 1 << 40]),
        described("<f4", [0, 1 << 70]),
        described("<f4", [1] * 65),
        described("(2,", [1]),
        raw(b'{"message": {}, "arrays": [{"dtype": "<f4", "shape": [Infinity]}]}'),
        described("nonsense", [1]),
        described("<f4", ["x"]),
    ],
)
def test_bytes_that_are_no_message_are_refused(pair, content):
    sender = threading.Thread(target=pair[0].write, args=(content,))
    sender.start()
    with pytest.raises(WireError):
        receive(pair[1])
    sender.join()


def receive_all(channel):
    while True:
        receive(channel)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_raise(content):
    one, other = socket.socketpair()
    with one, other:
        one.sendall(content)
        one.close()
        with pytest.raises((WireError, EOFError)):
            receive_all(Channel(other.fileno(), other.fileno()))


def test_an_arena_is_seen_by_both_sides():
    arena = Arena(slot_bytes((8, 4), (3, 2)), 2)
    other = Arena(arena.slot_bytes, arena.slots, handle=os.dup(arena.fileno))
    values, halves = np.arange(8, dtype=np.float32).reshape(2, 4), np.ones(3, np.float16)
    with arena.slot() as first, arena.slot() as second:
        places = [slot.put(array) for slot in (first, second) for array in (values, halves)]
        assert len({place.at for place in places}) == 4
        for place, array in zip(places, [values, halves] * 2, strict=True):
            assert place.at % 64 == 0
            np.testing.assert_array_equal(other.view(place.at, array.dtype, array.shape), array)
    del places, place
    other.close()
    arena.close()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux seals shared memory")
def test_none_that_shares_an_arena_can_cut_it_short_or_write():
    arena = Arena(4096, 1)
    handle = os.dup(arena.fileno)
    with pytest.raises(PermissionError):
        os.ftruncate(handle, 0)
    other = Arena(4096, 1, handle=handle)
    assert not other.view(0, np.float32, (4,)).flags.writeable
    other.close()
    arena.close()


def test_a_deadline_holds_however_the_bytes_come(pair):
    pair[0].write(struct.pack("<Q", 100))
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(pair[1], begin + 0.3)
    assert time.monotonic() - begin < 5


def test_a_slot_takes_no_more_than_it_holds():
    arena = Arena(64, 1)
    with arena.slot() as slot:
        slot.put(np.zeros(8, np.float32))
        with pytest.raises(ValueError, match="fit"):
            slot.put(np.zeros(8, np.float32))
    with arena.slot() as slot:
        slot.put(np.zeros(16, np.float32))
    arena.close()


def test_a_view_outside_of_the_arena_is_refused():
    arena = Arena(64, 1)
    with pytest.raises((TypeError, ValueError)):
        arena.view(32, np.float32, (16,))
    arena.close()


def test_slots_are_waited_for():
    arena = Arena(64, 1)
    order = []

    def second():
        with arena.slot():
            order.append("second")

    with arena.slot():
        other = threading.Thread(target=second)
        other.start()
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    arena.close()


def test_the_memory_limit_is_below_the_machines():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < default_memory() <= 0.8 * total
    assert Limits().memory == default_memory()
    assert Limits(memory_bytes=5).memory == 5


def test_flags_of_limits_are_checked():
    from seatrial.harness.command.flags import limits

    given = {"timeout": 2.0, "memory_limit": 0.5, "other": 1}
    assert limits.take(given, Limits()) == Limits(call_s=2.0, memory_bytes=1 << 29)
    assert given == {"other": 1}
    for name in ("timeout", "build_timeout", "memory_limit"):
        for value in (0.0, -1.0, float("nan"), float("inf")):
            with pytest.raises(UsageError, match="above 0"):
                limits.take({name: value}, Limits())

"""Messages between the run and an engine's process: a JSON object and arrays, never code.

What comes back is not trusted: it comes from a process that has parsed a model which nobody vouches for.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Message = dict[str, Any]

_HEAD = struct.Struct("<Q")
_MOST_JSON = 256 << 20
_MOST_ARRAYS = 16 << 30
_KINDS = "biuf"


class WireError(Exception):
    """Bytes that are no message."""


def send(channel: socket.socket, message: Message, arrays: Sequence[Array] = ()) -> None:
    """Writes one message; arrays of booleans, integers or floats travel as they lie in memory."""
    flat = [np.ascontiguousarray(array) for array in arrays]
    described = [{"dtype": array.dtype.str, "shape": list(array.shape)} for array in flat]
    text = json.dumps({"message": message, "arrays": described}).encode()
    channel.sendall(_HEAD.pack(len(text)) + text)
    for array in flat:
        if array.size:
            channel.sendall(array.reshape(-1).view(np.uint8).data)


def receive(channel: socket.socket, deadline: float | None = None) -> tuple[Message, list[Array]]:
    """Reads one message; EOFError where the other side is gone, WireError for what is no message.

    deadline: of `time.monotonic`, after which TimeoutError is raised, however the bytes come; None for none.
    """
    (length,) = _HEAD.unpack(_exactly(channel, _HEAD.size, deadline))
    if length > _MOST_JSON:
        raise WireError(f"a message of {length} bytes")
    try:
        content = json.loads(bytes(_exactly(channel, length, deadline)))
        message = content["message"]
        kinds = [(np.dtype(entry["dtype"]), tuple(map(int, entry["shape"]))) for entry in content["arrays"]]
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, SyntaxError) as error:
        raise WireError(f"not a message: {error!r}") from error
    total = 0
    for kind, shape in kinds:
        extent = kind.itemsize
        for size in shape:
            extent *= size
        total += extent
        if kind.kind not in _KINDS or min(shape, default=0) < 0 or total > _MOST_ARRAYS:
            raise WireError(f"an array of {kind} {list(shape)}")
    if not isinstance(message, dict):
        raise WireError("not a message: no object")
    return message, [_array(channel, kind, shape, deadline) for kind, shape in kinds]


def _array(channel: socket.socket, kind: np.dtype[Any], shape: tuple[int, ...], deadline: float | None) -> Array:
    try:
        array = np.empty(shape, kind)
    except (ValueError, MemoryError) as error:
        raise WireError(f"an array of {kind} {list(shape)}") from error
    if array.size:
        _fill(channel, array.reshape(-1).view(np.uint8).data, deadline)
    return array


def _exactly(channel: socket.socket, count: int, deadline: float | None) -> bytearray:
    content = bytearray(count)
    _fill(channel, memoryview(content), deadline)
    return content


def _fill(channel: socket.socket, view: memoryview, deadline: float | None) -> None:
    while view:
        if deadline is not None:
            channel.settimeout(max(1e-3, deadline - time.monotonic()))
        got = channel.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]

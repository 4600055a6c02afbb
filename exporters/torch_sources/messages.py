"""Messages to and from a source's own process: JSON and arrays in one .npz archive, its length before it."""

from __future__ import annotations

import io
import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.npz import arrays_of

Array = npt.NDArray[Any]
Message = dict[str, Any]

_HEAD = struct.Struct("<Q")
_MOST_BYTES = 32 << 30
_PIECE = 1 << 20


class MessageError(Exception):
    """Bytes that are no message."""


def send(channel: socket.socket, message: Message, arrays: Sequence[Array] = ()) -> None:
    """Writes one message; OSError where the other side is gone."""
    words = np.frombuffer(json.dumps(message).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, words, *arrays)
    channel.sendall(_HEAD.pack(content.tell()))
    channel.sendall(content.getbuffer())


def receive(channel: socket.socket, limit_s: float | None = None) -> tuple[Message, list[Array]]:
    """Reads one message; EOFError where the other side is gone, TimeoutError after so many seconds, MessageError for
    what is none.
    """
    deadline = None if limit_s is None else time.monotonic() + limit_s
    (length,) = _HEAD.unpack(_exactly(channel, _HEAD.size, deadline))
    if length > _MOST_BYTES:
        raise MessageError(f"a message of {length} bytes")
    content = _exactly(channel, length, deadline)
    try:
        found = arrays_of(content)
        words, *arrays = [found[f"arr_{index}"] for index in range(len(found))]
        message = json.loads(words.tobytes())
    except (ValueError, KeyError, RecursionError) as error:
        raise MessageError(f"no message: {error}") from error
    if not isinstance(message, dict):
        raise MessageError("no message: no object")
    return message, arrays


def _exactly(channel: socket.socket, count: int, deadline: float | None) -> bytearray:
    content = bytearray()
    while len(content) < count:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        piece = channel.recv(min(count - len(content), _PIECE))
        if not piece:
            raise EOFError
        content += piece
    return content

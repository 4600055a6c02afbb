"""Messages between the run and an engine's process: a JSON object and arrays, never code.

What comes back is not trusted: it comes from a process that has parsed a model which nobody vouches for.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.places.channel import Channel

Array = npt.NDArray[Any]
Message = dict[str, Any]

_HEAD = struct.Struct("<Q")
_MOST_JSON = 256 << 20
_MOST_ARRAYS = 16 << 30
_KINDS = "biuf"


class WireError(Exception):
    """Bytes that are no message."""


def send(channel: Channel, message: Message, arrays: Sequence[Array] = (), deadline: float | None = None) -> None:
    """Writes one message; arrays of booleans, integers or floats travel as they lie in memory."""
    flat = [np.ascontiguousarray(array) for array in arrays]
    described = [{"dtype": array.dtype.str, "shape": list(array.shape)} for array in flat]
    text = json.dumps({"message": message, "arrays": described}).encode()
    channel.write(_HEAD.pack(len(text)) + text, deadline)
    for array in flat:
        if array.size:
            channel.write(array.reshape(-1).view(np.uint8).data, deadline)


def receive(channel: Channel, deadline: float | None = None) -> tuple[Message, list[Array]]:
    """Reads one message; EOFError where the other side is gone, WireError for what is no message. deadline: as a
    channel's.
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


def _array(channel: Channel, kind: np.dtype[Any], shape: tuple[int, ...], deadline: float | None) -> Array:
    try:
        array = np.empty(shape, kind)
    except (ValueError, MemoryError) as error:
        raise WireError(f"an array of {kind} {list(shape)}") from error
    if array.size:
        channel.fill(array.reshape(-1).view(np.uint8).data, deadline)
    return array


def _exactly(channel: Channel, count: int, deadline: float | None) -> bytearray:
    content = bytearray(count)
    channel.fill(memoryview(content), deadline)
    return content

"""How a channel begins: each side says who it is, before anything is asked.

This part of the wire never changes, so that two versions can tell each other apart: 9 bytes, a length (little-endian,
8 bytes), and a JSON object with `wire`, the schema of all that follows, and `facts` (`engines.places.facts`).
"""

from __future__ import annotations

import json
import struct
from typing import Any

from seatrial.engines.places.channel import Channel
from seatrial.engines.places.facts import Facts, facts_here, facts_of
from seatrial.engines.places.wire import WireError
from seatrial.errors import UnsupportedError

WIRE = 2
_BEGIN = b"seatrial\n"
_LENGTH = struct.Struct("<Q")
_MOST = 1 << 20


def send_hello(channel: Channel, **more: Any) -> None:
    """Says who this side is. more: JSON values beside that."""
    text = json.dumps({"wire": WIRE, "facts": facts_here().to_dict(), **more}).encode()
    channel.write(_BEGIN + _LENGTH.pack(len(text)) + text)


def receive_hello(channel: Channel, where: str, deadline: float | None = None) -> tuple[Facts, dict[str, Any]]:
    """Who the other side is, and what it says besides.

    where: the other side in words. Raises UnsupportedError for one that is of another version, WireError for bytes
    that are no hello; EOFError and TimeoutError as `Channel.fill`.
    """
    begin = _exactly(channel, len(_BEGIN), deadline)
    if begin != _BEGIN:
        raise WireError(f"the channel begins with {begin!r}, which is no hello: a start-up file may print there")
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size, deadline))
    if length > _MOST:
        raise WireError(f"a hello of {length} bytes")
    try:
        content = json.loads(_exactly(channel, length, deadline))
        wire, facts = int(content["wire"]), facts_of(content["facts"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise WireError(f"no hello: {error!r}") from error
    _check_fits(wire, facts, where)
    return facts, content


def _check_fits(wire: int, facts: Facts, where: str) -> None:
    ours = facts_here()
    if (wire, facts.seatrial) != (WIRE, ours.seatrial):
        raise UnsupportedError(
            f"Here is {ours.versions} (wire {WIRE}), at {where} {facts.versions} (wire {wire}): they do not fit. "
            f"Install the same seatrial on both sides."
        )


def _exactly(channel: Channel, count: int, deadline: float | None) -> bytes:
    content = bytearray(count)
    channel.fill(memoryview(content), deadline)
    return bytes(content)

"""What travels between host and board, over ssh's standard streams: short frames, so that nothing waits for long.

A frame is a head of 9 bytes, little-endian: kind (1), engine (2), lane (2), length (4); then so many bytes. Engines are
numbered by the host, from 1, each number once; 0 is the agent itself. The first frame of each side is its HELLO, whose
form never changes: a JSON object with `agent`, the number below, and `seatrial`, the version.

Any frame says that its side lives; where there is nothing else to send, a BEAT does. The window of a lane: no side has
more than WINDOW bytes of its DATA on the way that the other side has not TAKEN, so that a lane that stands still holds
no other up, and no memory without bound. Frames of an engine that has ended, or did not start, are passed over.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

AGENT = 1

HELLO = 1  # JSON: who this side is (`agent.hello`)
BEAT = 2  # empty: this side lives
ASK = 3  # JSON, host to board: {"id", "ask", ...} (`agent.asks`)
ANSWER = 4  # JSON, board to host: {"id", ...}, or {"id", "error", "says"}; with "more": true it is not the last one
DATA = 5  # bytes of an engine's channel: `engines.places.wire`; the host's may follow the ASK that starts it
CLOSE = (
    6  # host to board: the engine is to end; lane NOW: without time to leave by itself. Engine 0: all, and the agent
)
OUTPUT = 7  # board to host: what an engine's process wrote; outside of the window
ENDED = 8  # JSON, board to host, the last of an engine: {"outcome", "says", "status"}. Engine 0: the agent's last words
BLOB = 9  # bytes of a file, in order, host to board; engine 0, `lane` is the number that the board gave it
TAKEN = 10  # COUNT: so many more bytes of DATA of this engine and lane (engine 0: of BLOB) may be sent

NOW = 1

HEAD = struct.Struct("<BHHI")
COUNT = struct.Struct("<I")
# No frame is longer; a beat never waits for more than that.
MOST = 1 << 18
WINDOW = 4 << 20


class Head(NamedTuple):
    """kind: one of the above. length: of what follows, in bytes."""

    kind: int
    engine: int
    lane: int
    length: int


def head(kind: int, length: int, engine: int = 0, lane: int = 0) -> bytes:
    """The head of a frame of so many bytes."""
    return HEAD.pack(kind, engine, lane, length)


def head_of(content: bytes) -> Head:
    """The inverse; ValueError for a kind that there is not, and for more than MOST bytes."""
    found = Head(*HEAD.unpack(content))
    if not HELLO <= found.kind <= TAKEN or found.length > MOST:
        raise ValueError(f"a frame of kind {found.kind} and {found.length} bytes")
    return found

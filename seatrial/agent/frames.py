"""What travels between host and board, over ssh's standard streams: short frames, so that nothing waits for long.

A frame is a head of 9 bytes, little-endian: kind (1), engine (2), lane (2), length (4); then so many bytes. Engines are
numbered by the host, from 1; 0 is the agent itself. The first frame of each side is its HELLO, whose form never
changes: a JSON object with `agent`, the number below.
"""

from __future__ import annotations

import dataclasses
import struct

AGENT = 1

HELLO = 1  # JSON: who this side is
BEAT = 2  # empty: this side lives
ASK = 3  # JSON, host to board: {"id", "ask", ...}
ANSWER = 4  # JSON, board to host: {"id", ...}, or {"id", "error", "says"}
DATA = 5  # bytes of an engine's channel: `engines.places.wire`
CLOSE = 6  # host to board: the engine is to end
OUTPUT = 7  # board to host: what an engine's process wrote
ENDED = 8  # JSON, board to host, the last of an engine: {"outcome", "says", "status"}
BLOB = 9  # bytes of a file, in order; `lane` is the number that the board gave it

HEAD = struct.Struct("<BHHI")
# No frame is longer; a beat never waits for more than that.
MOST = 1 << 18


@dataclasses.dataclass(frozen=True)
class Head:
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
    if not HELLO <= found.kind <= BLOB or found.length > MOST:
        raise ValueError(f"a frame of kind {found.kind} and {found.length} bytes")
    return found

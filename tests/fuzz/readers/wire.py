"""The wire between the host and the process of an engine."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import mutators
from fuzz.readers.table import reader


@contextlib.contextmanager
def channel(path: Path) -> Iterator[Any]:
    from seatrial.engines.places.channel import Channel

    incoming, outgoing = os.open(path, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    try:
        yield Channel(incoming, outgoing)
    finally:
        os.close(incoming)
        os.close(outgoing)


class Kept:
    """A channel's outgoing side, for samples."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: bytes | memoryview, deadline: float | None = None) -> None:
        self.content += bytes(content)


def _wire_samples(root: Path) -> list[bytes]:
    from seatrial.engines.places import wire

    kept = Kept()
    wire.send(kept, {"ask": "infer", "seconds": 0.5}, [np.zeros((2, 4), np.float32), np.zeros(3, np.uint8)])  # type: ignore[arg-type]
    return [kept.content]


def framed_json(rng: random.Random, content: bytes) -> bytes:
    """A length of 8 bytes, JSON, and the rest: the JSON is another, and so is its length."""
    at = 9 if content.startswith(b"seatrial\n") else 0
    size = int.from_bytes(content[at : at + 8], "little")
    if size > len(content):
        return content
    head = rng.choice((mutators.json_text, mutators.json_text, mutators.deep))(rng, content[at + 8 : at + 8 + size])
    return content[:at] + len(head).to_bytes(8, "little") + head + content[at + 8 + size :]


def wire_errors() -> tuple[type[BaseException], ...]:
    from seatrial.engines.places.wire import WireError

    return (WireError, EOFError, TimeoutError)


@reader("wire", _wire_samples, mutators=(*mutators.BYTES, *([framed_json] * 10)), allowed=wire_errors(), weight=20)
def _read_wire(path: Path) -> None:
    from seatrial.engines.places.wire import receive

    with channel(path) as one:
        receive(one)

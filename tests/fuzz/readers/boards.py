"""What passes between host and board: frames, code, and who holds it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fuzz import mutators
from fuzz.readers.table import reader, values


def _board_frames(root: Path) -> list[bytes]:
    from seatrial.agent import frames

    found = b""
    for kind, content in (
        (frames.HELLO, json.dumps({"agent": frames.AGENT, "seatrial": "0"}).encode()),
        (frames.BEAT, b""),
        (frames.ANSWER, json.dumps({"id": 1, "held": True}).encode()),
        (frames.DATA, b"x" * 300),
        (frames.TAKEN, frames.COUNT.pack(300)),
        (frames.ENDED, json.dumps({"outcome": "crashed", "says": "x", "status": 1}).encode()),
    ):
        found += frames.head(kind, len(content), 1) + content
    return [found]


@reader("frames of a board", _board_frames, allowed=(ValueError,), weight=15)
def _read_frames(path: Path) -> None:
    from seatrial.agent.frames import BEAT, DATA, OUTPUT, TAKEN
    from seatrial.engines.boards.frames_in import FramesIn, json_object

    for head, content in FramesIn().feed(memoryview(path.read_bytes())):
        if head.kind not in (BEAT, DATA, OUTPUT, TAKEN):
            json_object(content)


def _host_frames(root: Path) -> list[bytes]:
    from seatrial.agent import frames

    asked = json.dumps({"id": 1, "ask": "lease", "wait_s": 0}).encode()
    return [frames.head(frames.ASK, len(asked)) + asked + frames.head(frames.BEAT, 0)]


def _violations() -> tuple[type[BaseException], ...]:
    from seatrial.agent.boot import RefusedError
    from seatrial.agent.refusals import ViolationError

    return (ViolationError, RefusedError, OSError)


@reader("frames of a host", _host_frames, allowed=_violations(), weight=10)
def _read_inbox(path: Path) -> None:
    from seatrial.agent.inbox import Inbox, object_of

    for _, content in Inbox().take(path.read_bytes()):
        if content:
            object_of(content)


def _code(root: Path) -> list[bytes]:
    from seatrial.engines.boards.archive import archive

    return [archive().content]


@reader("code for a board", _code, mutators=mutators.ZIP, allowed=(Exception,), weight=2)  # the board tells it
def _read_code(path: Path) -> None:
    from seatrial.agent.boot import unpack

    unpack(path.read_bytes(), path.parent / "unpacked")


@reader(
    "holder of a board",
    values({"renewed": 1.0, "owner": "a", "pid": 1, "begun": 2, "guardian": 3, "since": 0.0, "lease_s": 60.0}),
    mutators=mutators.JSON,
    suffix=f".{os.getuid()}",
)
def _read_holder(path: Path) -> None:
    from seatrial.agent.lease import _holder, _lives

    found = _holder(path)
    if found is not None:
        _lives(found)

"""One file on its way from the host to the board's disk, which may be slow: in a thread of its own."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable
from typing import Any, Protocol

from seatrial.agent.blobs import Blobs
from seatrial.agent.frames import WINDOW
from seatrial.agent.refusals import BAD_ASK, RefusedError, ViolationError, answer_of

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Sayer(Protocol):
    """Where what a thread has to say is said."""

    def answer(self, number: int, fields: dict[str, Any]) -> None:
        """To an ask of the host."""

    def took(self, lane: int, count: int) -> None:
        """That so many bytes of a file arrived."""

    def post(self, call: Callable[[], None]) -> None:
        """Has it called by the thread that talks with the host."""


class Upload:
    """ask: the host's number for it. lane: the board's."""

    def __init__(self, ask: int, lane: int, sha256: str, size: int, blobs: Blobs, sayer: Sayer) -> None:
        if not _SHA256.fullmatch(sha256):
            raise RefusedError(BAD_ASK, "sha256 is no SHA-256: it must be 64 digits of hex.")
        self._ask, self._lane, self._blobs, self._sayer = ask, lane, blobs, sayer
        self._sha256, self._size = sha256, size
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0  # bytes that came and are not told to be taken
        self._taken = 0
        self.done = False
        threading.Thread(target=self._receive, daemon=True).start()

    def put(self, content: bytes) -> None:
        """The next bytes; ViolationError where the host had no room for them."""
        with self._lock:
            self._waiting += len(content)
            if self._waiting > WINDOW:
                raise ViolationError("The host sent more of a file than there was room for.")
        if content:
            self._pieces.put(content)

    def _next(self) -> bytes:
        piece = self._pieces.get()
        with self._lock:
            self._taken += len(piece)
            if self._taken >= WINDOW // 4 or self._pieces.empty():
                taken, self._taken = self._taken, 0
                self._waiting -= taken
                self._sayer.post(lambda: self._sayer.took(self._lane, taken))
        return piece

    def _receive(self) -> None:
        answer = answer_of(self._received)
        self.done = True
        self._say(answer)

    def _received(self) -> dict[str, Any]:
        if not self._blobs.has(self._sha256):
            part = self._blobs.part(self._sha256, self._size)
            self._say({"more": True, "lane": self._lane, "have": part.have})
            self._blobs.receive(part, self._next)
        return {"done": True}

    def _say(self, fields: dict[str, Any]) -> None:
        self._sayer.post(lambda: self._sayer.answer(self._ask, fields))

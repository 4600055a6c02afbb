"""What travels between this machine and a board, carried by one thread: engines' bytes, files, questions, beats."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import queue
import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.agent import frames
from seatrial.agent.frames import Head
from seatrial.engines.boards.frames_in import FramesIn, json_object
from seatrial.engines.boards.lane import Lane
from seatrial.engines.boards.pipes import widen
from seatrial.engines.boards.remote_engine import RemoteEngine
from seatrial.engines.boards.upload import Upload
from seatrial.engines.boards.words import plain
from seatrial.errors import DeviceError

_READ = 1 << 20
_Answer = Callable[[dict[str, Any] | None], None]


class Traffic:
    """incoming, outgoing: file descriptors of the board's words and of ours, past the hellos; whoever opened them
    closes them, after `join`. silence_s: without a word for so long, the board is lost. hung_up: why the board's words
    have ended, in words.

    Once it has ended, `lost` says why, every engine has ended, and whoever waits for an answer is told.
    """

    def __init__(self, incoming: int, outgoing: int, silence_s: float, hung_up: Callable[[], str]) -> None:
        self._incoming, self._outgoing, self._silence_s, self._hung_up = incoming, outgoing, silence_s, hung_up
        for handle in (incoming, outgoing):
            os.set_blocking(handle, False)
            widen(handle)
        self.lost: str | None = None
        self._last_words: str | None = None
        self._lock = threading.Lock()
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._woken, self._wake = os.pipe()
        for handle in (self._woken, self._wake):
            os.set_blocking(handle, False)
        self._engines: dict[int, RemoteEngine] = {}
        self._answers: dict[int, _Answer] = {}
        self._uploads: dict[int, Upload] = {}
        self._ids, self._numbers = itertools.count(1), itertools.count(1)
        self._in, self._buffer = FramesIn(), memoryview(bytearray(_READ))
        # Short frames go before those of lanes and files, never into the middle of one.
        self._short: collections.deque[bytes] = collections.deque()
        self._long: collections.deque[tuple[Lane | Upload, list[memoryview]]] = collections.deque()
        self._writing: tuple[Lane | Upload | None, list[memoryview]] | None = None
        self._heard = time.monotonic()
        self._beat, self._deaf = 0.0, False
        self._thread = threading.Thread(target=self._carry, name="board", daemon=True)
        self._thread.start()

    def ask(self, ask: str, answered: _Answer, **fields: Any) -> int:
        """Sends a question. answered: called with each of its answers, the last has no `more`, and with None where the
        board is lost; by the thread that carries, which it may not hold up. Returns the question's number.

        DeviceError where the board is lost.
        """
        number = next(self._ids)
        text = json.dumps({"id": number, "ask": ask, **fields}).encode()
        if len(text) > frames.MOST:
            raise ValueError(f"a question of {len(text)} bytes")

        def send() -> None:
            self._answers[number] = answered
            self._send(frames.ASK, text)

        self._do(send)
        return number

    def engine(self, lanes: int) -> RemoteEngine:
        """Ways to an engine that is about to be started, under the number that it has."""
        engine = RemoteEngine(next(self._numbers), lanes)
        try:
            self._do(lambda: self._engines.__setitem__(engine.number, engine))
        except DeviceError:
            engine.cut("")
            engine.discard()
            raise
        return engine

    def forget(self, engine: RemoteEngine) -> None:
        """One that did not start."""
        with contextlib.suppress(DeviceError):  # all are forgotten
            self._do(lambda: engine.cut("did not start"))

    def end(self, engine: int, *, now: bool) -> None:
        """Tells the board to end an engine, or, for 0, all and itself."""
        with contextlib.suppress(DeviceError):  # it has ended
            self._do(lambda: self._send(frames.CLOSE, b"", engine, int(now)))

    def send_file(self, content: memoryview, lane: int) -> Upload:
        """Sends a file's bytes under the number that the board gave; called from `answered` alone."""
        upload = self._uploads[lane] = Upload(content, lane)
        return upload

    def end_file(self, lane: int) -> None:
        """No more of it is sent; called from `answered` alone."""
        self._uploads.pop(lane, None)

    def stop(self, why: str) -> None:
        """Ends the traffic, as if the board were cut off."""
        with contextlib.suppress(DeviceError):
            self._do(lambda: self._stop(why))

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for its end; False where it goes on."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _do(self, what: Callable[[], None]) -> None:
        """In the thread that carries."""
        with self._lock:
            if self.lost is not None:
                raise DeviceError(self.lost)
            self._todo.put(what)
            with contextlib.suppress(BlockingIOError):  # it is awake
                os.write(self._wake, b"\0")

    def _carry(self) -> None:
        why = "the connection ended"
        try:
            while True:
                self._round()
        except _OverError as over:
            why = str(over)
        except ValueError as error:
            why = f"it sent what no board sends ({plain(str(error))})"
        finally:
            self._bury(why)

    def _bury(self, why: str) -> None:
        with self._lock:
            self.lost = why
        while not self._todo.empty():  # what was asked for before that is lost with the rest
            with contextlib.suppress(_OverError):
                self._todo.get()()
        for engine in self._engines.values():
            engine.cut(why)
        for answered in list(self._answers.values()):
            answered(None)
        self._answers.clear()
        os.close(self._woken)
        os.close(self._wake)

    def _round(self) -> None:
        now = time.monotonic()
        if now >= self._beat:
            self._send(frames.BEAT, b"")
            self._beat = now + self._silence_s / 4
        lanes = {lane.fileno: lane for engine in self._engines.values() for lane in engine.lanes if lane.fileno >= 0}
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(self._incoming, select.POLLIN)
        if self._has_to_write:
            poll.register(self._outgoing, select.POLLOUT)
        for handle, lane in lanes.items():
            wanted = (select.POLLIN if lane.wants_to_read else 0) | (select.POLLOUT if lane.waiting else 0)
            if wanted:
                poll.register(handle, wanted)
        ready = dict(poll.poll(max(0.0, self._beat - now) * 1e3))
        if self._woken in ready:
            os.read(self._woken, 1 << 12)
        while not self._todo.empty():
            self._todo.get()()
        if self._incoming in ready:
            self._read()
        elif time.monotonic() - self._heard > self._silence_s:
            raise _OverError(f"no word came from it for {self._silence_s:g} s")
        for handle, lane in lanes.items():
            event = ready.get(handle, 0)
            if event & (select.POLLOUT | select.POLLERR | select.POLLHUP) and lane.waiting:
                lane.go_on()
            if event and lane.wants_to_read and (frame := lane.read()):
                self._long.append((lane, [frame]))
        for lane in lanes.values():
            if count := lane.taken():
                self._send(frames.TAKEN, frames.COUNT.pack(count), lane.engine, lane.number)
        for number in [number for number, engine in self._engines.items() if engine.gone]:
            del self._engines[number]
        for upload in self._uploads.values():
            if upload.wants_to_read:
                head, part = upload.read()
                self._long.append((upload, [memoryview(head), part]))
        if self._has_to_write:
            self._write()

    @property
    def _has_to_write(self) -> bool:
        return not self._deaf and bool(self._writing or self._short or self._long)

    def _read(self) -> None:
        try:
            got = os.readv(self._incoming, [self._buffer])
        except BlockingIOError:
            return
        if not got:
            raise _OverError(self._last_words or self._hung_up())
        self._heard = time.monotonic()
        for head, content in self._in.feed(self._buffer[:got]):
            self._take(head, content)

    def _take(self, head: Head, content: memoryview) -> None:
        engine = self._engines.get(head.engine)
        if head.kind == frames.DATA:
            if engine is not None:
                engine.data(head.lane, content)
        elif head.kind == frames.OUTPUT:
            if engine is not None:
                engine.wrote(content)
        elif head.kind == frames.TAKEN:
            if len(content) != frames.COUNT.size:
                raise ValueError(f"{len(content)} bytes that are no count")
            (count,) = frames.COUNT.unpack(content)
            upload = self._uploads.get(head.lane)
            lane = upload if head.engine == 0 else None if engine is None else engine.lane(head.lane)
            if lane is not None:
                lane.granted = min(lane.granted + count, frames.WINDOW)
        elif head.kind == frames.ANSWER:
            self._answer(json_object(content))
        elif head.kind == frames.ENDED:
            fields = json_object(content)
            if head.engine == 0:
                self._last_words = plain(str(fields.get("says") or "")) or None
            elif engine is not None:
                engine.ended_with(fields)
        elif head.kind == frames.HELLO:
            raise ValueError("a second hello")

    def _answer(self, fields: dict[str, Any]) -> None:
        number = fields.pop("id", None)
        if not isinstance(number, int) or number not in self._answers:
            raise ValueError("an answer that nobody waits for")
        answered = self._answers[number] if fields.get("more") is True else self._answers.pop(number)
        answered(fields)

    def _send(self, kind: int, content: bytes, engine: int = 0, lane: int = 0) -> None:
        self._short.append(frames.head(kind, len(content), engine, lane) + content)

    def _write(self) -> None:
        while True:
            if self._writing is None:
                if self._short:
                    self._writing = None, [memoryview(self._short.popleft())]
                elif self._long:
                    self._writing = self._long.popleft()
                else:
                    return
            whose, parts = self._writing
            try:
                sent = os.writev(self._outgoing, parts)
            except BlockingIOError:
                return
            except OSError:  # what the board has said of it still comes, and then the end
                self._deaf = True
                return
            self._writing = (whose, rest) if (rest := _without(parts, sent)) else None
            if self._writing is None and whose is not None:
                whose.queued = False

    def _stop(self, why: str) -> None:
        raise _OverError(why)


class _OverError(Exception):
    """The traffic has ended; says why."""


def _without(parts: Sequence[memoryview], count: int) -> list[memoryview]:
    left = []
    for part in parts:
        if count < len(part):
            left.append(part[count:])
        count = max(0, count - len(part))
    return left

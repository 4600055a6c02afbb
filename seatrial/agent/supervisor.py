"""The agent at work: one thread that hears the host and the engines, and waits for none of them."""

from __future__ import annotations

import collections
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.agent import asks
from seatrial.agent.blobs import Blobs
from seatrial.agent.engine import Engine
from seatrial.agent.fields import Fields
from seatrial.agent.frames import (
    ANSWER,
    ASK,
    BEAT,
    BLOB,
    CLOSE,
    COUNT,
    DATA,
    ENDED,
    HELLO,
    MOST,
    NOW,
    OUTPUT,
    TAKEN,
    Head,
)
from seatrial.agent.guardian import Guardian
from seatrial.agent.hello import Host, board_here, host_of
from seatrial.agent.inbox import Inbox, object_of
from seatrial.agent.jobs import Job
from seatrial.agent.lane import Lane
from seatrial.agent.lease import Lease
from seatrial.agent.outbox import Outbox, as_json
from seatrial.agent.refusals import BAD_ASK, NO_LEASE, LeaveError, RefusedError, ViolationError, whole_story
from seatrial.agent.uploads import Upload
from seatrial.agent.waiting import Waiting

# How long the host may take for its hello.
_HELLO_S = 60.0
# How often engines and the lease are looked at.
_TICK_S = 0.1
_LAST_WORDS_S = 1.0
_READ = select.POLLIN | select.POLLHUP | select.POLLERR


class Supervisor:
    """incoming, outgoing: descriptors of the host. digest: of the archive. cache: the folder that is kept."""

    def __init__(self, incoming: int, outgoing: int, guardian: Guardian, digest: str, cache: Path) -> None:
        for handle in (incoming, outgoing):
            os.set_blocking(handle, False)
        self._incoming = incoming
        self._inbox, self._outbox = Inbox(), Outbox(outgoing)
        self._guardian, self._cache = guardian, cache
        self._host: Host | None = None
        self._lease: Lease | RefusedError | None = None
        self._waiting: Waiting | None = None
        self._blobs: Blobs | None = None
        self._engines: dict[int, Engine] = {}
        self._last_engine: set[int] = set()
        self._uploads: dict[int, Upload] = {}
        self._jobs: list[Job] = []
        self._turn = 0
        self._heard_at = self._said_at = time.monotonic()
        self._leaves = False
        self._posted: collections.deque[Callable[[], None]] = collections.deque()
        self._signalled: int | None = None
        self._woken, self._wake = os.pipe()
        for handle in (self._woken, self._wake):
            os.set_blocking(handle, False)
        self._outbox.urgent(HELLO, as_json(board_here(digest, cache)))

    # --- what threads and asks use

    def post(self, call: Callable[[], None]) -> None:
        """Has it called by this thread, soon."""
        self._posted.append(call)
        with contextlib.suppress(BlockingIOError):  # woken already
            os.write(self._wake, b"!")

    def answer(self, number: int, fields: dict[str, Any]) -> None:
        """To an ask of the host."""
        content = as_json({"id": number, **fields})
        if len(content) > MOST:
            content = as_json({"id": number, "error": "internal", "says": "The answer is too long for a frame."})
        self._outbox.urgent(ANSWER, content)

    def took(self, lane: int, count: int) -> None:
        """So many bytes of a file arrived."""
        self._outbox.urgent(TAKEN, COUNT.pack(count), lane=lane)

    def wait_for_lease(self, number: int, wait_s: float | None) -> None:
        """Answers as soon as the board is ours, or is not."""
        if isinstance(self._lease, RefusedError):
            raise self._lease
        assert self._lease is not None
        if self._waiting is not None:
            raise RefusedError(BAD_ASK, "The lease is waited for already.")
        self._waiting = Waiting(self._lease, self._guardian.pid, wait_s, lambda fields: self.answer(number, fields))

    def start(self, number: int, lanes: int, memory_bytes: int | None) -> int:
        """Starts an engine's process; its number. RefusedError without the lease."""
        if not isinstance(self._lease, Lease) or not self._lease.is_held:
            raise RefusedError(NO_LEASE, "An engine needs the board's lease.")
        if number in self._last_engine:
            raise RefusedError(BAD_ASK, f"There was an engine {number} already.")
        asks.check_room(len(self._engines), asks.MOST_ENGINES, "engines")
        self._last_engine.add(number)
        engine = Engine(number, lanes, memory_bytes, self._environment())
        self._engines[number] = engine
        return engine.pid

    def begin_upload(self, number: int, sha256: str, size: int) -> None:
        """Takes a file, and answers when it is there."""
        assert self._blobs is not None
        asks.check_room(sum(not upload.done for upload in self._uploads.values()), asks.MOST_JOBS, "files")
        lane = len(self._uploads)
        if lane > 0xFFFF:
            raise RefusedError(BAD_ASK, "That are more files than a run may send.")
        self._uploads[lane] = Upload(number, lane, sha256, size, self._blobs, self)

    def begin_job(self, number: int, where: str, fields: Fields) -> None:
        """Runs `MODULE:FUNCTION` in a thread, and answers what it returns."""
        self._jobs = [job for job in self._jobs if not job.done]
        asks.check_room(len(self._jobs), asks.MOST_JOBS, "jobs")
        job = Job(number, fields, self._cache, self._environment(), self)
        self._jobs.append(job)
        job.start(where)

    def _environment(self) -> dict[str, str]:
        assert self._host is not None
        ours = {
            "SEATRIAL_BLOBS": str(self._cache / "blobs"),
            "SEATRIAL_ENGINES": str(self._cache / "engines"),
            "SEATRIAL_ENGINES_BYTES": str(self._host.cache_bytes // 2),
        }
        return {**os.environ, **self._host.environment, **ours}

    # --- the loop

    def run(self) -> int:
        """Serves until the host is gone or silent, or says so, or a signal comes; the exit status."""
        status = 0
        says: str | None = None
        self._hear_signals()
        try:
            while True:
                self._step()
        except LeaveError as left:
            says = str(left) or None
        except ViolationError as violation:
            says = str(violation)
        except BaseException:
            status, says = 1, whole_story()
            sys.stderr.write(says)
        self._leave(says)
        return status

    def _hear_signals(self) -> None:
        def note(number: int, frame: object) -> None:
            self._signalled = number

        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, note)

    def _step(self) -> None:
        heard = self._poll()
        while self._posted:
            self._posted.popleft()()
        if self._signalled is not None:
            raise LeaveError(f"The agent got {signal.Signals(self._signalled).name}.")
        self._watch_engines(heard)
        self._watch_host()
        if self._waiting is not None and self._waiting.look():
            self._waiting = None
        self._outbox.write()

    def _poll(self) -> set[int]:
        """Waits for what can be done, and does it; the engines that could say something, or have to wait."""
        calls: dict[int, Callable[[], None]] = {self._incoming: self._read_host, self._woken: self._read_wake}
        poll = select.poll()
        poll.register(self._incoming, _READ)
        poll.register(self._woken, _READ)
        if not self._outbox.is_empty:
            poll.register(self._outbox.handle, select.POLLOUT)
            calls[self._outbox.handle] = self._outbox.write
        poll.register(self._guardian.handle, _READ)
        calls[self._guardian.handle] = self._lost_guardian
        heard: set[int] = set()
        for engine in self._in_turn():
            self._register(engine, poll, calls, heard)
        busy = bool(self._engines) or self._waiting is not None
        for handle, _ in poll.poll((_TICK_S if busy else min(1.0, self._beat_s)) * 1e3):
            calls[handle]()
        return heard

    def _in_turn(self) -> list[Engine]:
        """Each time another one is first."""
        engines = list(self._engines.values())
        self._turn += 1
        first = self._turn % max(len(engines), 1)
        return engines[first:] + engines[:first]

    def _register(
        self, engine: Engine, poll: select.poll, calls: dict[int, Callable[[], None]], heard: set[int]
    ) -> None:
        room = self._outbox.has_room
        if not room:
            heard.add(engine.number)
        if engine.output is not None and room:
            poll.register(engine.output, _READ)
            calls[engine.output] = lambda: self._read_output(engine)
        lanes = engine.lanes[self._turn % len(engine.lanes) :] + engine.lanes[: self._turn % len(engine.lanes)]
        for lane in lanes:
            reads = room and lane.may_read
            events = (_READ if reads else 0) | (select.POLLOUT if lane.wants_to_write else 0)
            if lane.is_open and not lane.may_read:
                heard.add(engine.number)
            if events:
                poll.register(lane.handle, events)
                calls[lane.handle] = _both(engine, lane, reads, lambda lane: self._read_lane(engine, lane, heard))

    def _read_host(self) -> None:
        try:
            found = os.read(self._incoming, MOST)
        except BlockingIOError:
            return
        except OSError as error:
            raise LeaveError from error
        if not found:
            raise LeaveError
        self._heard_at = time.monotonic()
        for head, content in self._inbox.take(found):
            self._frame(head, content)

    def _read_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)

    def _lost_guardian(self) -> None:
        raise LeaveError("The agent's guardian was ended: nothing would end the engines with the agent.")

    def _read_output(self, engine: Engine) -> None:
        if engine.output is not None and self._outbox.has_room:
            found = engine.read_output()
            if found:
                self._outbox.in_turn(OUTPUT, found, engine.number)

    def _read_lane(self, engine: Engine, lane: Lane, heard: set[int]) -> None:
        if self._outbox.has_room:
            found = lane.read()
            if found:
                heard.add(engine.number)
                self._outbox.in_turn(DATA, found, engine.number, lane.number)

    # --- what the host says

    def _frame(self, head: Head, content: bytes) -> None:
        if self._host is None:
            if head.kind != HELLO:
                raise ViolationError("The host's first frame is no hello.")
            self._greet(object_of(content))
        elif head.kind == ASK:
            self._ask(object_of(content))
        elif head.kind == DATA:
            lane = self._lane(head)
            if lane is not None:
                lane.put(content)
                self._tell_taken(head.engine, lane)
        elif head.kind == TAKEN:
            if len(content) != COUNT.size:
                raise ViolationError("The host took what is no count.")
            lane = self._lane(head)
            if lane is not None:
                lane.allow(*COUNT.unpack(content))
        elif head.kind == CLOSE:
            self._close(head.engine, head.lane == NOW)
        elif head.kind == BLOB:
            if head.engine or head.lane not in self._uploads:
                raise ViolationError("The host sent a file that was not asked for.")
            if not self._uploads[head.lane].done:
                self._uploads[head.lane].put(content)
        elif head.kind != BEAT:
            raise ViolationError(f"The host sent a frame of kind {head.kind}, which is the board's.")

    def _lane(self, head: Head) -> Lane | None:
        """None of an engine that is no more."""
        engine = self._engines.get(head.engine)
        if engine is None:
            return None
        if head.lane >= len(engine.lanes):
            raise ViolationError(f"The host named lane {head.lane} of an engine that has {len(engine.lanes)}.")
        return engine.lanes[head.lane]

    def _greet(self, fields: dict[str, Any]) -> None:
        try:
            self._host = host_of(fields)
        except RefusedError as refusal:
            raise ViolationError(str(refusal)) from refusal
        try:
            self._lease = Lease(self._host.lease_file, self._host.owner, self._host.lease_s)
            self._guardian.keep(self._lease.handle)
        except RefusedError as refusal:  # told to whoever wants it
            self._lease = refusal
        self._blobs = Blobs(self._cache / "blobs", self._host.cache_bytes // 2)

    def _ask(self, fields: dict[str, Any]) -> None:
        number = fields.get("id")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 1 << 53:
            raise ViolationError("The host asked without a number.")
        try:
            asks.answer(self, number, fields)
        except RefusedError as refusal:
            self.answer(number, {"error": refusal.kind, "says": str(refusal)})

    def _close(self, number: int, now: bool) -> None:
        if not number:
            self._leaves = True
        for engine in list(self._engines.values()) if not number else [self._engines.get(number)]:
            if engine is not None:
                engine.close(now)

    # --- what is looked at all the time

    @property
    def _patience(self) -> float:
        return _HELLO_S if self._host is None else self._host.silence_s

    @property
    def _beat_s(self) -> float:
        """How often this side says that it lives: to the host, and to those who want the lease."""
        return _HELLO_S if self._host is None else min(self._host.silence_s, self._host.lease_s) / 4

    def _watch_host(self) -> None:
        now = time.monotonic()
        if now - self._heard_at > self._patience:
            raise LeaveError(f"The host said nothing for {self._patience:g} s.")
        if now - self._said_at > self._beat_s:
            self._said_at = now
            self._outbox.beat()
            if isinstance(self._lease, Lease):
                self._lease.renew()
        if self._leaves and not self._engines and self._outbox.is_empty:
            raise LeaveError

    def _watch_engines(self, heard: set[int]) -> None:
        for number, engine in list(self._engines.items()):
            engine.watch(number in heard)
            for lane in engine.lanes:
                self._tell_taken(number, lane)
            if engine.ended is not None:
                self._outbox.in_turn(ENDED, as_json(engine.ended), number)
                del self._engines[number]

    def _tell_taken(self, number: int, lane: Lane) -> None:
        taken = lane.taken()
        if taken:
            self._outbox.urgent(TAKEN, COUNT.pack(taken), number, lane.number)

    # --- the end

    def _leave(self, says: str | None) -> None:
        """Tells the host, if it hears; the guardian ends everything that was started."""
        if isinstance(self._lease, Lease):
            self._lease.release()
        if says is not None:
            self._outbox.in_turn(ENDED, as_json({"outcome": None, "says": says[-4096:], "status": None}), 0)
        end = time.monotonic() + _LAST_WORDS_S
        poll = select.poll()
        poll.register(self._outbox.handle, select.POLLOUT)
        with contextlib.suppress(LeaveError):
            while not self._outbox.is_empty and (left := end - time.monotonic()) > 0:
                poll.poll(left * 1e3)
                self._outbox.write()


def _both(engine: Engine, lane: Lane, reads: bool, read: Callable[[Lane], None]) -> Callable[[], None]:
    def call() -> None:
        if lane.wants_to_write:
            lane.write()
        if reads and lane.is_open:
            read(lane)

    return call

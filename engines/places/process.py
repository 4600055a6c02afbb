"""The process of one engine, seen from the run: started, asked, watched, ended."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import math
import os
import queue
import selectors
import signal
import threading
import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from seatrial import child, errors
from seatrial.engines.audit import Audit
from seatrial.engines.base import BuildRequest
from seatrial.engines.compiled import CompiledEngine
from seatrial.engines.evidence import Evidence
from seatrial.engines.places.answers import judged, well_formed
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.places.hello import receive_hello, send_hello
from seatrial.engines.places.limits import OUT_OF_MEMORY, Limits
from seatrial.engines.places.local import LOCAL
from seatrial.engines.places.place import Place
from seatrial.engines.places.requests import request_fields
from seatrial.engines.places.wire import Array, Message, WireError, receive, send
from seatrial.engines.registry import ENGINES
from seatrial.errors import DeviceError, EngineDiedError, SeatrialError
from seatrial.memory import killed_words, oom_kills, took_too_much
from seatrial.scratch import sweep_scratch
from seatrial.text import printable

_LOG = logging.getLogger("seatrial")
_POLL_S = 0.1
_LONGEST_S = 1e6  # beyond it the system's clock overflows
_TAIL_LINES = 24
_LONGEST_LINE = 400


@dataclasses.dataclass(frozen=True)
class CompiledFile:
    """content: the runtime's own file, None where it has none. engine_bytes: its size. build_s: seconds, those of the
    first time where it is `from_cache`. realized: shares of the multiply-accumulates by precision, None where only the
    device could tell.
    """

    content: bytes | None
    engine_bytes: int
    build_s: float
    from_cache: bool
    realized: dict[str, float] | None


class EngineProcess:
    """An engine's runtime in a process of its own, at a place. Close it, or use it as a context manager.

    Once it has died, every call raises the error that says how.
    """

    def __init__(
        self,
        engine: str,
        limits: Limits | None = None,
        *,
        lanes: int = 1,
        arena: Arena | None = None,
        place: Place = LOCAL,
    ) -> None:
        """lanes: calls at once. arena: where batches may lie that are given as spans. Returns at once: the process
        starts meanwhile, `check` waits for it, and until the runtime is imported. UnsupportedError where nothing can be
        started.
        """
        kind = ENGINES[engine]
        self.engine = kind.name
        self.limits = limits or Limits()
        self.place = place
        self._died: SeatrialError | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._there: Facts | None = None
        self._oom_kills = oom_kills()
        self._link = place.connect(lanes, arena, self.limits.memory_bytes)
        self._greeted: set[Channel] = set()
        self._lanes: queue.SimpleQueue[Channel] = queue.SimpleQueue()
        serve = f"{kind.__module__}:{kind.__qualname__}"
        for channel in self._link.channels:
            with contextlib.suppress(OSError):  # gone already: who asks is told
                send_hello(channel, engine=serve, memory_bytes=self.limits.memory_bytes)
            self._lanes.put(channel)
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self._watch = threading.Thread(target=self._guard, daemon=True)
        self._watch.start()

    def there(self) -> Facts:
        """Of the place, as this process says them."""
        if self._there is None:
            self.about()
        assert self._there is not None
        return self._there

    def sees(self, arena: Arena | None) -> bool:
        """True where batches may be given as spans of that arena."""
        return arena is not None and self._link.arena is arena

    def about(self) -> EngineFacts:
        """Whether the engine is installed, and its runtime's version; UnsupportedError where it does not import."""
        answer, _ = self.ask({"ask": "about"}, limit_s=self.limits.start_s)
        version = answer["version"]
        return EngineFacts(bool(answer["installed"]), None if version is None else printable(str(version)))

    def check(self, precision: str, device: str) -> str | None:
        """The runtime's version, once it is imported; UnsupportedError as `Engine.check_support`."""
        answer, _ = self.ask({"ask": "check", "precision": precision, "device": device}, limit_s=self.limits.start_s)
        version = answer["version"]
        return None if version is None else str(version)

    def check_compile(self, precision: str, device: str, compute_capability: str | None) -> None:
        """UnsupportedError where the engine cannot be built here, be it for another machine's GPU."""
        message = {
            "ask": "check compile",
            "precision": precision,
            "device": device,
            "compute_capability": compute_capability,
        }
        self.ask(message, limit_s=self.limits.start_s)

    def compile(self, request: BuildRequest) -> CompiledFile:
        """Builds, and asks nothing of what was built but its file, and where that needs no device its audit; raises
        what building raises.
        """
        kind = ENGINES[self.engine]
        request = kind.prepare(request)
        answer, arrays = self.ask_with(
            {"ask": "compile", "request": request_fields(request)}, request.onnx_bytes, limit_s=self.limits.build_s
        )
        realized = None if issubclass(kind, CompiledEngine) else self.audit(request).realized()
        with well_formed(self.engine):
            return CompiledFile(
                arrays[0].tobytes() if arrays else None,
                int(answer["engine_bytes"]),
                float(answer["build_s"]),
                bool(answer["from_cache"]),
                realized,
            )

    def audit(self, request: BuildRequest) -> Audit:
        """What was built of a request, as prepared: judged here, by what the process tells."""

        def ask(part: str) -> Evidence:
            answer, arrays = self.ask({"ask": "evidence", "part": part}, limit_s=self.limits.build_s)
            return answer["evidence"], arrays

        return judged(self.engine, request, ask)

    def ask_with(
        self, message: Message, graph: bytes, arrays: Sequence[Array] = (), *, limit_s: float | None = None
    ) -> tuple[Message, list[Array]]:
        """As `ask`, with a graph, which some places are brought before, once."""
        named = self._link.give(graph)
        more = [np.frombuffer(graph, np.uint8)] if named is None else []
        return self.ask({**message, "graph": named}, [*arrays, *more], limit_s=limit_s)

    def ask(
        self, message: Message, arrays: Sequence[Array] = (), *, limit_s: float | None = None
    ) -> tuple[Message, list[Array]]:
        """Sends a message and waits for its answer, `limits.call_s` seconds at most unless told otherwise.

        Raises what the engine raised, or EngineDiedError where its process ended, hung, or took too much memory. May be
        called from several threads.
        """
        channel = self._lanes.get()
        try:
            return self._talk(channel, message, arrays, self.limits.call_s if limit_s is None else limit_s)
        finally:
            self._lanes.put(channel)

    def _talk(
        self, channel: Channel, message: Message, arrays: Sequence[Array], limit_s: float
    ) -> tuple[Message, list[Array]]:
        doing = "start"
        if self._died is not None:
            raise self._died
        if self._closing.is_set():
            raise ValueError(f"Engine {self.engine!r} is closed.")
        try:
            if channel not in self._greeted:
                self._there, _ = receive_hello(channel, self.place.name, time.monotonic() + self.limits.start_s)
                self._greeted.add(channel)
            doing = "build" if message["ask"] in ("build", "compile") else "answer"
            deadline = time.monotonic() + min(limit_s, _LONGEST_S)
            send(channel, message, arrays, deadline)
            answer, found = receive(channel, deadline)
        except TimeoutError:
            within = self.limits.start_s if doing == "start" else limit_s
            self._end("hung", f"did not {doing} within {within:g} s")
        except WireError as error:
            self._end("crashed", f"sent what is no answer ({printable(str(error))})")
        except (EOFError, OSError):
            if self._closing.is_set():
                raise ValueError(f"Engine {self.engine!r} was closed while it answered.") from None
            self._end(*self._last_words())
        except SeatrialError as error:  # of another version
            self._end_with(error)
        except BaseException:
            # Its answer would be taken for that of the next question.
            self._end("crashed", "was interrupted while it answered")
            raise
        else:
            warnings = answer.pop("warnings", [])
            for warning in warnings if isinstance(warnings, list) else ():
                _LOG.warning("%s", printable(str(warning)))
            if "error" in answer:
                raise _raised(answer, str(message["ask"]))
            return answer, found
        assert self._died is not None
        raise self._died

    def close(self) -> None:
        """Ends the process, also while it is asked; who waits gets a ValueError."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._link.hang_up()
        try:
            self._link.ended(2)
        finally:
            self._link.kill()  # also what it may have started
        self._watch.join()
        self._reader.join()
        self._link.close()
        sweep_scratch()

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, outcome: str, says: str) -> None:
        with self._lock:
            if self._died is None:
                self._link.kill()
                self._reader.join(timeout=1)
                said = "".join(f"\n    {line}" for line in self._tail.copy())
                where = "" if self.place is LOCAL else f" at {self.place.name}"
                self._died = EngineDiedError(
                    f"Engine {self.engine!r}{where} {says}." + (f" Its last output:{said}" if said else ""), outcome
                )

    def _end_with(self, error: SeatrialError) -> None:
        with self._lock:
            self._died = self._died or error
            self._link.kill()

    def _last_words(self) -> tuple[str, str]:
        """The outcome of a process that has hung up, and what is said of it."""
        end = self._link.ended(5)
        if end is None:
            return "crashed", "closed its channel"
        if end.says is not None or end.status is None:
            return end.outcome or "crashed", printable(end.says or "closed its channel")
        status = end.status
        if status == OUT_OF_MEMORY and self._link.pid is None:
            return "out of memory", took_too_much(self.limits.memory_bytes)
        if status == -signal.SIGKILL:
            return "crashed", killed_words(self._oom_kills)
        if status < 0:
            return "crashed", f"crashed ({child.signal_words(status)})"
        return "crashed", f"ended with exit status {status}"

    def _listen(self) -> None:
        """Keeps the last lines of output; ends with it, or a second after `close` where something holds it open."""
        handle = self._link.output
        rest, end = b"", math.inf
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while time.monotonic() < end:
                if self._closing.is_set():
                    end = min(end, time.monotonic() + 1)
                if not selector.select(_POLL_S):
                    continue
                found = os.read(handle, 1 << 16)
                if not found:
                    break
                *lines, rest = (rest + found).split(b"\n")
                rest = rest[-_LONGEST_LINE:]
                for line in lines:
                    self._note(line)
        self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip()
        if text:
            self._tail.append(printable(text))

    def _guard(self) -> None:
        """Ends the process when it takes too much memory; where its memory cannot be seen, it does so itself."""
        if self._link.pid is None:
            return
        import psutil  # an engine's own process, which loads this package, does without

        limit = self.limits.memory
        try:
            watched = psutil.Process(self._link.pid)
            while not self._closing.wait(_POLL_S) and self._died is None:
                memory = watched.memory_info()
                own = memory.rss - getattr(memory, "shared", 0)
                if own > limit:
                    self._end("out of memory", took_too_much(limit))
        except psutil.Error:
            return


def _raised(answer: Message, ask: str) -> Exception:
    kind, says = str(answer["error"]), printable(str(answer.get("says", "")))
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, SeatrialError) and found is not EngineDiedError:
        return found(says)
    if kind == "ValueError" and ask in ("infer", "intermediates"):
        return ValueError(says)
    return DeviceError(f"An engine's process failed:\n{says}")

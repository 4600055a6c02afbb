"""The other side: an engine's own process, which answers one message after the other until the run is gone.

`main` is called by `engines.places.local`. As a command, `python -m seatrial.engines.places.server`, it is what a
`PipedPlace` starts. What it imports is NumPy and the engine's own adapter, which imports its runtime.
"""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seatrial.engines.base import Engine, filled
from seatrial.engines.compiled import CompiledEngine
from seatrial.engines.graph import Shown
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.channel import Channel, wait_for_the_end
from seatrial.engines.places.facts import engine_here, peak_memory
from seatrial.engines.places.hello import receive_hello, send_hello
from seatrial.engines.places.limits import OUT_OF_MEMORY
from seatrial.engines.places.pixels import tensor_of
from seatrial.engines.places.requests import given_content, request_here
from seatrial.engines.places.wire import Array, Message, WireError, receive, send
from seatrial.engines.timing.fed import Fed
from seatrial.engines.timing.message import block_of, timed_message
from seatrial.engines.timing.service import TimingService
from seatrial.errors import SeatrialError, UnsupportedError
from seatrial.memory import default_memory

if TYPE_CHECKING:
    from seatrial.engines.machine import Watch

Answer = tuple[Message, list[Array]]

_POLL_S = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main(handles: list[int], arena: list[int]) -> None:
    """Serves the engine that the run names in its hello.

    handles: file descriptors of the channels, each served by a thread of its own. arena: descriptor, bytes of a slot
    and number of slots; empty for none. Ends when standard input does.
    """
    _begin(0)
    shared = Arena(arena[1], arena[2], handle=arena[0]) if arena else None
    _serve_all([Channel(handle, handle) for handle in handles], shared)


def over_pipes() -> None:
    """Serves over standard input and output; what a runtime writes there goes to standard error."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    _begin(incoming)
    _serve_all([Channel(incoming, outgoing)], None, guarded=True)


def _begin(run: int) -> None:
    """run: what hangs up when the run is gone."""
    faulthandler.enable(all_threads=False)  # those of ours say nothing
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends its engines
    _volunteer()
    threading.Thread(target=_leave_with_the_run, args=(run,), daemon=True).start()


def _serve_all(channels: list[Channel], arena: Arena | None, *, guarded: bool = False) -> None:
    for channel in channels:
        send_hello(channel)
    said = [_hello_of(channel) for channel in channels]
    if guarded:
        limit = said[0]["memory_bytes"] or default_memory()
        threading.Thread(target=_guard, args=(limit,), daemon=True).start()
    warnings: collections.deque[str] = collections.deque()
    logging.getLogger("seatrial").addHandler(_Warnings(warnings))
    server = _Server(_engine_class(said[0]["engine"]), arena)
    for channel in channels[1:]:
        threading.Thread(target=_serve, args=(server, channel, warnings), daemon=True).start()
    _serve(server, channels[0], warnings)
    os._exit(0)  # a runtime's own clean-up is where many of them crash


def _hello_of(channel: Channel) -> Message:
    try:
        return receive_hello(channel, "the run")[1]
    except (SeatrialError, WireError) as error:  # the run sees it, too
        sys.exit(str(error))
    except (EOFError, OSError):
        os._exit(0)


def _engine_class(where: str) -> type[Engine]:
    """where: `MODULE:CLASS`."""
    module, _, name = where.partition(":")
    found: type[Engine] = getattr(importlib.import_module(module), name)
    if not issubclass(found, Engine):
        raise TypeError(f"{where} is no engine")
    return found


def _guard(limit: int) -> None:
    """Ends this process when it takes more memory than so many bytes, without what it shares with others."""
    while True:
        with contextlib.suppress(OSError):  # a system without it sets no limit
            resident, shared = map(int, Path("/proc/self/statm").read_bytes().split()[1:3])
            if (resident - shared) * _PAGE > limit:
                os._exit(OUT_OF_MEMORY)
        time.sleep(_POLL_S)


def _volunteer() -> None:
    # Where memory runs out, the system ends this process and not the run.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _leave_with_the_run(handle: int) -> None:
    wait_for_the_end(handle)
    os._exit(0)


class _Warnings(logging.Handler):
    """Gathers what is logged: the run says it, with the next answer."""

    def __init__(self, gathered: collections.deque[str]) -> None:
        super().__init__(logging.WARNING)
        self._gathered = gathered

    def emit(self, record: logging.LogRecord) -> None:
        self._gathered.append(record.getMessage())


def _serve(server: _Server, channel: Channel, warnings: collections.deque[str]) -> None:
    while True:
        try:
            message, arrays = receive(channel)
        except (EOFError, OSError, WireError):
            return
        try:
            answer, found = server.answer(message, arrays)
        except SeatrialError as error:
            answer, found = {"error": _kind(error), "says": str(error)}, []
        except ValueError as error:
            answer, found = {"error": "ValueError", "says": str(error)}, []
        except Exception:
            answer, found = {"error": "internal", "says": traceback.format_exc()}, []
        if warnings:
            answer = {**answer, "warnings": [warnings.popleft() for _ in range(len(warnings))]}
        try:
            send(channel, answer, found)
        except TypeError:  # an adapter's description that is no JSON; nothing has been sent yet
            send(channel, {"error": "internal", "says": traceback.format_exc()})
        except OSError:
            return


def _kind(error: SeatrialError) -> str:
    """The name of its class, or of that of `seatrial.errors` which it is one of."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == SeatrialError.__module__)


class _Server:
    def __init__(self, engine_class: type[Engine], arena: Arena | None) -> None:
        self._class, self._arena = engine_class, arena
        self._engine: Engine | None = None
        self._shown: Shown | None = None
        self._fed: Fed | None = None
        self._service: TimingService | None = None
        self._peak_before = 0
        self._watch: Watch | None = None
        self._asks: dict[str, Callable[[Message, list[Array]], Answer]] = {
            "about": self._about,
            "check": self._check,
            "check compile": self._check_compile,
            "compile": self._compile,
            "build": self._build,
            "infer": self._infer,
            "intermediates": self._intermediates,
            "evidence": self._evidence,
            "show": self._keep_shown,
            "save": self._save,
            "queries": self._keep_queries,
            "expect": self._expect,
            "warm up": self._warm_up,
            "time": self._time,
            "loadgen": self._loadgen,
            "machine": self._machine,
            "phases": self._phases,
            "memory": self._memory,
            "device memory": self._device_memory,
            "idle watts": self._idle_watts,
            "probe": self._probe,
            "standing": self._standing,
            "feed": self._feed,
            "time fed": self._time_fed,
        }

    def answer(self, message: Message, arrays: list[Array]) -> Answer:
        return self._asks[message["ask"]](message, arrays)

    @property
    def _built(self) -> Engine:
        if self._engine is None:
            raise ValueError("No engine was built.")
        return self._engine

    def _about(self, message: Message, arrays: list[Array]) -> Answer:
        return vars(engine_here(self._class)), []

    def _check(self, message: Message, arrays: list[Array]) -> Answer:
        self._class.check_support(message["precision"], message["device"])
        return {"version": self._class.version()}, []

    def _check_compile(self, message: Message, arrays: list[Array]) -> Answer:
        precision, device = message["precision"], message["device"]
        if issubclass(self._class, CompiledEngine):
            self._class.check_compile(precision, device, message["compute_capability"])
        elif message["compute_capability"] is not None:
            raise UnsupportedError(
                f"Engine {self._class.name!r} builds for this machine only: it has no --compute-capability."
            )
        else:
            self._class.check_support(precision, device)
        return {}, []

    def _compile(self, message: Message, arrays: list[Array]) -> Answer:
        files: list[Array] = []
        with request_here(message, arrays) as request:
            if issubclass(self._class, CompiledEngine):
                entry = self._class.compile(request)
                size, build_s, from_cache = len(entry.compiled), entry.build_s, entry.from_cache
                files = [np.frombuffer(entry.compiled, np.uint8)]
            else:
                self._engine = engine = self._class(request)
                size, build_s, from_cache = engine.engine_bytes, engine.build_s, engine.from_cache
                with contextlib.suppress(UnsupportedError):
                    files = [np.frombuffer(engine.save(), np.uint8)]
        return {"engine_bytes": size, "build_s": build_s, "from_cache": from_cache}, files

    def _build(self, message: Message, arrays: list[Array]) -> Answer:
        self._shown = None
        with request_here(message, arrays) as request:
            self._engine = engine = self._class(request)
        return {
            "version": self._class.version(),
            "build_s": engine.build_s,
            "engine_bytes": engine.engine_bytes,
            "from_cache": engine.from_cache,
            "describe": engine.describe(),
            "cautions": list(engine.cautions()),
        }, []

    def _infer(self, message: Message, arrays: list[Array]) -> Answer:
        return {}, [self._built.infer(self._batch(message, arrays))]

    def _intermediates(self, message: Message, arrays: list[Array]) -> Answer:
        values = self._built.intermediates(self._batch(message, arrays), message["names"], self._shown)
        return {"names": list(values)}, list(values.values())

    def _keep_shown(self, message: Message, arrays: list[Array]) -> Answer:
        """What the next ones show."""
        graph = given_content(message, arrays) if message["graph"] is not None or arrays else None
        self._shown = Shown(graph, tuple(message["names"]))
        return {}, []

    def _evidence(self, message: Message, arrays: list[Array]) -> Answer:
        told, contents = self._built.evidence(message["part"])
        return {"evidence": told}, list(contents)

    def _save(self, message: Message, arrays: list[Array]) -> Answer:
        return {}, [np.frombuffer(self._built.save(), np.uint8)]

    def _keep_queries(self, message: Message, arrays: list[Array]) -> Answer:
        self._timing.keep(arrays)
        return {}, []

    def _expect(self, message: Message, arrays: list[Array]) -> Answer:
        samples = self._timing.expect()
        return {"at_once": self._built.at_once}, [samples.expected, samples.unsteady]

    def _warm_up(self, message: Message, arrays: list[Array]) -> Answer:
        return {"median_s": self._timing.warm_up(message["seconds"])}, []

    def _time(self, message: Message, arrays: list[Array]) -> Answer:
        self._note_peak()
        return timed_message(self._timing.time(block_of(message["block"])))

    def _machine(self, message: Message, arrays: list[Array]) -> Answer:
        from seatrial.engines.machine import Watch  # an engine that is not timed starts without

        if self._watch is None:
            self._watch = Watch(run_by=os.getppid())
        return {"machine": self._watch.reading()}, []

    def _loadgen(self, message: Message, arrays: list[Array]) -> Answer:
        self._note_peak()
        return self._timing.loadgen(block_of(message["block"]), message["bound_ms"])

    def _phases(self, message: Message, arrays: list[Array]) -> Answer:
        query = self._timing.query(message["index"])
        return {"phases": self._built.phases(filled(query, self._built.request.fixed_batch or len(query)))}, []

    def _memory(self, message: Message, arrays: list[Array]) -> Answer:
        peak = peak_memory()
        if peak is not None and self._service is not None:  # without what only timing needs, or before it was needed
            peak = max(self._peak_before, peak - self._service.extra_bytes)
        return {"peak_bytes": peak}, []

    def _note_peak(self) -> None:
        if not self._timing.extra_bytes:
            self._peak_before = peak_memory() or 0

    def _device_memory(self, message: Message, arrays: list[Array]) -> Answer:
        from seatrial.engines.machine import device_peak_bytes

        return {"peak_bytes": device_peak_bytes()}, []

    def _idle_watts(self, message: Message, arrays: list[Array]) -> Answer:
        return {"watts": self._timing.idle_watts(message["seconds"])}, []

    def _probe(self, message: Message, arrays: list[Array]) -> Answer:
        return {"ns": self._timing.probe()}, []

    def _standing(self, message: Message, arrays: list[Array]) -> Answer:
        return {"standing": self._built.standing()}, []

    @property
    def _timing(self) -> TimingService:
        if self._service is None or self._service.engine is not self._built:
            self._service = TimingService(self._built)
        return self._service

    def _feed(self, message: Message, arrays: list[Array]) -> Answer:
        self._fed = None  # frees the last one's images first
        self._fed = Fed(self._built, message["where"], message["description"], arrays)
        return {"steps": list(self._fed.steps)}, [self._fed.answers]

    def _time_fed(self, message: Message, arrays: list[Array]) -> Answer:
        if self._fed is None:
            raise ValueError("Nothing feeds the engine.")
        whole, parts, wrong = self._fed.time(message["first"], message["queries"], message["seconds"])
        return {"wrong": wrong}, [whole, parts]

    def _batch(self, message: Message, arrays: list[Array]) -> Array:
        if "pixels" in message:
            return tensor_of(message["pixels"], arrays)
        if arrays:
            return arrays[0]
        if self._arena is None:
            raise ValueError("No arena.")
        return self._arena.view(message["at"], np.dtype(message["dtype"]), tuple(message["shape"]))


if __name__ == "__main__":
    over_pipes()

"""An engine at a place, in a process of its own, with the methods of one in this process."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.audit import Audit
from seatrial.engines.base import Batch, BuildRequest, Logits
from seatrial.engines.places.answers import well_formed
from seatrial.engines.places.arena import Span
from seatrial.engines.places.facts import Facts
from seatrial.engines.places.limits import Limits
from seatrial.engines.places.local import LOCAL
from seatrial.engines.places.pixels import Pixels
from seatrial.engines.places.place import Place
from seatrial.engines.places.process import EngineProcess
from seatrial.engines.places.requests import request_fields
from seatrial.engines.places.wire import Array, Message
from seatrial.engines.registry import ENGINES
from seatrial.engines.timing import loadgen
from seatrial.engines.timing.block import Block, Timed
from seatrial.engines.timing.fed import TimedFed
from seatrial.engines.timing.loadgen_log import LoadgenResult
from seatrial.engines.timing.loops import PATIENCE
from seatrial.engines.timing.message import joules_of, loadgen_of, timed_of
from seatrial.errors import DeviceError
from seatrial.text import printable

_Found = TypeVar("_Found")
# All samples are asked one by one, twice, in no more than as many batches may take.
_PREPARED = 4


class PlacedEngine:
    """What `engines.base.Engine` is, with its runtime in `process`: a crash, a hang or a leak there raises
    EngineDiedError here. Arrays are copied on the way, but for those that lie in the process's arena.
    """

    def __init__(self, process: EngineProcess, request: BuildRequest) -> None:
        """Builds; raises what building raises."""
        self.process, self.request = process, ENGINES[process.engine].prepare(request)
        self.name = process.engine
        answer, _ = process.ask_with(
            {"ask": "build", "request": request_fields(self.request)},
            self.request.onnx_bytes,
            limit_s=process.limits.build_s,
        )
        self._audit: Audit | None = None
        self._showing = threading.Lock()
        self._shown: tuple[()] | tuple[tuple[str, ...] | None] = ()  # the names that were asked for last
        self._steps: tuple[str, ...] = ()
        self._expected: Logits | None = None
        self._unsteady: npt.NDArray[np.bool_] | None = None
        self._at_once: int | None = None
        with self._well_formed():
            self.build_s = float(answer["build_s"])
            self.engine_bytes = int(answer["engine_bytes"])
            self.from_cache = bool(answer["from_cache"])
            self._version = None if answer["version"] is None else printable(str(answer["version"]))
            self._description: dict[str, Any] = dict(answer["describe"])
            self._cautions = tuple(printable(str(caution)) for caution in answer["cautions"])

    @property
    def place(self) -> Place:
        """Where it runs."""
        return self.process.place

    @property
    def there(self) -> Facts:
        """The place as its process sees it."""
        return self.process.there()

    @property
    def version(self) -> str | None:
        """The runtime's, there."""
        return self._version

    def infer(self, batch: Batch | Span | Pixels) -> Logits:
        """As `Engine.infer`. Pixels travel as they are, and become the tensor there."""
        _, arrays = self._feed({"ask": "infer"}, batch)
        logits = arrays[0] if len(arrays) == 1 else np.empty(0, np.float32)
        expected = (len(batch.array if isinstance(batch, Span) else batch), self.request.classes)
        if logits.shape != expected or logits.dtype != np.float32:
            raise DeviceError(
                f"Engine {self.name!r} answered {logits.dtype} {list(logits.shape)}, not {list(expected)}."
            )
        return logits

    def intermediates(
        self, batch: Batch | Span | Pixels, names: Collection[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """As `Engine.intermediates`."""
        with self._showing:
            wanted = None if names is None else tuple(sorted(names))
            self._show(wanted)
            answer, arrays = self._feed({"ask": "intermediates", "names": wanted}, batch)
        with self._well_formed():
            return dict(zip(map(str, answer["names"]), arrays, strict=True))

    def _show(self, names: tuple[str, ...] | None) -> None:
        """Sends the graph that shows these, where the engine needs another for that."""
        if self._shown == (names,):
            return
        shown = ENGINES[self.name].shown(self.request, names)
        self._shown = ()
        if shown is not None:
            message = {"ask": "show", "names": list(shown.names)}
            if shown.onnx_bytes is None:
                self.process.ask({**message, "graph": None})
            else:
                self.process.ask_with(message, shown.onnx_bytes)
        self._shown = (names,)

    def audit(self) -> Audit:
        """As `Engine.audit`."""
        if self._audit is None:
            self._audit = self.process.audit(self.request)
        return self._audit

    def save(self) -> bytes:
        """As `Engine.save`."""
        _, arrays = self.process.ask({"ask": "save"})
        with self._well_formed():
            return arrays[0].tobytes()

    def describe(self) -> dict[str, Any]:
        """As `Engine.describe`."""
        return self._description

    def cautions(self) -> tuple[str, ...]:
        """As `Engine.cautions`."""
        return self._cautions

    def standing(self) -> dict[str, Any]:
        """As `Engine.standing`: words and numbers."""
        answer, _ = self.process.ask({"ask": "standing"})
        with self._well_formed():
            return {
                printable(str(name)): value if isinstance(value, int) else printable(str(value))
                for name, value in answer["standing"].items()
            }

    def prepare(self, queries: Sequence[Batch], warm_up_s: float) -> float:
        """Sends what `time` and `phases` ask with, lets the engine answer each of them twice and then go on for so many
        seconds; the median seconds of a query, by its own process's clock.

        queries: samples [1, ...] of one shape.
        """
        call_s = self.process.limits.call_s
        self.process.ask({"ask": "queries"}, queries)
        answer, arrays = self.process.ask({"ask": "expect"}, limit_s=_PREPARED * call_s)
        with self._well_formed():
            expected, unsteady = arrays
            shape = (len(queries), self.request.classes)
            if expected.shape != shape or expected.dtype != np.float32 or not np.isfinite(expected).all():
                raise ValueError(f"{expected.dtype} {list(expected.shape)} are no answers {list(shape)}")
            if unsteady.shape != shape[:1] or unsteady.dtype != np.bool_:
                raise ValueError(f"{unsteady.dtype} {list(unsteady.shape)} are no flags of {shape[0]} answers")
            self._expected, self._unsteady, self._at_once = expected, unsteady, max(1, int(answer["at_once"]))
        answer, _ = self.process.ask({"ask": "warm up", "seconds": warm_up_s}, limit_s=2 * call_s + warm_up_s)
        with self._well_formed():
            median = float(answer["median_s"])
            if not 0 <= median < float("inf"):
                raise ValueError(f"a query of {median} s")
            return median

    def expected(self) -> Logits:
        """float32 [S, classes]: its answers to what was prepared, before any clock ran."""
        return self._prepared(self._expected)

    def unsteady(self) -> npt.NDArray[np.bool_]:
        """bool [S]: where it answered otherwise when it was asked again."""
        return self._prepared(self._unsteady)

    @property
    def at_once(self) -> int:
        """Queries that it answers at the same time, as prepared; more wait for one another."""
        return self._prepared(self._at_once)

    def time(self, block: Block) -> Timed:
        """Times a block of queries in its own process, by the clock there; every answer is compared with `expected`.

        A process that is silent for longer than the block and two calls may last has hung.
        """
        call_s = self.process.limits.call_s
        lasts = PATIENCE * block.seconds
        if block.rate is None:  # arrivals are waited for
            lasts = min(lasts, call_s * block.queries)
        answer, arrays = self.process.ask({"ask": "time", "block": block.to_dict()}, limit_s=lasts + 2 * call_s)
        with self._well_formed():
            return timed_of(answer, arrays, block)

    def loadgen(self, block: Block, *, bound_ms: float) -> LoadgenResult:
        """Has MLPerf's load generator ask, in its process, at least `queries` and for at least `seconds`; both must be
        given. Takes `seed`, `samples` and `workers` of the block, and `rate` and `bound_ms` in the scenario server.

        UnsupportedError where it is missing there, and for a scenario that it does not have.
        """
        limits = self.process.limits
        ask = {"ask": "loadgen", "block": block.to_dict(), "bound_ms": bound_ms}
        answer, arrays = self.process.ask(
            ask, limit_s=limits.start_s + loadgen.PATIENCE * block.seconds + 4 * limits.call_s
        )
        with self._well_formed():
            return _printable(loadgen_of(answer, arrays, block.scenario))

    def machine(self) -> dict[str, Any]:
        """What the machine is like where it runs, now: `engines.machine.reading`; JSON values."""
        from seatrial.engines.machine import as_reading  # an engine's process, which loads this package, starts without

        answer, _ = self.process.ask({"ask": "machine"})
        with self._well_formed():
            return as_reading(answer["machine"])

    def device_memory_bytes(self) -> int | None:
        """The most memory of NVIDIA's GPUs that its process was seen to have; None where none tells."""
        answer, _ = self.process.ask({"ask": "device memory"})
        with self._well_formed():
            return _bytes(answer["peak_bytes"])

    def idle_watts(self, seconds: float) -> dict[str, float]:
        """Name of a meter, as in `Counters.joules` -> watts while its process does nothing for so many seconds."""
        answer, _ = self.process.ask(
            {"ask": "idle watts", "seconds": seconds}, limit_s=self.process.limits.call_s + seconds
        )
        with self._well_formed():
            return joules_of(answer["watts"])

    def probe(self) -> int:
        """Nanoseconds of known arithmetic where it runs, now: as `Counters.probe_ns`."""
        answer, _ = self.process.ask({"ask": "probe"})
        with self._well_formed():
            return int(answer["ns"])

    def phases(self, index: int) -> dict[str, float]:
        """As `Engine.phases`, for the query of that number."""
        answer, _ = self.process.ask({"ask": "phases", "index": index})
        with self._well_formed():
            return {str(name): float(value) for name, value in answer["phases"].items()}

    def feed(self, where: str, description: Mapping[str, Any], images: Sequence[Array]) -> Logits:
        """Puts what makes its input beside the engine, in its process: from now on `time_fed` begins at the stored
        images. Returns its answers to them, float32 [S, classes].

        where: `MODULE:CALLABLE`, an `engines.timing.fed.MakeFeeder`. images: files as uint8 [bytes], or pixels, sent
        once. Raises UnsupportedError where the module does not import there, and what the feeder raises of an image.
        """
        message = {"ask": "feed", "where": where, "description": dict(description)}
        limit_s = self.process.limits.start_s + self.process.limits.call_s * len(images)
        answer, arrays = self.process.ask(message, images, limit_s=limit_s)
        with self._well_formed():
            (logits,) = arrays
            if logits.shape != (len(images), self.request.classes) or logits.dtype != np.float32:
                raise ValueError(f"{logits.dtype} {list(logits.shape)} of {len(images)} images")
            self._steps = tuple(printable(str(step)) for step in answer["steps"])
            if len(set(self._steps)) != len(self._steps):
                raise ValueError("a step that stands twice")
            return logits

    def time_fed(self, queries: int, seconds: float, first: int = 0) -> TimedFed:
        """Of queries from the stored image to the answer, `first` on: as many, or as they take so many seconds."""
        limit_s = self.process.limits.call_s + seconds
        message = {"ask": "time fed", "first": first, "queries": queries, "seconds": seconds}
        answer, arrays = self.process.ask(message, limit_s=limit_s)
        with self._well_formed():
            found = TimedFed.checked(self._steps, arrays, int(answer["wrong"]))
            if len(found.whole) > queries:
                raise ValueError(f"{len(found.whole)} times of {queries}")
            return found

    def memory_bytes(self) -> int | None:
        """The most memory that its process has had so far, its runtime's and its Python's; None where the system does
        not tell, and of an engine that is elsewhere.
        """
        if ENGINES[self.name].served:
            return None
        answer, _ = self.process.ask({"ask": "memory"})
        with self._well_formed():
            return _bytes(answer["peak_bytes"])

    def close(self) -> None:
        """Ends its process."""
        self.process.close()

    def __enter__(self) -> PlacedEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepared(self, found: _Found | None) -> _Found:
        if found is None:
            raise ValueError(f"Engine {self.name!r} was not prepared with queries.")
        return found

    def _well_formed(self) -> contextlib.AbstractContextManager[None]:
        return well_formed(self.name)

    def _feed(self, message: Message, batch: Batch | Span | Pixels) -> tuple[Message, list[Array]]:
        if isinstance(batch, Pixels):
            return self.process.ask({**message, "pixels": batch.fields}, [batch.array, batch.table])
        if not isinstance(batch, Span):
            return self.process.ask(message, [batch])
        array = batch.array
        if not self.process.sees(batch.arena):
            return self.process.ask(message, [array])
        return self.process.ask({**message, "at": batch.at, "dtype": array.dtype.str, "shape": list(array.shape)})


def build(
    name: str, request: BuildRequest, limits: Limits | None = None, *, lanes: int = 1, place: Place = LOCAL
) -> PlacedEngine:
    """Builds `request` in a new process at a place, which takes `lanes` calls at once; close the engine, or use it as a
    context manager.

    Raises as `engines.build`, and EngineDiedError.
    """
    process = EngineProcess(name, limits, lanes=lanes, place=place)
    try:
        return PlacedEngine(process, request)
    except BaseException:
        process.close()
        raise


def _bytes(value: Any) -> int | None:
    if value is None:
        return None
    if int(value) < 0:
        raise ValueError(f"{value} bytes")
    return int(value)


def _printable(found: LoadgenResult) -> LoadgenResult:
    return dataclasses.replace(
        found,
        version=printable(found.version),
        says=tuple(map(printable, found.says)),
        logs={name: printable(text) for name, text in found.logs.items()},
    )

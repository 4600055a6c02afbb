"""What every engine is: built once from an ONNX graph, asked for logits, audited, closed.

The public methods check lifecycle, shapes and dtypes; an adapter fills the `_`-methods and stays short.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import os
import queue
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.audit import Audit
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.evidence import AUDIT, Ask, Evidence, audit_of, told
from seatrial.engines.graph import Shown
from seatrial.engines.precision import AS_WRITTEN, NOWHERE_EXECUTED, SIMULATED, SIMULATED_WEIGHTS, is_simulated
from seatrial.errors import DeviceError, SeatrialError, UnsupportedError
from seatrial.packages import need
from seatrial.scores import of_two_classes

Logits = npt.NDArray[np.float32]
Batch = npt.NDArray[np.float32] | npt.NDArray[np.float16] | npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class BuildRequest:
    """All that an engine needs to know, without the harness beside it.

    onnx_bytes: the graph, already at the precision asked for. input_shape, input_dtype: of one image's input tensor,
    without the batch, as in (3, 224, 224) and "float32". classes: number of logits. fixed_batch: the batch that the
    graph is frozen at, None if free. device: a word of the engine's manifest, with `:INDEX` where there are several.
    threads: of one inference call. optimization: of the graph, in ONNX Runtime's words (disable, basic, extended,
    all). builder: what only engines with a builder look at. cache: folder of built engines, None to build anew.
    binary: "logits" or "probabilities" where the graph gives one number per image, which stands for two classes
    (`seatrial.scores`). prepared: name of the engine for which `Engine.prepare` has gone over the graph.
    """

    onnx_bytes: bytes
    input_name: str
    output_name: str
    input_shape: tuple[int, ...]
    classes: int
    precision: str = "fp32"
    device: str = "cpu"
    fixed_batch: int | None = None
    threads: int = 1
    optimization: str = "all"
    input_dtype: str = "float32"
    builder: BuilderOptions = dataclasses.field(default_factory=BuilderOptions)
    cache: Path | None = None
    binary: str | None = None
    prepared: str | None = None

    @property
    def columns(self) -> int:
        """Numbers per image that the graph itself gives."""
        return self.classes if self.binary is None else 1


class Engine(abc.ABC):
    """A built engine. Use as a context manager, or call `close`.

    Class attributes of an adapter: `name`; `module`, the Python module of its runtime (None if it needs none);
    `distributions`, the packages that may hold it, where they are named otherwise; `install`, the line that installs
    it; `manifest`, device -> precisions that it can run natively there;
    `executes_graph`, False for an engine that does not look at the graph, which then needs no quantizing;
    `thread_safe`, True where the runtime takes several inferences at once; `simulates`, the kinds of devices on which
    it computes float graphs with fake quantization in them as they are written, so that it offers every simulated
    precision there; `as_written`, True where it computes the integers of any quantized file likewise, so that it offers
    every precision that a file has of its own, always simulated; `served`, True where it asks a server that `--place`
    names.
    """

    name: ClassVar[str]
    module: ClassVar[str | None] = None
    distributions: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str] = ""
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    executes_graph: ClassVar[bool] = True
    thread_safe: ClassVar[bool] = False
    simulates: ClassVar[tuple[str, ...]] = ()
    as_written: ClassVar[bool] = False
    served: ClassVar[bool] = False

    build_s: float
    engine_bytes: int
    from_cache: bool = False

    @classmethod
    def runtime(cls) -> ModuleType | None:
        """The runtime's Python module, imported now; PackageError where it is missing, or is there and broken."""
        return None if cls.module is None else need(cls.module, f"Engine {cls.name!r}", cls.how_to_install())

    @classmethod
    def packaged_version(cls) -> str | None:
        """The runtime's version as its package tells it, None where none does; imports nothing."""
        for distribution in cls.distributions or ((cls.module,) if cls.module else ()):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                return importlib.metadata.version(distribution)
        return None

    @classmethod
    def version(cls) -> str | None:
        """The runtime's version, None for an engine without one; imports it only where no package tells."""
        return cls.packaged_version() or getattr(cls.runtime(), "__version__", None)

    @classmethod
    def is_installed(cls) -> bool:
        """True where the runtime's module is there; it is not imported, which may fail."""
        if cls.module is None or cls.module in sys.modules:
            return True
        try:
            return importlib.util.find_spec(cls.module) is not None
        except (ImportError, ValueError, AttributeError):  # a package around it that cannot be imported itself
            return False

    @classmethod
    def not_installed(cls) -> UnsupportedError:
        """What is said where it is not."""
        return UnsupportedError(
            f"Engine {cls.name!r} is not installed (no module {cls.module!r}). Install it: {cls.how_to_install()}"
        )

    @classmethod
    def how_to_install(cls) -> str:
        """The line that installs it; an adapter whose runtime comes otherwise on some machines says so."""
        return cls.install

    @classmethod
    def check_offered(cls, precision: str, device: str) -> None:
        """UnsupportedError where the manifest lacks the precision on the device; looks at nothing of the machine."""
        kind = device_kind(device)
        if kind not in cls.manifest:
            raise UnsupportedError(f"Engine {cls.name!r} has no device {device!r}. It has: {', '.join(cls.manifest)}.")
        if device_index(device) and kind == "cpu":
            raise UnsupportedError(f"Engine {cls.name!r} has no device {device!r}: all processors are one device, cpu.")
        if precision not in cls.manifest[kind] and not cls.simulated(precision):
            pretended = (SIMULATED, SIMULATED_WEIGHTS) if cls.simulates else ()
            runs = (*cls.manifest[kind], *(AS_WRITTEN if cls.as_written else ()), *pretended)
            because = f" No engine does: {NOWHERE_EXECUTED[precision]}." if precision in NOWHERE_EXECUTED else ""
            raise UnsupportedError(
                f"Engine {cls.name!r} does not run {precision} on {device!r}. It runs: {', '.join(runs)}.{because}"
            )
        if is_simulated(precision) and kind not in cls.simulates:
            raise UnsupportedError(  # it may execute there what is only simulated
                f"Engine {cls.name!r} does not simulate {precision} on {device!r}. Take --device cpu, or --engine "
                "pytorch, which simulates on a GPU, too."
            )

    @classmethod
    def simulated(cls, precision: str) -> bool:
        """True for a precision that it offers and only pretends: what are integers in the file are floats here."""
        pretended = bool(cls.simulates) and is_simulated(precision)
        return pretended or (cls.as_written and precision in AS_WRITTEN)

    @classmethod
    def check_device(cls, device: str) -> None:
        """UnsupportedError where the runtime cannot be imported or does not see the device on this machine.

        An adapter for more than the CPU adds the second part.
        """
        cls.runtime()

    @classmethod
    def check_support(cls, precision: str, device: str) -> None:
        """UnsupportedError where this engine does not offer the precision on the device, is not installed, or where
        this machine lacks the device, or the device the precision.
        """
        cls.check_offered(precision, device)
        if not cls.is_installed():
            raise cls.not_installed()
        cls.check_device(device)

    @classmethod
    def recipe(cls, device: str) -> str:
        """Whose recipes (`calib.recipes`) give the files that this engine executes natively on the device."""
        return cls.name

    @classmethod
    def prepare(cls, request: BuildRequest) -> BuildRequest:
        """The request with the graph as this engine builds it, once; where that needs the onnx package, the host has
        it. UnsupportedError for a graph whose form the engine does not take.
        """
        if request.prepared == cls.name:
            return request
        return dataclasses.replace(cls._prepared(request), prepared=cls.name)

    @classmethod
    def _prepared(cls, request: BuildRequest) -> BuildRequest:
        return request

    def __init__(self, request: BuildRequest) -> None:
        """Builds; `build_s` is the wall time in seconds, `engine_bytes` the size of what was built."""
        self.check_support(request.precision, request.device)
        self.request = request = self.prepare(request)
        self._closed = False
        self._dtype = np.dtype(request.input_dtype)
        # One item for each call that may run: a tenth of the time of a semaphore, which is written in Python.
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(self._at_once()):
            self._turns.put(None)
        self._audit: Audit | None = None
        begin = time.perf_counter()
        self._build()
        self.build_s = time.perf_counter() - begin

    def infer(self, batch: Batch) -> Logits:
        """[N, *input_shape] of input_dtype -> logits float32 [N, classes].

        A graph that is frozen at a batch gets whole batches: the last one is filled up with its last image, whose
        further answers are dropped. Logits of another float type become float32; axes of extent 1 behind the classes
        are dropped. One number per image becomes the scores of two classes. May be called from several threads: as many
        calls run at once as the cores can carry, one where the runtime is not thread-safe. Raises ValueError for
        another shape or dtype, DeviceError for NaN or infinite logits and for a runtime that fails.
        """
        self._check(batch)
        size = self.request.fixed_batch
        logits = self._run(batch) if size is None or size == len(batch) else self._in_whole_batches(batch, size)
        if not np.isfinite(logits).all():
            raise DeviceError(
                f"Engine {self.name!r} at {self.request.precision} gave NaN or infinite logits: a value left "
                "the range of its precision."
            )
        return logits

    @property
    def at_once(self) -> int:
        """Calls of `infer` that run at the same time; more wait for one another."""
        return self._at_once()

    @classmethod
    def shown(cls, request: BuildRequest, names: Collection[str] | None) -> Shown | None:
        """What `intermediates` needs of the onnx package, made on the host; None for an engine that needs nothing of it
        there. request: as prepared.
        """
        return None

    def intermediates(
        self, batch: Batch, names: Collection[str] | None = None, shown: Shown | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Every float value that the graph computes for a batch, by its name in the ONNX graph, in that order.

        names: of these alone, None for all; what is not asked for may stay fused. shown: in their place, `shown` of
        these names. Memory holds all of them at once: meant for a few images. Raises ValueError for another shape or
        dtype, UnsupportedError where the engine cannot show them, DeviceError where the runtime fails.
        """
        self._check(batch)
        try:
            whole = filled(batch, self.request.fixed_batch or len(batch))
            if shown is not None:
                return self._show(whole, shown)
            return self._intermediates(whole, None if names is None else frozenset(names))
        except SeatrialError:
            raise
        except Exception as error:
            raise DeviceError(f"Engine {self.name!r} failed while it ran: {error}") from error

    def audit(self) -> Audit:
        """Requested and realized precision of every layer, as built; read once, then kept."""
        if self._audit is None:
            self._audit = self.judge(self.request, self.evidence)
        return self._audit

    def evidence(self, part: str) -> Evidence:
        """The part of that name of what `judge` asks for, read from what was built."""
        if part != AUDIT:
            raise ValueError(f"Engine {self.name!r} has no evidence {part!r}.")
        return told(self._read_audit())

    @classmethod
    def judge(cls, request: BuildRequest, ask: Ask) -> Audit:
        """The audit by an engine's evidence, which comes from a process that has parsed a model which nobody vouches
        for: whoever calls takes whatever else it raises than a SeatrialError for evidence that is none.

        request: as prepared.
        """
        return audit_of(ask(AUDIT))

    def standing(self) -> dict[str, Any]:
        """What may change under it while it runs, as it is now; JSON values, empty for an engine that stands alone."""
        return {}

    def close(self) -> None:
        """Frees the runtime's memory; later calls of `infer` raise ValueError."""
        if not self._closed:
            self._closed = True
            self._release()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, batch: Batch) -> None:
        request = self.request
        if self._closed:
            raise ValueError(f"Engine {self.name!r} is closed.")
        if batch.dtype != self._dtype or batch.shape[1:] != request.input_shape or not len(batch):
            raise ValueError(
                f"Engine {self.name!r} takes {request.input_dtype} [N, {', '.join(map(str, request.input_shape))}], "
                f"got {batch.dtype} {list(batch.shape)}."
            )

    def _in_whole_batches(self, batch: Batch, size: int) -> Logits:
        parts = [self._run(filled(batch[start : start + size], size)) for start in range(0, len(batch), size)]
        return np.concatenate(parts)[: len(batch)]

    def _run(self, batch: Batch) -> Logits:
        self._turns.get()
        try:
            logits = self._infer(batch)
        except SeatrialError:
            raise
        except Exception as error:  # every runtime has its own exception types
            raise DeviceError(f"Engine {self.name!r} failed while it ran: {error}") from error
        finally:
            self._turns.put(None)
        expected = (len(batch), self.request.columns)
        if (
            logits.shape[:2] != expected[: logits.ndim]
            or logits.size != expected[0] * expected[1]
            or logits.dtype.kind != "f"
        ):
            raise DeviceError(
                f"Engine {self.name!r} gave {logits.dtype} {list(logits.shape)} for {len(batch)} images; "
                f"expected floats [{len(batch)}, {self.request.columns}]."
            )
        found = logits.reshape(expected).astype(np.float32, copy=False)
        return found if self.request.binary is None else of_two_classes(found, self.request.binary)

    def _at_once(self) -> int:
        return max(1, (os.cpu_count() or 1) // self.request.threads) if self.thread_safe else 1

    @abc.abstractmethod
    def _build(self) -> None:
        """Builds from `self.request` and sets `engine_bytes`; BuildError with the runtime's own words if it refuses."""

    @abc.abstractmethod
    def _infer(self, batch: Batch) -> Logits:
        """Checked [N, *input_shape] -> the graph's own answer, floats [N, columns]; may raise anything."""

    @abc.abstractmethod
    def _read_audit(self) -> Audit:
        """Reads from the runtime what was really built."""

    def _intermediates(self, batch: Batch, names: frozenset[str] | None) -> dict[str, npt.NDArray[Any]]:
        """Name -> value for a checked batch, of `names` alone unless None; adapters that show them override this."""
        raise UnsupportedError(f"Engine {self.name!r} does not show the values inside its graph.")

    def _show(self, batch: Batch, shown: Shown) -> dict[str, npt.NDArray[Any]]:
        """As `_intermediates`, for what `shown` gave."""
        raise UnsupportedError(f"Engine {self.name!r} does not show the values inside its graph.")

    def save(self) -> bytes:
        """The built engine as its runtime's own file; UnsupportedError where there is none."""
        raise UnsupportedError(f"Engine {self.name!r} has no file of its own for what it built.")

    def phases(self, batch: Batch) -> dict[str, float]:
        """Milliseconds of one inference's parts by the device's own clock: h2d, compute, d2h; empty without one."""
        return {}

    def _release(self) -> None:  # noqa: B027  (an adapter without anything to free leaves it)
        """Frees what `_build` took; called once."""

    @classmethod
    def cautions_of(cls, precision: str, device: str) -> tuple[str, ...]:
        """What is known to be wrong with this runtime, at that precision, on this machine; one sentence each."""
        return ()

    def cautions(self) -> tuple[str, ...]:
        """Those of this engine's precision and device."""
        return self.cautions_of(self.request.precision, self.request.device)

    def describe(self) -> dict[str, Any]:
        """What shaped this engine beyond the graph, for run.json: JSON values."""
        request = self.request
        return {"threads": request.threads, "optimization": request.optimization}


def filled(batch: Batch, size: int) -> Batch:
    """A batch of `size`, filled up with its last image."""
    if len(batch) == size:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])

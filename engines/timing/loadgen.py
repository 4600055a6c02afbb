"""MLPerf Inference's own load generator (mlcommons-loadgen), which asks our engine in its process, as an alternative to
our loops. It is there for x86-64 Linux and arm64 macOS.

Its callbacks run in its own threads, where an exception would be lost: the first is kept, what is asked afterwards is
answered at once, and it is raised when the load generator is done.
"""

from __future__ import annotations

import array
import contextlib
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seatrial.engines.timing.answers import Answers
from seatrial.engines.timing.block import Block
from seatrial.engines.timing.loadgen_log import LOGS
from seatrial.engines.timing.loops import MOST_QUERIES
from seatrial.engines.timing.samples import Infer, Samples
from seatrial.errors import UnsupportedError
from seatrial.packages import installed_versions, need
from seatrial.scratch import scratch

MODULE, DISTRIBUTION, INSTALL = "mlperf_loadgen", "mlcommons-loadgen", "pip install 'seatrial[loadgen]'"
# It is given up after so many times its seconds: an estimate of how many images offline takes may be off.
PATIENCE = 4.0
# The oldest whose logs and early stopping are those of today.
LEAST = 6
SCENARIOS = {
    "single-stream": "SingleStream",
    "multi-stream": "MultiStream",
    "offline": "Offline",
    "server": "Server",
}


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the load generator wants to know beforehand, to make up its queries. query_s: seconds of one query.
    images_per_s: of all workers. bound_ms: of the scenario server.
    """

    query_s: float
    images_per_s: float
    bound_ms: float


def module() -> Any:
    """Its module; PackageError where it is missing."""
    return need(MODULE, "--loadgen", INSTALL)


def version() -> str:
    """Of its package; `unknown` where none tells."""
    return installed_versions([DISTRIBUTION])[DISTRIBUTION] or "unknown"


def cautions(found: str) -> list[str]:
    """What to know of a version; one sentence each."""
    major = found.partition(".")[0]
    if not major.isdigit() or int(major) >= LEAST:
        return []
    return [
        f"{DISTRIBUTION} {found} is old: pip takes it, without a word, where the system's C library is older than what "
        f"{LEAST}.0 is built for. Take a newer system, or read its results as those of MLPerf Inference {found}."
    ]


@dataclasses.dataclass(frozen=True)
class Run:
    """lines: what each worker measured. unasked: queries that were answered without the engine, which was too slow.
    logs: by the name of the file.
    """

    lines: Sequence[Line]
    unasked: int
    logs: dict[str, str]


class Line:
    """Queries of one worker. service: int64 nanoseconds of the engine's calls."""

    def __init__(self, samples: Samples, size: int) -> None:
        """size: images of a call."""
        self.size = size
        self.answers = Answers(samples.expected, size)
        self.service = array.array("q")
        self._inputs = samples.inputs
        self._buffer = np.empty((size, *samples.inputs.shape[1:]), samples.inputs.dtype)

    def ask(self, infer: Infer, indices: Sequence[int]) -> None:
        """At most `size` samples; a call that would be shorter is filled up with the last of them.

        The load generator's clock runs by now, since the sample was named: a single one is read where it was loaded,
        several have to be put together.
        """
        asked = np.full(self.size, indices[-1], np.int64)
        asked[: len(indices)] = indices
        if self.size == 1:
            batch = self._inputs[indices[0] : indices[0] + 1]
        else:
            batch = self._inputs.take(asked, axis=0, out=self._buffer, mode="clip")
        begin = time.perf_counter_ns()
        answer = infer(batch)
        self.service.append(time.perf_counter_ns() - begin)
        self.answers.keep(answer, asked, False)


def run(infer: Infer, samples: Samples, block: Block, expected: Expected) -> Run:
    """Has it ask what `block` says: `queries` and `seconds` are its minima, the rate that of server.

    Raises UnsupportedError for a scenario that it does not have, and what the engine raises.
    """
    lg = module()
    if block.scenario not in SCENARIOS:
        raise UnsupportedError(
            f"MLPerf's load generator has no scenario {block.scenario!r}. It has: {', '.join(SCENARIOS)}."
        )
    lines = [Line(samples, block.samples) for _ in range(block.workers)]
    asked = _Asked(lg, infer, lines, PATIENCE * block.seconds)
    issue = asked.issue_and_wait if block.scenario in ("single-stream", "multi-stream") else asked.issue
    settings = _settings(lg, block, expected)
    with (
        scratch() as folder,
        asked.working(),
        _system(lg, issue, samples) as system,
    ):
        lg.StartTestWithLogSettings(*system, settings, _log_settings(lg, str(folder)), "")
        asked.finish()
        return Run(lines, asked.unasked, {name: (folder / name).read_text("utf-8", "replace") for name in LOGS})


def _settings(lg: Any, block: Block, expected: Expected) -> Any:
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, SCENARIOS[block.scenario])
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = max(1, round(block.seconds * 1e3))
    settings.max_duration_ms = max(2, round(PATIENCE * block.seconds * 1e3))
    settings.min_query_count = min(block.queries, MOST_QUERIES)
    settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = block.seed & (2**63 - 1)
    # It draws all queries before the first: enough for the duration, whichever it is.
    query_ns = max(1, round(expected.query_s * 1e9))
    settings.single_stream_expected_latency_ns = settings.multi_stream_expected_latency_ns = query_ns
    settings.multi_stream_samples_per_query = block.samples
    settings.offline_expected_qps = expected.images_per_s
    if block.scenario == "server":
        settings.server_target_qps = block.rate
        settings.server_target_latency_ns = round(expected.bound_ms * 1e6)
    return settings


def _log_settings(lg: Any, folder: str) -> Any:
    log = lg.LogSettings()
    output = lg.LogOutputSettings()
    output.outdir = folder
    output.copy_summary_to_stdout = False
    log.log_output, log.enable_trace = output, False
    return log


@contextlib.contextmanager
def _system(lg: Any, issue: Callable[[Any], None], samples: Samples) -> Iterator[tuple[Any, Any]]:
    """The system under test and the library of its samples, which lie in memory already."""
    kept = len(samples.inputs)
    system = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(kept, kept, lambda indices: None, lambda indices: None)
    try:
        yield system, library
    finally:
        lg.DestroyQSL(library)
        lg.DestroySUT(system)


class _Asked:
    """Answers what is issued: at once, or by workers of its own, `Block.samples` images in one call of the engine.

    seconds: beyond them what still waits is answered without the engine: it cannot keep up.
    """

    def __init__(self, lg: Any, infer: Infer, lines: Sequence[Line], seconds: float) -> None:
        self._lines, self.unasked = lines, 0
        self._lg, self._infer, self._limit = lg, infer, seconds
        self._waiting: queue.SimpleQueue[list[tuple[int, int]] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._size = lines[0].size
        self._start: float | None = None

    def issue_and_wait(self, samples: Sequence[Any]) -> None:
        """Called by the load generator: answers before it returns."""
        self._answer(self._lines[0], [(one.id, one.index) for one in samples])

    def issue(self, samples: Sequence[Any]) -> None:
        """Called by the load generator: the workers answer."""
        asked = [(one.id, one.index) for one in samples]
        for start in range(0, len(asked), self._size):
            self._waiting.put(asked[start : start + self._size])

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(line,), daemon=True) for line in self._lines]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for _ in threads:
                self._waiting.put(None)
            for thread in threads:
                thread.join()

    def finish(self) -> None:
        """Raises what a callback raised."""
        if self._error is not None:
            raise self._error
        for line in self._lines:
            line.answers.compare()

    def _work(self, line: Line) -> None:
        while True:
            asked = self._waiting.get()
            if asked is None:
                return
            self._answer(line, asked)

    def _answer(self, line: Line, asked: list[tuple[int, int]]) -> None:
        if self._start is None:
            self._start = time.perf_counter()
        try:
            if self._error is None and time.perf_counter() - self._start < self._limit:
                line.ask(self._infer, [index for _, index in asked])
            else:
                self.unasked += len(asked)
        except BaseException as error:
            self._error = self._error or error
        self._lg.QuerySamplesComplete([self._lg.QuerySampleResponse(number, 0, 0) for number, _ in asked])

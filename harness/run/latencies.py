"""The latencies of built targets, each timed in its own process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.block import Block
from seatrial.harness.records.latencies import SINGLE_STREAM, Samples, add_latencies
from seatrial.harness.records.timing import read_timing, write_timing
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.session import Session
from seatrial.harness.single_stream import BLOCK, SAMPLES, WARMUP_S, Timings, single_stream

_QUERIES = 32


def time_targets(session: Session) -> None:
    """Single queries of the first images of all targets, and the parts of an inference by the device's own clock where
    it has one, into the run directory. Targets that fail meanwhile are missing.
    """
    reader, targets = session.first_images(), session.alive()
    images = reader.read(0, min(_QUERIES, len(reader)))
    runners = {}
    with session.progress.stage("Warming up", len(targets), "engines") as update:
        for done, target in enumerate(targets):
            update(done, target.id)
            batch = target.model.contract.normalise(images)
            with session.noting(target.id, "latency"):
                target.engine.prepare([batch[index : index + 1] for index in range(len(batch))], WARMUP_S)
                runners[target.id] = _Runner(target, session)
        update(len(targets))
    with session.progress.stage("Timing single queries", SAMPLES * len(runners), "queries") as update:
        samples = single_stream(runners, progress=update)
    phases = {name: runner.phases(len(images)) for name, runner in runners.items()}
    record = read_timing(session.directory.timing)
    for name, taken in samples.items():
        if not session.lost(name):
            add_latencies(session.directory.latency, {(name, SINGLE_STREAM): _samples(taken)})
            record["targets"][name] = {"device": phases[name]} if phases[name] else {}
    write_timing(session.directory.timing, record)


def _samples(taken: npt.NDArray[np.int64]) -> Samples:
    count = len(taken)
    return Samples(
        begin=np.cumsum(taken) - taken,
        taken=taken,
        service=taken,
        round=np.ones(count, np.int32),
        block=np.arange(count, dtype=np.int32) // BLOCK,
        kept=np.ones(count, np.bool_),
        fresh=np.zeros(count, np.bool_),
        setting=np.full(count, ""),
    )


class _None:
    """Of a target that is lost."""

    taken = np.empty(0, np.int64)


class _Runner:
    """Times one target; once that fails it gives no more samples."""

    def __init__(self, target: BuiltTarget, session: Session) -> None:
        self._target, self._session = target, session

    def time(self, block: Block) -> Timings:
        """As `Timed.time`."""
        if not self._session.lost(self._target.id):
            with self._session.noting(self._target.id, "latency"):
                return self._target.engine.time(block)
        return _None()

    def phases(self, queries: int) -> dict[str, float]:
        """Medians in milliseconds over the queries; empty where no device's clock tells."""
        found: list[dict[str, float]] = []
        if not self._session.lost(self._target.id):
            with self._session.noting(self._target.id, "latency"):
                for index in range(queries):
                    parts = self._target.engine.phases(index)
                    if not parts:
                        return {}
                    found.append(parts)
        if len(found) < queries:
            return {}
        return {f"{name}_ms": float(np.median([parts[name] for parts in found])) for name in found[0]}

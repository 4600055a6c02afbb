"""The latencies of built targets, each timed in its own process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.errors import SeatrialError
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.single_stream import SAMPLES, WARMUP_S, single_stream

_QUERIES = 32


def time_targets(
    targets: Sequence[BuiltTarget], reader: ImageReader, progress: Progress
) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, dict[str, float]], list[Failure]]:
    """Single queries of the first images: build id -> int64 nanoseconds; build id -> median milliseconds of the parts
    of an inference by the device's own clock, where it has one; and the targets that failed meanwhile.
    """
    images = reader.read(0, min(_QUERIES, len(reader)))
    failures: list[Failure] = []
    runners = {}
    with progress.stage("Warming up", len(targets), "engines") as update:
        for done, target in enumerate(targets):
            update(done, target.id)
            batch = target.model.contract.normalise(images)
            try:
                target.engine.prepare([batch[index : index + 1] for index in range(len(batch))], WARMUP_S)
            except TARGET_ERRORS as error:
                failures.append(failure(target.id, "latency", error))
            else:
                runners[target.id] = _Runner(target, failures)
        update(len(targets))
    with progress.stage("Timing single queries", SAMPLES * len(runners), "queries") as update:
        samples = single_stream(runners, progress=update)
    phases = {name: runner.phases(len(images)) for name, runner in runners.items() if runner.alive}
    return (
        {name: values for name, values in samples.items() if runners[name].alive},
        {name: found for name, found in phases.items() if found and runners[name].alive},
        failures,
    )


class _Runner:
    """Times one target; once that fails it notes it and gives no more samples."""

    def __init__(self, target: BuiltTarget, failures: list[Failure]) -> None:
        self.alive = True
        self._target, self._failures = target, failures

    def time(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        if self.alive:
            try:
                return self._target.engine.time(start, stop)
            except TARGET_ERRORS as error:
                self._note(error)
        return np.empty(0, np.int64)

    def phases(self, queries: int) -> dict[str, float]:
        found: list[dict[str, float]] = []
        try:
            for index in range(queries):
                parts = self._target.engine.phases(index)
                if not parts:
                    return {}
                found.append(parts)
        except TARGET_ERRORS as error:
            self._note(error)
            return {}
        return {f"{name}_ms": float(np.median([parts[name] for parts in found])) for name in found[0]}

    def _note(self, error: SeatrialError) -> None:
        self.alive = False
        self._failures.append(failure(self._target.id, "latency", error))

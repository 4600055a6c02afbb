"""Sweeps: throughput and latency by batch size and threads, each number of threads in a process of its own."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seatrial.engines.device import device_kind
from seatrial.engines.places import PlacedEngine
from seatrial.engines.timing.block import Block, Timed
from seatrial.errors import SeatrialError
from seatrial.harness.metrics.early_stopping import carried
from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.processes import start
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.ready import WARM_UP_S, Preparing


def points(session: Session, target: BuiltTarget) -> list[tuple[int, list[int]]]:
    """(threads, batch sizes) of a target: what is not asked for is as in the run. Threads are of processors; a file
    that is fixed at a batch has no other.
    """
    options, spec = session.plan.spec.timing, session.plan.spec
    on_processor = device_kind(target.build.target.device) == "cpu"
    threads = (options.sweep_threads if on_processor else ()) or (spec.targets.threads,)
    fixed = target.engine.request.fixed_batch
    batches = [fixed] if fixed is not None else sorted(set(options.sweep_batch or (1, spec.work.batch_size)))
    return [(one, batches) for one in sorted(set(threads))]


def sweep(
    session: Session, preparing: Preparing, target: BuiltTarget, note: Callable[[str], None]
) -> list[dict[str, Any]]:
    """An entry for each point: `threads`, `batch`, `images_per_s`, `p50_ms`, `p90_ms` (null where the queries do not
    carry it) and `queries`; where the engine does not take a point, `says` why. That ends nothing else.
    """
    found: list[dict[str, Any]] = []
    for threads, batches in points(session, target):
        left = list(batches)
        while left:  # a process that died is started again for the next batch size
            done, error = _of_threads(session, preparing, target, threads, left, note)
            found.extend(done)
            left = left[len(done) :]
            if error is not None and left:
                found.append({"threads": threads, "batch": left.pop(0), "says": str(error)})
    return found


def _of_threads(
    session: Session,
    preparing: Preparing,
    target: BuiltTarget,
    threads: int,
    batches: Sequence[int],
    note: Callable[[str], None],
) -> tuple[list[dict[str, Any]], SeatrialError | None]:
    """Entries of as many batch sizes as it takes, and what ended it."""
    found: list[dict[str, Any]] = []
    try:
        with start(session.plan, target.build, session.arena) as process:
            engine = PlacedEngine(process, dataclasses.replace(target.engine.request, threads=threads))
            images = preparing.batch(target)
            engine.prepare([images[index : index + 1] for index in range(len(images))], WARM_UP_S)
            for batch in batches:
                note(f"{target.id}: {threads} threads, batch {batch}")
                found.append({"threads": threads, "batch": batch, **_point(session, engine, batch)})
    except TARGET_ERRORS as error:
        return found, error
    return found, None


def _point(session: Session, engine: PlacedEngine, batch: int) -> dict[str, Any]:
    plan = session.plan
    block = Block("multi-stream", samples=batch, seconds=plan.spec.timing.duration_s, seed=plan.spec.seed)
    return figures(engine.time(block), batch)


def figures(timed: Timed, batch: int) -> dict[str, Any]:
    """Of queries of so many images, one after the other."""
    taken = np.maximum(timed.taken, 1)
    return {
        "images_per_s": batch * len(taken) / (float(taken.sum()) / 1e9),
        "p50_ms": nearest_rank(taken, 50) / 1e6,
        "p90_ms": nearest_rank(taken, 90) / 1e6 if 90 in carried(len(taken)) else None,
        "queries": len(taken),
    }


def count(session: Session) -> int:
    """Points of all targets."""
    per = (points(session, target) for target in session.alive() if target.build.number == 1)
    return sum(len(batches) for _, batches in itertools.chain.from_iterable(per))

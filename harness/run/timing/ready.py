"""Targets that are ready to be timed: built, and asked all queries before any clock runs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from seatrial.engines.base import Batch
from seatrial.engines.machine import Meter
from seatrial.engines.places import EngineProcess, PlacedEngine
from seatrial.engines.timing.answers import COMPOSED, spread
from seatrial.engines.timing.block import Block, Timed
from seatrial.harness.data.source import Pixels
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.processes import start
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.metered import metered

# trtexec's warm-up.
WARM_UP_S = 0.2
# Images that are asked, in a drawn order: more would only take memory.
QUERIES = 32
# Each process answers all of them twice: for about so many seconds at most, unless there were fewer than these.
PREPARE_S, FEWEST = 5.0, 4
STAGE = "latency"


@dataclasses.dataclass(frozen=True)
class Ready:
    """target: whose engine may be of another process than the run's own. seconds: median of a query. differs: queries
    whose answer is not the one that the run's own engine gives in a batch. unsteady: whether some were answered
    otherwise when they were asked again. meter: read from here beside its blocks.
    """

    target: BuiltTarget
    seconds: float
    differs: int
    unsteady: bool
    meter: Meter | None = None

    @property
    def id(self) -> str:
        """The build's id."""
        return self.target.id

    @property
    def engine(self) -> PlacedEngine:
        """What is asked."""
        return self.target.engine

    def time(self, block: Block) -> Timed:
        """As `PlacedEngine.time`."""
        return metered(lambda: self.engine.time(block), self.meter)


class Preparing:
    """Prepares engines with the run's first images."""

    def __init__(self, session: Session, meter: Meter | None = None) -> None:
        self._session, self._meter = session, meter
        self._own: dict[str, npt.NDArray[np.float32]] = {}
        self._ready: dict[str, Ready] = {}

    @functools.cached_property
    def _images(self) -> Pixels:
        """Fewer where a target is so slow that asking all of them would take longer than timing it."""
        session, slowest = self._session, 0.0
        reader = session.first_images()
        images = reader.read(0, min(QUERIES, len(reader)))
        for target in session.alive():
            with session.noting(target.id, STAGE):
                one = target.model.contract.normalise(images[:1])
                target.engine.infer(one)
                begin = time.perf_counter()
                target.engine.infer(one)
                slowest = max(slowest, time.perf_counter() - begin)
        return images[: fitting(slowest)]

    @property
    def queries(self) -> int:
        """How many there are."""
        return len(self._images)

    def batch(self, target: BuiltTarget) -> Batch:
        """All queries in the target's own form, [S, ...]."""
        return target.model.contract.normalise(self._images)

    def own(self) -> dict[str, Ready]:
        """The run's own engines, each prepared once; those that fail are missing."""
        for target in self._session.alive():
            if target.id not in self._ready:
                with self._session.noting(target.id, STAGE):
                    self._ready[target.id] = self.prepare(target)
        return {target.id: self._ready[target.id] for target in self._session.alive() if target.id in self._ready}

    def prepare(self, target: BuiltTarget) -> Ready:
        """Raises what ends a target."""
        batch, engine = self.batch(target), target.engine
        seconds = engine.prepare([batch[index : index + 1] for index in range(len(batch))], WARM_UP_S)
        if target.id not in self._own:
            size = self._session.plan.spec.work.batch_size
            parts = [engine.infer(batch[start : start + size]) for start in range(0, len(batch), size)]
            self._own[target.id] = np.concatenate(parts)
        own = self._own[target.id]
        differs = np.abs(engine.expected() - own).max(axis=1) > COMPOSED * spread(own)
        unsteady = bool(engine.unsteady().any())
        return Ready(target, seconds, int(np.count_nonzero(differs)), unsteady, self._meter)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[dict[str, Ready]]:
        """The same targets in processes of their own, started together and built one after the other from the same
        files; those that fail are missing. They end with the block.
        """
        session = self._session
        with contextlib.ExitStack() as stack:
            processes: dict[str, EngineProcess] = {}
            for target in session.alive():
                with session.noting(target.id, STAGE):
                    processes[target.id] = stack.enter_context(start(session.plan, target.build, session.arena))
            found: dict[str, Ready] = {}
            for target in session.alive():
                if target.id in processes:
                    with session.noting(target.id, STAGE):
                        engine = PlacedEngine(processes[target.id], target.engine.request)
                        found[target.id] = self.prepare(dataclasses.replace(target, engine=engine))
            yield found


def fitting(seconds: float) -> int:
    """How many queries are prepared, where one takes so long.

    >>> fitting(0.001), fitting(0.5), fitting(60.0)
    (32, 5, 4)
    """
    return max(FEWEST, min(QUERIES, int(PREPARE_S / (2 * max(seconds, 1e-9)))))


def alive(session: Session, found: Mapping[str, Ready]) -> dict[str, Ready]:
    """Those of targets that have not failed since."""
    return {name: one for name, one in found.items() if not session.lost(name)}

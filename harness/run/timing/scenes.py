"""How a scenario asks a target: images of a query, queries at once, and what a block of it is."""

from __future__ import annotations

import dataclasses
from typing import Any

from seatrial.engines.timing.block import Block, Timed
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.ready import Ready
from seatrial.harness.timing.lengths import BLOCK_S

IN_TURNS = ("single-stream", "multi-stream", "offline")


@dataclasses.dataclass(frozen=True)
class Scene:
    """scenario: a name of SCENARIOS. samples: images of a query. workers: queries at once."""

    scenario: str
    samples: int
    workers: int

    @property
    def key(self) -> str:
        """The scenario's name in files."""
        return SCENARIOS[self.scenario].key

    def block(self, *, seed: int, first: int = 0, queries: int | None = None, **more: Any) -> Block:
        """Of so many queries; more: as of `Block`."""
        count = {} if queries is None else {"queries": queries}
        return Block(self.scenario, first=first, samples=self.samples, workers=self.workers, seed=seed, **count, **more)

    def entry(self) -> dict[str, Any]:
        """What timing.json says of it beside the blocks."""
        if self.scenario == "offline":
            return {"batch": self.samples, "workers": self.workers}
        return {"workers": self.workers} if self.scenario == "server" else {}


def scene_of(session: Session, scenario: str, ready: Ready) -> Scene:
    """Offline takes the run's batch, or the one that the file is fixed at, and as many at once as the engine does; a
    server answers as many at once.
    """
    known = SCENARIOS[scenario]
    samples = known.samples or ready.engine.request.fixed_batch or session.plan.spec.work.batch_size
    several = scenario in ("offline", "server")
    return Scene(scenario, samples, ready.engine.at_once if several else 1)


def seconds_of(scene: Scene, ready: Ready, *, seed: int) -> float:
    """Seconds for each query while they are asked as the scene does: the median of single queries as prepared, else by
    those of a block.
    """
    if scene.samples == scene.workers == 1:
        return ready.seconds
    timed = ready.time(scene.block(seed=seed, seconds=BLOCK_S))
    return elapsed(timed) / max(1, len(timed.taken))


def elapsed(timed: Timed) -> float:
    """Seconds from the first query to the last answer."""
    return float((timed.begin + timed.taken).max(initial=0)) / 1e9

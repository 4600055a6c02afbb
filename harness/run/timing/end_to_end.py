"""From the stored image to the answer: every target with every pipeline that is asked for, in its own process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.answers import SAME, spread
from seatrial.engines.timing.fed import HOST, TimedFed
from seatrial.errors import BadInputError, UnsupportedError
from seatrial.harness.conditions import Condition
from seatrial.harness.data.source import Payload
from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.pipeline.feeding import FEEDER, STEPS
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing import feeds
from seatrial.harness.run.timing.feeds import Fed, Feeds

# Different images that are fed: as many as take `seconds`, within these.
FEWEST, MOST = 4, 32
_BLOCK_S = 0.1
# So many times `seconds` a target takes at most, for the samples that p90 needs.
_PATIENCE = 10


def end_to_end(session: Session, asked: Feeds, *, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Build id -> one entry for each pipeline of `asked`, in its order; what ends a target is noted.

    Targets take turns in blocks, A B | B A, until each has been asked for `seconds` and carries a p90. An entry has
    `feed`, `input`, `images`, `samples`, `p50_ms`, `p90_ms` (None below what carries it), the parts `decode_ms`,
    `resize_ms`, `color_ms`, `normalise_ms` (None where there is no such step) and `host_ms`, means over the middle half
    of the samples, `wrong` (answers that were others than untimed) and `differ` (images whose answer is not the one
    that their tensor, made here, gets). A pipeline that a target's place cannot do is told, and left out.
    """
    found: dict[str, list[dict[str, Any]]] = {target.id: [] for target in _first_builds(session)}
    payloads = feeds.stored(session.plan, _count(session, seconds)) if asked else []
    with session.progress.stage("Timing from the stored image on", len(asked), "pipelines") as update:
        for done, (name, condition) in enumerate(asked.pipelines.items()):
            update(done, name)
            fed: dict[str, _Fed] = {}
            for target in _first_builds(session):
                begun = _begun(session, target, condition, payloads)
                if begun is not None:
                    fed[target.id] = begun
            _in_turns(session, fed, seconds)
            for build, one in fed.items():
                if not session.lost(build):
                    found[build].append({"feed": name, **one.entry()})
        update(len(asked))
    return {build: entries for build, entries in found.items() if not session.lost(build)}


def _first_builds(session: Session) -> list[BuiltTarget]:
    return [target for target in session.alive() if target.build.number == 1]


class _Fed:
    """A target that is fed, and its samples so far."""

    def __init__(self, target: BuiltTarget, given: Fed, differ: int) -> None:
        self.target, self._given, self._differ = target, given, differ
        self._found: list[TimedFed] = []
        self._spent_s = 0.0

    @property
    def samples(self) -> int:
        return sum(len(one.whole) for one in self._found)

    def wants(self, seconds: float) -> bool:
        """Whether it has been asked for too short a time."""
        if self._spent_s < seconds:
            return True
        return self.samples < minimum(90) and self._spent_s < _PATIENCE * seconds

    def time(self, seconds: float) -> None:
        """A block. How long it took is seen from here: what a process says of its clock ends nothing."""
        begin = time.perf_counter()
        self._found.append(self.target.engine.time_fed(1 << 40, seconds, self.samples))
        self._spent_s += time.perf_counter() - begin

    def entry(self) -> dict[str, Any]:
        whole = np.concatenate([one.whole for one in self._found])
        middle = _middle_half(whole)
        parts = {
            name: float(np.concatenate([one.parts[name] for one in self._found])[middle].mean()) / 1e6
            for name in self._found[0].parts
        }
        return {
            "input": self._given.kind,
            "images": len(self._given.payloads),
            "samples": len(whole),
            "p50_ms": nearest_rank(whole, 50) / 1e6,
            "p90_ms": nearest_rank(whole, 90) / 1e6 if len(whole) >= minimum(90) else None,
            **{f"{name}_ms": parts.get(name) for name in (*STEPS, HOST)},
            "wrong": sum(one.wrong for one in self._found),
            "differ": self._differ,
        }


def _middle_half(whole: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Indices of the samples from the first to the third quartile: their parts add up to what is about the median,
    while the medians of parts, of which now one is disturbed and now another, do not.
    """
    order = np.argsort(whole, kind="stable")
    quarter = len(whole) // 4
    return order[quarter : len(whole) - quarter]


def _count(session: Session, seconds: float) -> int:
    """How many images are fed: each is answered a few times before anything is timed."""
    reader, slowest = session.first_images(), 0.0
    image = reader.read(0, 1)
    for target in _first_builds(session):
        with session.noting(target.id, "latency"):
            batch = target.model.contract.normalise(image)
            target.engine.infer(batch)  # the first one may build what the others find
            begin = time.perf_counter()
            target.engine.infer(batch)
            slowest = max(slowest, time.perf_counter() - begin)
    return max(FEWEST, min(MOST, int(seconds / max(slowest, 1e-9))))


def _begun(session: Session, target: BuiltTarget, condition: Condition, payloads: Sequence[Payload]) -> _Fed | None:
    """None where the target cannot be fed so, which is told."""
    with session.noting(target.id, "latency"):
        try:
            given = feeds.feed(session.plan, condition, target.model.contract, payloads)
            answers = target.engine.feed(FEEDER, given.description, given.arrays)
            here = given.feeder
            own = np.concatenate([target.engine.infer(here(index)[0]) for index in range(len(given.payloads))])
        except (UnsupportedError, BadInputError) as error:
            session.progress.tell(f"{target.id} is not timed from the stored image on with {condition.id}: {error}")
            return None
        return _Fed(target, given, int(np.count_nonzero(~_alike(answers, own))))
    return None


def _alike(answers: npt.NDArray[np.float32], own: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """bool [S], of scores [S, classes]."""
    found: npt.NDArray[np.bool_] = np.abs(answers - own).max(axis=1) <= SAME * spread(own)
    return found


def _in_turns(session: Session, fed: Mapping[str, _Fed], seconds: float) -> None:
    order: Sequence[_Fed] = list(fed.values())
    while asked := [one for one in order if not session.lost(one.target.id) and one.wants(seconds)]:
        for one in asked:
            with session.noting(one.target.id, "latency"):
                one.time(min(_BLOCK_S, seconds))
        order = order[::-1]

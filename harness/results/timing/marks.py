"""What is to be known of how a target was timed: answers that were not true, and times that are not what they seem."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.metrics.caching import caching
from seatrial.harness.metrics.drift import Drift, drift
from seatrial.harness.metrics.load import loaded
from seatrial.harness.metrics.tails import Stalls, named, quiet_blocks, stalls
from seatrial.harness.records.latencies import Samples
from seatrial.harness.records.timing import board_of
from seatrial.harness.results.timing.record import MULTI, SERVER, SINGLE, SUSTAINED, TimedRun, Values

# Answers that are not the engine's: a target that has one of these is not timed, it is mistaken.
UNTRUE = ("wrong", "stale", "cached")
# One image whose answer alone is another than in a batch may lie at a tie of the batch's own rounding.
_DIFFERING = 2
FED = "end_to_end"
_Seen = TypeVar("_Seen")
_STREAMS = (SINGLE, MULTI, SUSTAINED)


@dataclasses.dataclass(frozen=True)
class Mark:
    """kind: wrong, stale, cached, differs, stalls, drift, load, disturbed, throttled or wide. scenario: its key, or
    `end_to_end`. says: a sentence without its end.
    """

    kind: str
    scenario: str
    says: str

    def to_dict(self) -> dict[str, str]:
        """JSON values."""
        return dataclasses.asdict(self)


class Marks:
    """Of all targets of a run; those of one place are looked at together: what all of them do is the machine's."""

    def __init__(self, run: TimedRun, builds: Sequence[str]) -> None:
        """builds: ids of all that were built."""
        self._run, self._builds = run, builds
        self._looks = max(1, sum(run.has(build, key) for build in builds for key in _STREAMS))
        self._stalls: dict[tuple[str, str], Stalls] = {}
        self._drifts: dict[tuple[str, str], Drift] = {}
        for build in builds:
            for key in (SINGLE, MULTI):
                if run.has(build, key):
                    blocks = run.entry(build, key).get("blocks") or ()
                    samples = run.kept(build, key)
                    found = stalls(samples.taken, samples.block, quiet_blocks(blocks) if blocks else None)
                    if found is not None:
                        self._stalls[build, key] = found
                    moved = drift(_starts(samples), looks=self._looks)
                    if moved is not None:
                        self._drifts[build, key] = moved

    def of(self, build: str, wide: Mapping[str, Any]) -> list[Mark]:
        """wide: scenario -> as of `speedups_of`."""
        found: list[Mark] = []
        for scenario in SCENARIOS.values():
            key = scenario.key
            if not self._run.has(build, key):
                continue
            found.extend(self._untrue(build, key))
            if key in _STREAMS:
                found.extend(self._behaving(build, key))
            found.extend(self._surroundings(build, key))
            if wide.get(key) and wide[key]["wide"]:
                found.append(Mark("wide", key, f"its speed-up is not told closely: {wide[key]['wide']}"))
        found.extend(self._load(build))
        found.extend(_fed(self._run.target(build).get(FED) or ()))
        return found

    def _untrue(self, build: str, key: str) -> Iterator[Mark]:
        entry = self._run.entry(build, key)
        wrong, checked, worst = (entry.get(name) for name in ("wrong", "checked", "worst"))
        if wrong:
            far = "" if worst is None else f", by up to {worst:.0%} of the spread of its scores"
            yield Mark(
                "wrong",
                key,
                f"{wrong:,} of {checked:,} answers that were compared while it was timed ({_words(key)}) are not those "
                f"that it gives untimed{far}",
            )
        if entry.get("unsteady"):
            says = "asked again in another order, it gives other answers to the same images: stale or random ones"
            yield Mark("stale", key, says)
        differing = entry.get("expected_differs") or 0
        if differing >= _DIFFERING:
            yield Mark(
                "wrong", key, f"{differing} images that are timed get other answers alone than in the run's batches"
            )

    def _behaving(self, build: str, key: str) -> Iterator[Mark]:
        samples = self._run.kept(build, key)
        kept = caching(samples.taken, samples.fresh)
        if kept is not None and kept.called:
            yield Mark(
                "cached",
                key,
                f"images that it was asked before are answered {kept.ratio:.1f} times as fast as new ones "
                f"({_words(key)}): it keeps answers",
            )
        # Over minutes, the steady state is told by itself.
        moved = self._drifts.get((build, key))
        if moved is not None and moved.called:
            yield Mark("drift", key, self._drifting(build, key, moved))
        late = self._stalls.get((build, key))
        beside = _beside(self._stalls, build, key)
        if late is not None and named(late, beside):
            yield Mark(
                "stalls",
                key,
                f"{late.share:.1%} of its queries ({_words(key)}) take {late.typical_ms:.3g} ms where half take "
                f"{late.median_ms:.3g}, while the machine is quiet: it stalls",
            )

    def _drifting(self, build: str, key: str, moved: Drift) -> str:
        low, high = moved.interval
        slower = "slower" if moved.change > 0 else "faster"
        others = _beside(self._drifts, build, key)
        alike = others and all(one.called and (one.change > 0) == (moved.change > 0) for one in others)
        return (
            f"it becomes {abs(moved.change):.0%} {slower} from the beginning of a start to its end ({_words(key)}; "
            f"{low:+.0%} to {high:+.0%})" + (", as do all others: it is the machine" if alike else "")
        )

    def _load(self, build: str) -> Iterator[Mark]:
        run = self._run
        if not (run.has(build, SERVER) and run.has(build, SINGLE)):
            return
        samples = run.samples(build, SERVER)
        service = {}
        for setting in np.unique(samples.setting):
            name, _, rate = str(setting).partition("=")
            if name == "rate":
                service[float(rate)] = samples.service[samples.setting == setting]
        workers = int(run.entry(build, SERVER).get("workers") or 1)
        found = loaded(run.kept(build, SINGLE).taken, service, workers)
        if found is not None and found.called:
            shared = f", more than the {workers} at once explain" if workers > 1 else ""
            yield Mark(
                "load",
                SERVER,
                f"a query takes it {found.ratio:.1f} times as long at {found.rate:.4g} queries a second as alone, "
                f"waiting left out{shared}: it slows down under load",
            )

    def _surroundings(self, build: str, key: str) -> Iterator[Mark]:
        entry = self._run.entry(build, key)
        own = entry.get("reasons")
        rounds = self._run.rounds(board_of(build), key)
        if own is not None:
            reasons = list(own)
        else:
            reasons = [reason for one in rounds if one["kept"] for reason in one.get("reasons", ())]
        if reasons:
            yield Mark("disturbed", key, f"while it was timed ({_words(key)}), {reasons[0]}")
        held = sorted({reason for one in entry.get("readings") or () for reason in _held(one)})
        if held:
            yield Mark("throttled", key, f"while it was timed ({_words(key)}), the device was held down: {held[0]}")


def _beside(found: Mapping[tuple[str, str], _Seen], build: str, key: str) -> list[_Seen]:
    """What other builds at the same place showed in the same scenario."""
    board = board_of(build)
    return [one for (name, other), one in found.items() if other == key and name != build and board_of(name) == board]


def _starts(samples: Samples) -> list[tuple[Any, Any]]:
    return [
        (samples.begin[samples.round == number], samples.taken[samples.round == number])
        for number in np.unique(samples.round)
    ]


def _fed(entries: Sequence[Values]) -> Iterator[Mark]:
    """Of what was timed from the stored image on. Another decoder at the place answers otherwise without a fault of the
    engine's: that is told, and fails nothing.
    """
    for one in entries:
        if one.get("wrong"):
            yield Mark(
                "wrong",
                FED,
                f"{one['wrong']:,} of {one['samples']:,} answers from the stored image on ({one['feed']}) are not "
                "those that it gives untimed",
            )
        if one.get("differ"):
            yield Mark(
                "differs",
                FED,
                f"{one['differ']} of {one['images']} images get other answers from the stored image on ({one['feed']}) "
                "than in the run: its place decodes or resizes otherwise",
            )


def _held(reading: Values) -> Iterator[str]:
    """Reasons in words: of the processor, of GPUs."""
    for reasons in (
        reading.get("throttled"),
        *(one.get("throttle") for one in reading.get("gpus") or ()),
        (reading.get("raspberry_pi") or {}).get("throttled"),
    ):
        yield from (str(reason) for reason in reasons or ())


def _words(key: str) -> str:
    return key.replace("_", "-")

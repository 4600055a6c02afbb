"""Whether something else had the machine while queries were timed, in words."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Block = Mapping[str, Any]

# Of one core, on average over a round. A busy process beside an engine of T threads on C cores gets C / (T + 1) of a
# core, at most one: 0.5 where T = C = 1, 0.67 where both are 2, and 0.4 beside four threads on two cores. A system that
# is left alone takes 0.01 to 0.03, more than a tenth only while it is at work.
OTHERS = 0.2
# The same, taken by the hypervisor. Hosts that share processors take a few hundredths at quiet times.
STOLEN = 0.1
# Threads that are ready wait when others run, and when an engine has more threads than there are cores: a disturbance
# only beside others.
WAITED, WAITED_BESIDE = 0.1, 0.05
# Times as long as in the calm blocks of the run, by the medians. Clock frequency and a sibling thread within the engine
# move arithmetic by a tenth; a process that shares the core, or its sibling, slows it by a third and more. Copying past
# the caches depends on where memory lies, too.
PROBE, MEMORY = 1.2, 1.5
# Of the run's highest clock: boost comes and goes within a tenth.
CLOCK = 0.8
# The share of blocks that a run is taken to have had calm, for the level that others are held against.
CALM = 0.1
# Fewer blocks tell no level.
_LEAST = 4
# Of single blocks, which are left out of a round: both probes, before and behind, are at most so many times as long as
# those of the target's calm blocks. What shares the core outside this system, as another guest's thread, comes and goes
# within seconds: twenty rounds of ResNet-20 beside such a one told a speed-up to 7 and 9 % with all blocks, to 4 % with
# the calm ones, and the calm ones of two runs agreed to 1 % where all of them differed by 6 %.
BLOCK = 1.1
# A round stands by its calm blocks where each target has this share of its own.
ENOUGH = 0.25


def disturbed(blocks: Sequence[Block], before: Sequence[Block] = ()) -> tuple[str, ...]:
    """Reasons, in words; none where the machine was quiet, as far as its counters tell.

    blocks: of one round, of all targets, as in timing.json: `counters` as of `engines.timing.block.Counters`. before:
    those of earlier rounds of the same run, and of the same scenario, which tell what the machine does when calm.
    """
    return (*seen(blocks), *felt(blocks, before))


def seen(blocks: Sequence[Block]) -> tuple[str, ...]:
    """Of `disturbed`, what the system counts: who else ran, and who had to wait."""
    found = _counters(blocks)
    return _told(_others(found), _waited(found), _stolen(found))


def felt(blocks: Sequence[Block], before: Sequence[Block] = ()) -> tuple[str, ...]:
    """Of `disturbed`, what known work and the clock tell, against calm moments."""
    found = _counters(blocks)
    all_ = [*_counters(before), *found]
    arithmetic = "known arithmetic took {times:.2f} times as long as at calm moments"
    copying = "copying in memory took {times:.2f} times as long as at calm moments"
    return _told(
        _slower(found, all_, "probe_ns", PROBE, arithmetic),
        _slower(found, all_, "memory_ns", MEMORY, copying),
        _clock(found, all_),
    )


def calm_blocks(blocks: Sequence[Block], before: Sequence[Block] = ()) -> list[bool]:
    """For each of `blocks`, whether known work took as long before it and behind it as it does at calm moments; True
    where nothing tells. Both as of `disturbed`, each with its `target`: engines leave a processor at different clocks.
    The engine's own times decide nothing.
    """
    levels: dict[Any, list[tuple[str, float, float]]] = {}
    for target in {one.get("target") for one in blocks}:
        counters = _counters([one for one in (*before, *blocks) if one.get("target") == target])
        levels[target] = [
            (name, most, float(np.quantile(ever, CALM)))
            for name, most in (("probe_ns", BLOCK), ("memory_ns", MEMORY))
            if len(ever := _probes(counters, name)) >= 2 * _LEAST
        ]
    return [
        all(
            value <= most * calm
            for name, most, calm in levels[one.get("target")]
            for value in (one["counters"] or {}).get(name) or ()
        )
        for one in blocks
    ]


def enough(blocks: Sequence[Block], calm: Sequence[bool]) -> bool:
    """Whether every target has calm blocks enough for a round to stand by them."""
    of: dict[Any, list[bool]] = {}
    for block, one in zip(blocks, calm, strict=True):
        of.setdefault(block.get("target"), []).append(one)
    return all(sum(found) >= max(1, ENOUGH * len(found)) for found in of.values())


def _counters(blocks: Sequence[Block]) -> list[Block]:
    return [one["counters"] for one in blocks if one.get("counters")]


def _told(*reasons: str | None) -> tuple[str, ...]:
    return tuple(reason for reason in reasons if reason is not None)


def _others(found: Sequence[Block]) -> str | None:
    share = _share(found, "others")
    return None if share is None or share < OTHERS else f"other processes took {share:.0%} of a core"


def _waited(found: Sequence[Block]) -> str | None:
    share, others = _share(found, "waited"), _share(found, "others")
    if share is None or others is None or share < WAITED or others < WAITED_BESIDE:
        return None
    return f"the engine's threads waited for a processor {share:.0%} of the time, while others had it"


def _stolen(found: Sequence[Block]) -> str | None:
    share = _share(found, "stolen")
    return None if share is None or share < STOLEN else f"the hypervisor took {share:.0%} of a core"


def _slower(found: Sequence[Block], all_: Sequence[Block], name: str, most: float, says: str) -> str | None:
    now, ever = _probes(found, name), _probes(all_, name)
    if len(now) < _LEAST:
        return None
    calm = float(np.quantile(ever, CALM))
    times = statistics.median(now) / max(calm, 1.0)
    return says.format(times=times) if times >= most else None


def _clock(found: Sequence[Block], all_: Sequence[Block]) -> str | None:
    now, ever = ([one["mhz"] for one in some if one.get("mhz")] for some in (found, all_))
    if len(now) < _LEAST:
        return None
    high, here = float(np.quantile(ever, 1 - CALM)), statistics.median(now)
    return f"the processor's clock fell to {here:.0f} MHz, from {high:.0f}" if here < CLOCK * high else None


def _share(found: Iterable[Block], name: str) -> float | None:
    """Over all blocks, by their duration: the system counts in ticks of 10 ms, too coarse for one block."""
    known = [(one[name], one["wall_s"]) for one in found if one.get(name) is not None and one["wall_s"] > 0]
    total = sum(wall for _, wall in known)
    return None if not total else sum(share * wall for share, wall in known) / total


def _probes(found: Iterable[Block], name: str) -> list[float]:
    return [float(value) for one in found for value in one.get(name) or ()]

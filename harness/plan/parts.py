"""A run's conditions dealt out to shards: by the conditions alone, so that machines which know nothing of each other
agree.

Conditions whose images are made together stay together, so that no image but the clean ones is made twice. A kind of
conditions is dealt after the other, each pass to the shard that has the least to do so far: what a run is extended by
behind its conditions leaves them where they are. Targets change nothing: every shard asks all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from seatrial.exporters import InputContract
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import LoadedWorld
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.plan.passes import pass_of
from seatrial.harness.spec.shard import Shard


def part_of(
    conditions: Sequence[Condition], contract: InputContract, world: LoadedWorld, shard: Shard
) -> frozenset[str]:
    """The ids of the conditions that fall to a shard. The first condition falls to the first; of more shards than
    there are passes, some have nothing.
    """
    numbers = shard_numbers(conditions, contract, world, shard.of)
    return frozenset(name for name, number in numbers.items() if number == shard.number)


def shard_numbers(
    conditions: Sequence[Condition], contract: InputContract, world: LoadedWorld, of: int
) -> dict[str, int]:
    """Condition id -> the number of its shard."""
    passes: dict[object, list[str]] = {}
    efforts: dict[object, float] = {}
    for one in conditions:
        key = pass_of(one, contract)
        passes.setdefault(key, []).append(one.id)
        efforts.setdefault(key, 1.0 if one.from_source else 0.0)  # of decoding them once more
        efforts[key] += kind_of(one.id).effort(one, world)
    numbers = dealt(efforts.values(), of)
    return {name: number for ids, number in zip(passes.values(), numbers, strict=True) for name in ids}


def dealt(efforts: Iterable[float], shards: int) -> list[int]:
    """The number of the shard for each, from 1: one after the other to that which has least, of equals the first.

    >>> dealt([1, 1, 1, 1, 5, 1, 1], 3)
    [1, 2, 3, 1, 2, 3, 3]
    """
    loads = [(0.0, number) for number in range(1, shards + 1)]
    found = []
    for effort in efforts:
        load, number = loads[0]
        heapq.heapreplace(loads, (load + effort, number))
        found.append(number)
    return found

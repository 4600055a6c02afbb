"""A run's conditions dealt out to shards: by the conditions alone, so that machines which know nothing of each other
agree.

A condition's images are made in one shard, and those that decode the stored images alike go a few together, so that
decoding is little beside their answers, while no shard waits for one that has them all. A kind of conditions is dealt
after the other, each piece to the shard that has the least to do so far: what a run is extended by behind its
conditions leaves them where they are. Targets change nothing: every shard asks all of them.
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

# Conditions that decode alike and are dealt together, at most: a decoding costs as much as an answer or less.
TOGETHER = 4


def part_of(
    conditions: Sequence[Condition], contract: InputContract, world: LoadedWorld, shard: Shard
) -> frozenset[str]:
    """The ids of the conditions that fall to a shard. The first condition falls to the first; of more shards than
    there are pieces, some have nothing.
    """
    numbers = shard_numbers(conditions, contract, world, shard.of)
    return frozenset(name for name, number in numbers.items() if number == shard.number)


def shard_numbers(
    conditions: Sequence[Condition], contract: InputContract, world: LoadedWorld, of: int
) -> dict[str, int]:
    """Condition id -> the number of its shard."""
    pieces = pieces_of(conditions, contract)
    efforts = [
        sum(kind_of(one.id).effort(one, world) for one in piece) + (1.0 if piece[0].from_source else 0.0)
        for piece in pieces
    ]
    numbers = dealt(efforts, of)
    return {one.id: number for piece, number in zip(pieces, numbers, strict=True) for one in piece}


def pieces_of(conditions: Sequence[Condition], contract: InputContract) -> list[list[Condition]]:
    """What is dealt as one, in order of their first: at most TOGETHER conditions of one pass."""
    passes: dict[object, list[Condition]] = {}
    for one in conditions:
        passes.setdefault(pass_of(one, contract), []).append(one)
    return [found[at : at + TOGETHER] for found in passes.values() for at in range(0, len(found), TOGETHER)]


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

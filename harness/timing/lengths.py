"""How many queries a block has, and how many blocks a round."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

# Long enough that the caches are warm for nearly all of it, short enough that drift of the clock frequency and of the
# machine's load meets all targets alike. A slow target's blocks are longer, so that turns do not grow without end.
BLOCK_S = 0.1
LONGEST_BLOCK_S = 0.5


@dataclasses.dataclass(frozen=True)
class Lengths:
    """turns: of a round. queries: of a block of each target, by name. seconds: that such a block takes."""

    turns: int
    queries: Mapping[str, int]
    seconds: Mapping[str, float]


def lengths_of(seconds: Mapping[str, float], *, duration_s: float, queries: int, most_s: float) -> Lengths:
    """seconds: name -> seconds of a query. duration_s: least time of a target's queries in a round. queries: their
    least number, as far as they take no longer than `most_s`.

    >>> found = lengths_of({"fast": 0.001, "slow": 0.01}, duration_s=0.5, queries=221, most_s=20)
    >>> found.turns, dict(found.queries)
    (6, {'fast': 84, 'slow': 37})
    """
    each = {name: max(one, 1e-7) for name, one in seconds.items()}
    whole = {name: max(duration_s, min(queries * one, most_s)) for name, one in each.items()}
    wanted = max(duration_s / BLOCK_S, max(whole.values(), default=0.0) / LONGEST_BLOCK_S)
    possible = min((whole[name] / one for name, one in each.items()), default=1.0)
    turns = max(1, min(_even_above(wanted), _even_below(possible)))
    counts = {name: max(1, math.ceil(whole[name] / (turns * one) - 1e-9)) for name, one in each.items()}
    return Lengths(turns, counts, {name: counts[name] * one for name, one in each.items()})


def _even_above(value: float) -> int:
    return 2 * math.ceil(value / 2 - 1e-9)


def _even_below(value: float) -> int:
    whole = math.floor(value + 1e-9)
    return whole - whole % 2 if whole > 1 else whole

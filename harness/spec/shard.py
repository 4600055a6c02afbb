"""One part of a run that is spread over machines which know nothing of each other."""

from __future__ import annotations

import dataclasses
import re

from seatrial.errors import UsageError

# Nobody has so many machines, and a text from outside may say any number.
MOST = 9999
_SPELLED = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclasses.dataclass(frozen=True)
class Shard:
    """The `number`-th of `of` parts, from 1."""

    number: int
    of: int

    def __post_init__(self) -> None:
        """UsageError for one that there cannot be."""
        if not 1 <= self.number <= self.of <= MOST:
            raise UsageError(f"--shard {self.number}/{self.of}: give K/N, the K-th of N parts, from 1/N to N/N.")

    def __str__(self) -> str:
        """As the flag takes it."""
        return f"{self.number}/{self.of}"


def shard_of(text: str) -> Shard:
    """From `K/N`; UsageError for anything else.

    >>> shard_of("2/3")
    Shard(number=2, of=3)
    """
    found = _SPELLED.fullmatch(text)
    if found is None:
        raise UsageError(f"--shard {text}: give K/N, the K-th of N parts, as in 1/3.")
    return Shard(*map(int, found.groups()))

"""Turns: the blocks of all targets, forwards and then backwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def in_turns(names: Sequence[str], turns: int) -> Iterator[tuple[int, str]]:
    """(turn, name): what drifts evenly, as a clock that falls with the temperature, meets all of them alike.

    >>> [name for _, name in in_turns("ab", 3)]
    ['a', 'b', 'b', 'a', 'a', 'b']
    """
    for turn in range(turns):
        for name in names[:: -1 if turn % 2 else 1]:
            yield turn, name

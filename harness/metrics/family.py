"""Many tests at once: what is beyond doubt, though the luckiest of so many would look so by chance."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def holm(p_values: Mapping[Name, float], alpha: float) -> set[Name]:
    """The tests that Holm's step-down procedure rejects ("A simple sequentially rejective multiple test procedure",
    1979): with a chance of at most alpha is one of them among those whose hypothesis is true.

    >>> sorted(holm({"a": 0.01, "b": 0.02, "c": 0.04}, 0.05)), sorted(holm({"a": 0.02, "b": 0.03, "c": 0.04}, 0.05))
    (['a', 'b', 'c'], [])
    """
    rejected: set[Name] = set()
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        if p_values[name] > alpha / (len(p_values) - place):
            break
        rejected.add(name)
    return rejected

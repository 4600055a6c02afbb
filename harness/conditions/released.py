"""Images that others released under conditions already: what was done to them is not done again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from seatrial.errors import BadInputError
from seatrial.harness.data.source import DataSource


class ReleasedSet:
    """id -> a source of the condition's images. All have the same ids and labels."""

    def __init__(self, name: str, sources: dict[str, Callable[[], DataSource]]) -> None:
        self.name = name
        self.conditions = tuple(sources)
        self._open = sources

    @functools.cache  # noqa: B019  (a run has one set, for as long as it lasts)
    def source(self, condition: str) -> DataSource:
        """The images of one condition; BadInputError where they are not what they should be."""
        return self._open[condition]()

    def check_alike(self, chosen: Sequence[str]) -> None:
        """BadInputError where the chosen conditions do not hold the same images with the same labels."""
        first = self.source(chosen[0])
        for condition in chosen[1:]:
            other = self.source(condition)
            if list(other.ids) != list(first.ids) or not np.array_equal(other.labels, first.labels):
                raise BadInputError(
                    f"{self.name}: {condition} does not hold the images of {chosen[0]}; the set is incomplete."
                )

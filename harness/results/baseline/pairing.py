"""Which images two runs have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seatrial.errors import UsageError
from seatrial.harness.records.predictions import Predictions

Positions = npt.NDArray[np.int64]


class Pairing:
    """Places of the same images in the trials of two runs; those of one run mostly have the same images."""

    def __init__(self) -> None:
        self._known: tuple[list[str], list[str], Positions, Positions] | None = None

    def places(self, ids: list[str], others: list[str]) -> tuple[Positions, Positions]:
        """int64 [M] each, of the M images that both have."""
        if self._known is None or self._known[0] != ids or self._known[1] != others:
            self._known = (ids, others, *_in_common(ids, others))
        return self._known[2], self._known[3]


def _in_common(ids: Sequence[str], others: Sequence[str]) -> tuple[Positions, Positions]:
    place = {name: index for index, name in enumerate(others)}
    shared = [(index, place[name]) for index, name in enumerate(ids) if name in place]
    pairs = np.array(shared, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def at(rows: Predictions, places: Positions) -> Predictions:
    """Some of the rows."""
    return Predictions(rows.label[places], rows.top[places], rows.p_top1[places], rows.margin[places])


def check_labels(before: Predictions, after: Predictions, roots: tuple[Path, Path]) -> None:
    """UsageError where the same images have other labels: other classes, or other data; and where one run has none."""
    if before.labelled != after.labelled:
        bare, known = roots if after.labelled else reversed(roots)
        raise UsageError(
            f"{bare} has no labels and {known} has some: run both with labels, or both without (--unlabelled)."
        )
    changed = int(np.count_nonzero(before.label != after.label))
    if changed:
        raise UsageError(
            f"{changed} of {len(before)} images have other labels in {roots[0]} than in {roots[1]}: the runs are of "
            "other classes or other data, and cannot be compared."
        )

"""Where accuracy was lost on the way from the source to the engine: the differences of one stage to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.paired import paired_interval


@dataclasses.dataclass(frozen=True)
class Step:
    """What a stage changed. step: its name. delta: top-1 after it minus top-1 before; ci95: paired interval."""

    step: str
    delta: float
    ci95: tuple[float, float]


def decompose(first: npt.NDArray[np.bool_], stages: Mapping[str, npt.NDArray[np.bool_]]) -> tuple[Step, ...]:
    """The stages in their order; their deltas sum to the whole difference of the last to the first.

    first: bool [N], right before any of the stages; stages: name -> bool [N], right after it, of the same images in the
    same order. ValueError for other shapes or N = 0.

    >>> source, exported, engine = np.array([1, 1, 1, 0]) > 0, np.array([1, 1, 0, 0]) > 0, np.array([1, 1, 0, 1]) > 0
    >>> [(one.step, one.delta) for one in decompose(source, {"export": exported, "quantization": engine})]
    [('export', -0.25), ('quantization', 0.25)]
    """
    steps, before = [], first
    for name, after in stages.items():
        if not len(before) or after.shape != before.shape:
            raise ValueError("stages must have the same images, at least one")
        worse, better = int(np.count_nonzero(before & ~after)), int(np.count_nonzero(after & ~before))
        steps.append(Step(name, (better - worse) / len(before), paired_interval(worse, better, len(before))))
        before = after
    return tuple(steps)

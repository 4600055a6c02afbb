"""The worst options of each factor on top of each other: known once the single ones are answered."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from seatrial.harness.conditions.condition import CLEAN, Condition, Transform
from seatrial.harness.conditions.kinds.pipeline.ids import factor_of
from seatrial.harness.data.source import Pixels
from seatrial.harness.metrics.effect import worst
from seatrial.harness.records.predictions import Predictions

# The factors that are put on top of each other, in the order in which SysNoise (figure 3) adds them.
STACKED = ("decode", "resize", "color", "input", "graph")
# Swapped channels are a mistake, not a difference between libraries: always the worst colour, they would hide the rest.
MISTAKES = ("pipeline/color=bgr",)


def stack_of(options: Mapping[str, tuple[float, float]]) -> list[str]:
    """The conditions that together are the worst pipeline: the worst option of each factor, in the order of STACKED.

    options: condition id -> (loss, flips) of the reference. A factor whose worst option gains, or neither
    loses nor flips anything, is left out, and so are MISTAKES.

    >>> nv12, fast, exact = "pipeline/color=nv12-bt601", "pipeline/decode=ffmpeg", "pipeline/decode=opencv"
    >>> stack_of({nv12: (0.1, 0.2), exact: (0.0, 0.0), fast: (0.0, 0.01)})
    ['pipeline/decode=ffmpeg', 'pipeline/color=nv12-bt601']
    >>> stack_of({nv12: (-0.1, 0.2)})
    []
    """
    chosen = []
    for factor in STACKED:
        of_factor = {name: one for name, one in options.items() if factor_of(name) == factor and name not in MISTAKES}
        if of_factor:
            name = worst(of_factor)
            loss, flips = of_factor[name]
            if loss > 0 or (loss == 0 and flips > 0):
                chosen.append(name)
    return chosen


def choose_stack(answers: Mapping[str, Predictions]) -> list[str]:
    """`stack_of` for the reference's answers, condition id -> prediction rows, `clean` among them (KeyError if not)."""
    clean = answers[CLEAN]
    correct, top1 = clean.correct, clean.top1
    options = {}
    for name in answers:
        if factor_of(name) in STACKED:
            rows = answers[name]
            lost = int(np.count_nonzero(correct)) - int(np.count_nonzero(rows.correct))
            changed = int(np.count_nonzero(rows.top1 != top1))
            options[name] = (lost / len(rows), changed / len(rows))
    return stack_of(options)


def stacked(name: str, parts: Sequence[Condition]) -> Condition:
    """All of `parts` at once, under the id `name`; of two that change the same, the later one holds."""
    fields = dict(pair for part in parts for pair in part.contract)
    transforms = [part.transform for part in parts if part.transform is not None]
    numbers = [part.numbers for part in parts if part.numbers is not None]
    return Condition(
        name,
        transform=functools.partial(_one_after_the_other, tuple(transforms)) if transforms else None,
        contract=tuple(sorted(fields.items())),
        reencode=any(part.reencode for part in parts),
        enlarge=any(part.enlarge for part in parts),
        numbers=numbers[-1] if numbers else None,
        rewrites=tuple(name for part in parts for name in part.rewrites),
        parts=tuple(part.id for part in parts),
    )


def _one_after_the_other(changes: tuple[Transform, ...], image: Pixels, rng: np.random.Generator) -> Pixels:
    for change in changes:
        image = change(image, rng)
    return image

"""What a changed step of the input pipeline costs, as SysNoise and RobustART measure it, and what quantization adds."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import accuracy
from seatrial.harness.metrics.paired import Differences, compare

Correct = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Effect:
    """A target under a condition against the same target on clean images; shares of all images.

    loss: clean top-1 minus top-1, SysNoise's dACC; below zero for a gain. ci95: of the loss. p: two-sided,
    that there is none. flips: images whose predicted class changes; negative_flips: right before, wrong now;
    positive_flips: the reverse. loss = negative_flips - positive_flips.
    """

    top1: float
    loss: float
    ci95: tuple[float, float]
    p: float
    flips: float
    negative_flips: float
    positive_flips: float


@dataclasses.dataclass(frozen=True)
class Interaction:
    """What quantization costs on clean images and under a condition: the reference's top-1 minus the target's.

    extra: cost_here - cost_alone, which is the target's loss minus the reference's: what quantization adds on top of
    the pipeline. ci95: of `extra`.
    """

    cost_alone: float
    cost_here: float
    extra: float
    ci95: tuple[float, float]


def effect(correct: Correct, clean_correct: Correct, same_class: Correct) -> Effect:
    """bool [N] arrays over the same images in the same order; ValueError for other shapes or N = 0."""
    found = compare(correct, clean_correct, same_class)
    low, high = found.ci95
    return Effect(
        top1=accuracy(correct),
        loss=0.0 - found.delta,
        ci95=(0.0 - high, 0.0 - low),
        p=found.p,
        flips=int(np.count_nonzero(~same_class)) / len(same_class),
        negative_flips=found.negative_flips,
        positive_flips=found.positive_flips,
    )


def interaction(correct: Correct, clean_correct: Correct, reference: Correct, reference_clean: Correct) -> Interaction:
    """bool [N] of the target and of the reference, each under the condition and on clean images; ValueError for other
    shapes or N = 0.

    The four answers to an image belong together: it adds one of -2, -1, 0, 1, 2 to `extra`. SysNoise's figure 3 prints
    cost_here and cost_alone; RobustART has no such figure.
    """
    arrays = (correct, clean_correct, reference, reference_clean)
    if not len(correct) or len({array.shape for array in arrays}) > 1:
        raise ValueError("paired arrays must have the same length, above zero")
    now, clean, reference_now, reference_was = (array.astype(np.int8) for array in arrays)
    values = (clean - now) - (reference_was - reference_now)
    total = len(values)
    extra = Differences.of(values)
    return Interaction(
        cost_alone=_count(reference_was, clean) / total,
        cost_here=_count(reference_now, now) / total,
        extra=extra.mean,
        ci95=extra.interval(bound=2.0),
    )


def setting_spread(top1: Sequence[float]) -> dict[str, float | int]:
    """How accuracy spreads over decoders and resize filters (RobustART's ImageNet-S): count, mean, both standard
    deviations, smallest, largest. ValueError for less than two.

    std_population divides by N, as RobustART's code does (`np.std`); std_sample by N - 1, as its paper's tables 7 and 8
    do.

    >>> spread = setting_spread([0.7, 0.8])
    >>> round(spread["std_population"], 4), round(spread["std_sample"], 4)
    (0.05, 0.0707)
    """
    if len(top1) < 2:
        raise ValueError("a spread needs two settings")
    return {
        "count": len(top1),
        "mean": statistics.fmean(top1),
        "std_population": statistics.pstdev(top1),
        "std_sample": statistics.stdev(top1),
        "min": min(top1),
        "max": max(top1),
    }


def mean_and_max(losses: Iterable[float]) -> tuple[float, float]:
    """SysNoise's "mean (max)" over the options of a factor; ValueError for none.

    >>> mean_and_max([0.25, 0.75, 0.5])
    (0.5, 0.75)
    """
    values = list(losses)
    if not values:
        raise ValueError("mean of no options")
    return statistics.fmean(values), max(values)


def worst(options: Mapping[str, tuple[float, float]]) -> str:
    """The option, of name -> (loss, flips), that loses most; among equals the one that flips most, then the first.

    >>> worst({"a": (0.01, 0.02), "b": (0.03, 0.03), "c": (0.03, 0.05)})
    'c'
    """
    return max(options, key=lambda name: options[name])


def _count(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> int:
    """How many more are true in the first than in the second."""
    return int(np.count_nonzero(first)) - int(np.count_nonzero(second))

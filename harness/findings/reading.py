"""Whether the model is fed as it wants: its reference, asked again on a few images under the likeliest other readings.

A glance beside `bench.py contract`, which searches wholly: colour order and scaling alone, as they need no image
decoded again. The criterion is that search's (`harness.contract.statistics`), with a limit: near-twins of the right
scaling give the labels more likelihood on some images, by 0.005 nats each on CIFAR-10's; a wrong one costs 0.1 and
more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.places import PlacedEngine
from seatrial.exporters import InputContract
from seatrial.exporters.contract import ORDERS
from seatrial.harness.contract import candidates as values
from seatrial.harness.contract.answers import Asker
from seatrial.harness.contract.deviations import spell
from seatrial.harness.contract.flags import flags_of
from seatrial.harness.contract.statistics import looks, near_chance, paired_tail
from seatrial.harness.data.source import Pixels
from seatrial.harness.pipeline import ImageReader

# Images on which all readings are asked, and those on which the best one is compared with the declared one.
IMAGES, COMPARED = 200, 500
# Too few to tell anything.
_LEAST_IMAGES = 20
# Chance that a right contract is called wrong.
ALPHA = 0.05
# In nats per image: what another reading must gain beyond doubt.
LIMIT = 0.02
# One-sided, against the leader: which of the tied readings may be named.
_NAMED_BELOW = 0.025
# Likewise, against the declared one: which is worth more images.
_PROMISING = 0.2
_SCALINGS = ("ImageNet", "-1..1", "0..1", "0..255", "Caffe", "CIFAR-10 (std of means)", "GTSRB")
_SWAPPED_SCALINGS = ("ImageNet", "0..1", "Caffe")


@dataclasses.dataclass(frozen=True)
class Reading:
    """The likeliest reading beside the declared one. likelihood: its gain in nats per image, at each one's own
    temperature. p: one-sided, that it gains no more than LIMIT, for all readings together. better, worse: images that
    it alone gets right, and wrong. chance: the declared one is no better than guessing.
    """

    declared: InputContract
    other: InputContract
    images: int
    declared_correct: int
    other_correct: int
    better: int
    worse: int
    likelihood: float
    p: float
    chance: bool
    readings: int

    @property
    def wrong(self) -> bool:
        """The other is better beyond doubt."""
        return self.p < ALPHA and self.other_correct >= self.declared_correct

    @property
    def _same_figures(self) -> bool:
        return all(getattr(self.declared, name) == getattr(self.other, name) for name in ("divisor", "mean", "std"))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        differing = {
            factor: {"declared": spell(factor, self.declared), "other": spell(factor, self.other)}
            for factor, same in (
                ("color", self.declared.color == self.other.color),
                ("numbers", self._same_figures or values.same_numbers(self.declared, self.other)),
            )
            if not same
        }
        return {
            "images": self.images,
            "readings": self.readings,
            "declared_top1": self.declared_correct / self.images,
            "other_top1": self.other_correct / self.images,
            "better": self.better,
            "worse": self.worse,
            "likelihood": self.likelihood,
            "limit": LIMIT,
            "p": self.p,
            "wrong": self.wrong,
            "at_chance": self.chance,
            "differing": differing,
            "flags": list(flags_of(self.other)),
        }


class _AtTheirSize:
    """A reader's images, whose image side is settled."""

    def __init__(self, reader: ImageReader) -> None:
        self._reader = reader

    def read(self, position: int, contract: InputContract) -> Pixels:
        """uint8 RGB [height, width, 3]."""
        found: Pixels = self._reader.read(position, position + 1)[0]
        return found


def other_readings(declared: InputContract) -> list[InputContract]:
    """What a model like this may want instead: the other colour order, the usual scalings, and a few of both."""
    if declared.color == "gray":
        colors: tuple[str, ...] = ("gray",)
    else:
        colors = tuple(sorted(ORDERS, key=lambda order: order != declared.color))
    # Who declares another order may have turned mean and std round with it, or not.
    swapped = [dataclasses.replace(declared, color=color) for color in colors[1:]]
    swapped += [values.with_color(declared, color) for color in colors[1:]]
    if declared.dtype == "uint8":
        return swapped
    scaled = values.numbers_and_colors(declared, declared)
    kept = []
    for contract in scaled:
        wanted = _SCALINGS if contract.color == declared.color else _SWAPPED_SCALINGS
        if values.numbers_name(contract).partition(", averaged")[0] in wanted:
            kept.append(contract)
    return values.merged([declared, *swapped, *kept])[1:]


def likeliest_reading(
    engine: PlacedEngine,
    reader: ImageReader,
    labels: npt.NDArray[np.int64],
    declared: InputContract,
    *,
    probabilities: bool,
    workers: int,
) -> Reading | None:
    """The best of the other readings against the declared one; None where there is none, or too few images for any.

    engine: the reference, on a file with `declared` for its contract. Of the others, those that lose to the declared
    one are dropped after 32, 64 and 128 images.
    """
    readings = other_readings(declared)
    count = min(COMPARED, len(reader))
    if not readings or count < _LEAST_IMAGES or labels.min() < 0:
        return None
    asker = Asker(engine, _AtTheirSize(reader), labels[:count], probabilities=probabilities, workers=workers)
    left = readings
    for look in looks(min(IMAGES, count)):
        asker.ask([declared, *left], look)
        kept = [one for one in left if _tail(asker, declared, one) >= _NAMED_BELOW]
        left = kept or [_likeliest(asker, left)]
        if not kept:
            break
    leader = _likeliest(asker, left)
    if _tail(asker, leader, declared) >= _PROMISING:
        count = asker.answers[leader].count
    other = next(one for one in left if _tail(asker, leader, one) >= _NAMED_BELOW)
    asker.ask([declared, leader, other], count)
    first, second = asker.answers[declared], asker.answers[other]
    before, after = first.correct[:count], second.correct[:count]
    p = paired_tail(asker.answers[leader].score()[:count], first.score()[:count], LIMIT)
    return Reading(
        declared=declared,
        other=other,
        images=count,
        declared_correct=int(before.sum()),
        other_correct=int(after.sum()),
        better=int((after & ~before).sum()),
        worse=int((before & ~after).sum()),
        likelihood=float((second.score()[:count] - first.score()[:count]).mean()),
        p=min(1.0, p * len(readings)),
        chance=near_chance(int(before.sum()), labels[:count], level=ALPHA),
        readings=len(readings),
    )


def _likeliest(asker: Asker, readings: Sequence[InputContract]) -> InputContract:
    return max(readings, key=lambda one: float(asker.answers[one].score().mean()))


def _tail(asker: Asker, one: InputContract, other: InputContract) -> float:
    """One-sided p-value that the first is not better, on the images that both were given."""
    first, second = asker.answers[one].score(), asker.answers[other].score()
    shared = min(len(first), len(second))
    return paired_tail(first[:shared], second[:shared])

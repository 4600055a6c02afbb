"""What the checks of a run rest on: right and wrong answers, counted image by image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.image_means import ImageMeans
from seatrial.harness.metrics.paired import Differences
from seatrial.harness.records.predictions import Predictions

Correct = npt.NDArray[np.bool_]
Shares = npt.NDArray[np.float64]


@dataclasses.dataclass
class Evidence:
    """Of one target. conditions: id -> against the reference. means: kind of conditions -> over its conditions, image
    by image. classes: number -> against the reference, on clean images, or, where the images came corrupted, over all
    conditions; class_top1: its accuracy, 0 to 1.
    """

    conditions: dict[str, Differences] = dataclasses.field(default_factory=dict)
    means: dict[str, ImageMeans] = dataclasses.field(default_factory=dict)
    classes: dict[int, Differences] = dataclasses.field(default_factory=dict)
    class_top1: dict[int, float] = dataclasses.field(default_factory=dict)

    def add(self, condition: str, kind: str, correct: Correct, reference: Correct) -> None:
        """The answers to one more condition; bool [N] each, in the run's order."""
        worse = int(np.count_nonzero(reference & ~correct))
        better = int(np.count_nonzero(correct & ~reference))
        self.conditions[condition] = Differences.counted(worse, better, len(correct))
        self.means.setdefault(kind, ImageMeans(len(correct))).add(correct, reference)

    def mean(self) -> ImageMeans:
        """Over the conditions of the first kind there is."""
        return next(iter(self.means.values()))

    def count_classes(self, labels: npt.NDArray[np.int32], top1: Shares, reference: Shares) -> None:
        """labels: int32 [N]; top1, reference: float64 [N], how far each image is right, 0 to 1."""
        order = np.argsort(labels, kind="stable")
        classes, starts = np.unique(labels[order], return_index=True)
        for name, part in zip(classes.tolist(), np.split(order, starts[1:]), strict=True):
            self.classes[name] = Differences.of(top1[part] - reference[part])
            self.class_top1[name] = float(top1[part].mean())


@dataclasses.dataclass(frozen=True)
class ReferenceEvidence:
    """skill: the reference's answers against always naming the commonest class, of whose images there are `common` (0
    to 1). one_class: it gives the same class to all images, though they have several. one_label: they
    have not.
    """

    skill: Differences
    common: float
    one_class: bool
    one_label: bool


def reference_evidence(rows: Predictions, top1: npt.NDArray[np.float64] | None = None) -> ReferenceEvidence:
    """rows: the reference's, under the first condition. top1: float64 [N], how often each image is right, where that is
    not told by one condition.
    """
    labels, counts = np.unique(rows.label, return_counts=True)
    commonest = labels[counts.argmax()]
    right = rows.correct.astype(np.float64) if top1 is None else top1
    return ReferenceEvidence(
        skill=Differences.of(right - (rows.label == commonest)),
        common=float(counts.max() / len(rows)),
        one_class=len(labels) > 1 and len(np.unique(rows.top1)) == 1,
        one_label=len(labels) == 1,
    )


def names_of(class_names: Sequence[str] | None, classes: Mapping[int, object]) -> dict[int, str]:
    """Class -> its name, or its number; names that stand twice have their number with them."""
    found = {}
    for number in classes:
        named = class_names is not None and number < len(class_names)
        name = class_names[number] if named and class_names is not None else str(number)
        twice = named and class_names is not None and class_names.count(name) > 1
        found[number] = f"{name} ({number})" if twice else name
    return found

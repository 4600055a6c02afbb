"""A source and its exported graph on the same images: same classes, how far apart, and where they part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seatrial.exporters.contract import InputContract, Tensor
from seatrial.harness.metrics.divergence import Divergence, first_divergence
from seatrial.harness.pipeline import ImageReader
from seatrial.scores import of_two_classes

# Kernels that sum in another order differ by some 1e-6 of the largest logit; a hundred times that is no rounding.
TOLERANCE = 1e-4
_BATCH = 32


class Executor(Protocol):
    """What answers images and shows its insides: an engine, or the source itself."""

    def infer(self, batch: Tensor) -> npt.NDArray[np.float32]:
        """[N, ...] -> logits float32 [N, classes]."""

    def intermediates(self, batch: Tensor) -> dict[str, npt.NDArray[Any]]:
        """Values inside the graph by name, in order of computation."""


@dataclasses.dataclass(frozen=True)
class Verification:
    """images: how many were compared. agreement: of these, how many got the same class from both.

    max_difference: the largest |logit difference|; scale: the largest |logit| of the source. source_top1,
    exported_top1: right answers, None without labels. parts: where the two part on the image that differs most, None
    where they do not.
    """

    images: int
    agreement: int
    max_difference: float
    scale: float
    source_top1: int | None
    exported_top1: int | None
    parts: Divergence | None

    @property
    def same(self) -> bool:
        """All classes agree, and no logit is further off than TOLERANCE of the largest."""
        return self.agreement == self.images and self.max_difference <= TOLERANCE * self.scale


@dataclasses.dataclass(frozen=True)
class OfTwoClasses:
    """A source whose one number per image stands for two classes. kind: what it is (`seatrial.scores`)."""

    source: Executor
    kind: str

    def infer(self, batch: Tensor) -> npt.NDArray[np.float32]:
        """The source's, as the scores of two classes."""
        return of_two_classes(self.source.infer(batch), self.kind)

    def intermediates(self, batch: Tensor) -> dict[str, npt.NDArray[Any]]:
        """The source's."""
        return self.source.intermediates(batch)


def verify(
    source: Executor,
    exported: Executor,
    images: ImageReader,
    contract: InputContract,
    labels: npt.NDArray[np.int64] | None = None,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Verification:
    """Feeds every image to both, as `contract` says.

    labels: int64 [N] in the order of the images, None if unknown. Memory does not grow with the number of images.
    """
    count, agreement, right = len(images), 0, [0, 0]
    worst, worst_at, scale = -1.0, 0, 0.0
    for start in range(0, count, _BATCH):
        stop = min(start + _BATCH, count)
        pixels = images.read(start, stop)
        tensor = contract.normalise(pixels)
        expected, found = source.infer(tensor), exported.infer(tensor)
        agreement += int(np.count_nonzero(expected.argmax(axis=1) == found.argmax(axis=1)))
        if labels is not None:
            for index, logits in enumerate((expected, found)):
                right[index] += int(np.count_nonzero(logits.argmax(axis=1) == labels[start:stop]))
        apart = np.abs(expected - found).max(axis=1)
        scale = max(scale, float(np.abs(expected).max()))
        if apart.max() > worst:
            worst, worst_at = float(apart.max()), start + int(apart.argmax())
        progress(stop)
    known = labels is not None
    result = Verification(
        count, agreement, worst, scale, right[0] if known else None, right[1] if known else None, None
    )
    if result.same:
        return result
    tensor = contract.normalise(images.read(worst_at, worst_at + 1))
    parts = first_divergence(source.intermediates(tensor), exported.intermediates(tensor))
    return dataclasses.replace(result, parts=parts)

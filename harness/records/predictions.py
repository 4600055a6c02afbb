"""Prediction rows: what one target said about one condition's images, one row per image."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from seatrial.errors import UsageError

TOP_K = 5
_SMALLEST = np.finfo(np.float32).smallest_subnormal


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Rows as columns, in the order of the run's images.

    label int32 [N], -1 where nobody knows it; top int32 [N, k], the k <= 5 classes of the largest logits, largest
    first, lower index first among equals; p_top1 float32 [N], softmax probability of the first; margin float32 [N],
    that minus the second's.
    """

    label: npt.NDArray[np.int32]
    top: npt.NDArray[np.int32]
    p_top1: npt.NDArray[np.float32]
    margin: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def top1(self) -> npt.NDArray[np.int32]:
        """int32 [N], the predicted class."""
        return self.top[:, 0]

    @property
    def labelled(self) -> bool:
        """False where nobody knows what the images show: labels are -1."""
        return bool((self.label >= 0).all())

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """bool [N], top-1 right. UsageError where nobody knows: no answer is wrong for want of a label."""
        self._needs_labels()
        return np.equal(self.top1, self.label)

    @property
    def correct5(self) -> npt.NDArray[np.bool_]:
        """bool [N], the label among the first five; UsageError likewise."""
        self._needs_labels()
        found: npt.NDArray[np.bool_] = (self.top == self.label[:, None]).any(axis=1)
        return found

    def _needs_labels(self) -> None:
        if not self.labelled:
            raise UsageError("Right answers are counted, but the images have no labels. Give images with labels.")


def rows_of(scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], kind: str = "logits") -> Predictions:
    """Scores float32 [N, classes] and labels int64 [N] -> rows; each depends on its own scores alone.

    kind: "logits", or "probabilities" of a graph that ends in a Softmax, which are not put through another one: their
    logarithm is a logit, clipped at the smallest positive float32.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :TOP_K]
    logits = np.log(np.maximum(scores, _SMALLEST).astype(np.float64)) if kind == "probabilities" else scores
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponents = np.exp(shifted)
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    first = np.take_along_axis(probabilities, order[:, :1], axis=1)[:, 0]
    if scores.shape[1] > 1:
        second = np.take_along_axis(probabilities, order[:, 1:2], axis=1)[:, 0]
    else:
        second = np.zeros_like(first)
    return Predictions(
        labels.astype(np.int32), order.astype(np.int32), first.astype(np.float32), (first - second).astype(np.float32)
    )


def concatenate(parts: list[Predictions]) -> Predictions:
    """Joins batches of rows in their order."""
    fields = [field.name for field in dataclasses.fields(Predictions)]
    return Predictions(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))

"""What gradient attacks increase: logits [N, classes], labels int64 [N] -> one number per image [N]."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

Tensor = Any

# Below it logits are taken as equal; as the authors of the difference of logits ratio add it.
_TIED = 1e-12


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of softmax and label."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The largest other logit minus the label's: above zero for an image that is misclassified."""
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.amax(1) - own


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Difference of logits ratio: the margin over the distance between the largest logit and the third.

    At least 3 classes. Neither a shift nor a scale of the logits changes it (Croce and Hein 2020, "Reliable Evaluation
    of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks", equation 6).
    """
    largest = logits.topk(3, dim=1).values
    return margin(logits, labels) / (largest[:, 0] - largest[:, 2]).clamp_min(_TIED)


def dlr_targeted(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The target's logit minus the label's, over the distance between the largest logit and the mean of the third and
    fourth; targets: int64 [N].

    At least 4 classes (Croce and Hein 2020, equation 7).
    """
    own, target = logits.gather(1, torch.stack([labels, targets], 1)).unbind(1)
    largest = logits.topk(4, dim=1).values
    return (target - own) / (largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2).clamp_min(_TIED)


def targets_in_order(logits: Tensor, labels: Tensor, most: int) -> Tensor:
    """The classes other than the label, the likeliest first: int64 [N, min(most, classes - 1)]."""
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.argsort(dim=1, descending=True, stable=True)[:, : min(most, logits.shape[1] - 1)]

"""One number per image that stands for two classes, as models with one output and a Sigmoid give it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def of_two_classes(answers: Floats, kind: str) -> Floats:
    """What a graph with one output gives, floats [N, 1] or [N], as the scores of two classes, [N, 2].

    kind: of a "probability" p they are 1 - p and p, of a logit 0 and it, so that class 1 is what lies above 0.5 or
    above 0; their softmax, or they themselves, are the same two probabilities. ValueError for another shape.

    >>> of_two_classes(np.array([[0.25], [1.0]], np.float32), "probabilities").tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    >>> of_two_classes(np.array([-3.0, 2.0], np.float32), "logits").tolist()
    [[0.0, -3.0], [0.0, 2.0]]
    """
    if answers.ndim < 1 or answers.size != len(answers):
        raise ValueError(f"{list(answers.shape)} is not one number per image")
    one = answers.reshape(-1)
    other = 1 - one if kind == "probabilities" else np.zeros_like(one)
    return np.stack([other, one], axis=1)

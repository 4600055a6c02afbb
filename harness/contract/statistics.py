"""The statistics of the search: pure functions of logits, labels and per-image scores.

Criterion. Accuracy alone hardly tells neighbouring scalings apart: on 880 traffic signs, a network made for -1..1 gets
871 right with -1..1 and 866 with GTSRB's statistics, which is McNemar's p = 0.13. The log-likelihood of the true class
uses every image (t = 3.1 on the same ones), but raw it rewards whatever happens to correct the network's confidence: a
scaling that shrinks the input helps an over-confident network. So every candidate gets the temperature that suits it
best (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), one number, and what is compared is
log softmax(logits / T) at the true class.

That holds for scaling and colour order. For the image side the likelihood is no guide to how a network was made:
networks score higher at another scale than they were trained and published with (Touvron et al., "Fixing the train-test
resolution discrepancy", NeurIPS 2019). On 200 photographs, a MobileNet that is published with 256 -> 224 gives the
labels significantly more likelihood at 248 -> 224. So resize rules, interpolations and decoders are compared by
accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics import mcnemar_exact
from seatrial.harness.metrics.accuracy import binomial_tail
from seatrial.harness.metrics.student import t_tail

Floats = npt.NDArray[np.float64]
# Differences in log-likelihood up to this, in nats per image, mean nothing: 0.1 % in perplexity. Near-twins such as
# -1..1 and 127/128 differ by less, and with enough images everything is significant.
MARGIN = 0.001
_LEAST_CONFIDENT, _MOST_CONFIDENT = 1e-6, 1e4
_STEPS = 60


def log_likelihood(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], confidence: float) -> Floats:
    """log softmax(confidence * logits) at the label, per image: float64 [N], at most 0; confidence is 1 / temperature.

    >>> log_likelihood(np.array([[0.0, 0.0]]), np.array([1]), 3.0).round(4).tolist()
    [-0.6931]
    """
    scaled = confidence * logits.astype(np.float64)
    scaled -= scaled.max(axis=1, keepdims=True)
    found: Floats = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
    return found


def best_confidence(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> float:
    """The confidence (1 / temperature), from 0, at which the mean log-likelihood is highest.

    The mean log-likelihood is concave in the confidence c: its derivative, mean(z_label - E[z]), falls with the slope
    -mean(Var[z]), both under softmax(c z). Newton's steps find its zero, halving the bracket (in logarithms) where they
    would leave it. 0 where the logits say nothing of the labels, or the opposite.

    >>> z = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    >>> round(best_confidence(z, np.array([0, 0, 0, 1])), 4)  # where softmax is 3/4: 2 c = log 3
    0.5493
    """
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    target = float(values[np.arange(len(labels)), labels].mean())
    if target - float(values.mean()) <= 0:  # the derivative at 0
        return 0.0
    low, high = _LEAST_CONFIDENT, _MOST_CONFIDENT
    confidence = min(max(1 / float(values.std()), low), high)
    for _ in range(_STEPS):
        weights = np.exp(confidence * values)
        total = weights.sum(axis=1)
        mean = (weights * values).sum(axis=1) / total
        variance = (weights * values * values).sum(axis=1) / total - mean * mean
        slope, curvature = target - float(mean.mean()), float(variance.mean())
        if slope > 0:
            low = confidence
        else:
            high = confidence
        step = confidence + slope / curvature if curvature > 0 else math.inf
        following = step if low < step < high else math.sqrt(low * high)
        if abs(following - confidence) <= 1e-7 * confidence:
            break
        confidence = following
    return confidence


def paired_tail(better: Floats, worse: Floats, margin: float = MARGIN) -> float:
    """One-sided p-value that `better` is better by at most `margin`: the paired t test; float64 [N] each, N >= 2.

    The temperatures are fitted to the same images, which the test leaves out of account: at the fitted temperature the
    mean does not change with it to first order.
    """
    difference = better - worse - margin
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    if spread <= 1e-12:
        return 0.0 if mean > 1e-12 else 1.0
    return t_tail(mean / (spread / math.sqrt(len(difference))), len(difference) - 1)


def near_chance(correct: int, labels: npt.NDArray[np.int64], *, level: float) -> bool:
    """True where an accuracy says nothing of the images: that of always naming the most frequent class, or hardly more.

    Hardly: the exact binomial test does not reject it at `level`, or Cohen's kappa against that class is below 0.1.
    """
    chance = float(np.bincount(labels).max()) / len(labels)
    if chance >= 1:
        return False
    kappa = (correct / len(labels) - chance) / (1 - chance)
    return kappa < 0.1 or binomial_tail(correct, len(labels), chance) > level


def looks(images: int, first: int = 32) -> list[int]:
    """The numbers of images after which a race is looked at: doubling, and all at the end.

    >>> looks(200)
    [32, 64, 128, 200]
    """
    steps: list[int] = []
    while first < images:
        steps.append(first)
        first *= 2
    return [*steps, images]


def levels(alpha: float, rivals: int, count: int) -> list[float]:
    """The one-sided level of each of `count` looks, so that all tests of a race together err with at most `alpha`.

    Bonferroni over the rivals and over the looks. The last look, on all images, has half of it, as an early one only
    saves time: what is left undecided then is decided later with more images.

    >>> levels(0.05, 5, 3)
    [0.0025, 0.0025, 0.005]
    """
    each = alpha / max(1, rivals)
    return [each] if count == 1 else [*[each / 2 / (count - 1)] * (count - 1), each / 2]


def less_likely(
    scores: Sequence[Floats], correct: Sequence[npt.NDArray[np.bool_]], level: float
) -> tuple[int, list[int]]:
    """The leader by mean score, and those that lose to it: a lower score at the one-sided `level`, and no higher
    accuracy.

    The second condition keeps what the likelihood alone would drop: accuracy comes first.
    """
    leader = max(range(len(scores)), key=lambda index: scores[index].mean())
    right = int(correct[leader].sum())
    losers = [
        index
        for index in range(len(scores))
        if index != leader and int(correct[index].sum()) <= right and paired_tail(scores[leader], scores[index]) < level
    ]
    return leader, losers


def less_accurate(
    scores: Sequence[Floats], correct: Sequence[npt.NDArray[np.bool_]], level: float
) -> tuple[int, list[int]]:
    """The leader by accuracy, then by score, and those that are less accurate at the one-sided `level` (McNemar's exact
    test).
    """
    leader = max(range(len(scores)), key=lambda index: (correct[index].sum(), scores[index].mean()))
    losers = []
    for index, right in enumerate(correct):
        worse, better = int((correct[leader] & ~right).sum()), int((right & ~correct[leader]).sum())
        if worse > better and mcnemar_exact(worse, better) / 2 < level:
            losers.append(index)
    return leader, losers

"""Checks that tell robustness from gradients that are masked: each can be failed by a defence that only hides them.

Athalye, Carlini and Wagner (2018), "Obfuscated Gradients Give a False Sense of Security", section 3.1, name the signs:
one step beats many, queries beat gradients, unbounded attacks leave something right. Gupta and Ajanthan (2022),
"Improved Gradient-Based Adversarial Attacks for Quantized Networks": gradients that vanish with the scale of the
logits. Bernhard et al. (2019), "Impact of Low-Bitwidth Quantization on the Adversarial Robustness for Embedded Neural
Networks": images made on the float network show what gradients of the quantized one should reach.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Correct = npt.NDArray[np.bool_]
Status = Literal["pass", "fail", "not run"]

# L-inf, in 255ths: from here on an image may hide anything, so that no classifier should be left with right answers.
LARGE_EPS = 32.0
# The share of images that may stay right there, have no gradient at all, or lie between a stronger and a weaker attack.
TOLERATED = 0.01
# Of all comparisons of a check together.
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check. says: a sentence with the figures. missing: condition ids that it needs and the run lacks."""

    name: str
    status: Status
    says: str
    missing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Trial:
    """Two attacks on the same images, bool [N] each: right under the one that should be the stronger, and under the
    other. at: where, in words, as in "8/255 on the target".
    """

    at: str
    stronger: Correct
    weaker: Correct


def falls_to_zero(correct: Mapping[float, Correct], missing: Sequence[str] = ()) -> Finding:
    """Under PGD with the target's own gradients, almost nothing stays right at the largest eps.

    correct: eps in 255ths -> bool [N], what the differentiated copy says. Not run below LARGE_EPS.
    """
    name = "accuracy falls to zero as eps grows"
    largest = max(correct, default=0.0)
    if largest < LARGE_EPS:
        return _not_run(name, missing)
    left, total = int(np.count_nonzero(correct[largest])), len(correct[largest])
    says = f"PGD at {largest:g}/255 leaves {_percent(left, total)} right ({left} of {total})."
    return Finding(name, "pass" if left <= TOLERATED * total else "fail", says)


def steps_beat_one(trials: Sequence[Trial], missing: Sequence[str] = ()) -> Finding:
    """PGD is not less effective than FGSM at the same eps."""
    return _no_weaker("many steps beat one", "PGD", "FGSM", trials, missing)


def own_gradients_beat_transfer(trials: Sequence[Trial], missing: Sequence[str] = ()) -> Finding:
    """PGD with the target's own gradients is not significantly less effective than with those of the float32 source."""
    return _no_weaker("own gradients beat the source's", "PGD on its own file", "PGD on fp32", trials, missing)


def gradients_beat_queries(trials: Sequence[Trial], missing: Sequence[str] = ()) -> Finding:
    """The worst of the attacks with own gradients, image by image, is not significantly less effective than Square."""
    return _no_weaker("gradients beat queries", "the worst on its own file", "Square", trials, missing)


def scale_does_not_matter(trials: Sequence[Trial], missing: Sequence[str] = ()) -> Finding:
    """PGD on scaled logits is not significantly more effective than PGD at the same eps."""
    return _no_weaker("the scale of logits does not matter", "PGD", "PGD on scaled logits", trials, missing)


def gradients_not_zero(zero: Correct | None, missing: Sequence[str] = ()) -> Finding:
    """Almost every image has a gradient. zero: bool [N], None where no gradients were taken."""
    name = "gradients are not zero"
    if zero is None:
        return _not_run(name, missing)
    count, total = int(np.count_nonzero(zero)), len(zero)
    says = f"{_percent(count, total)} of the images have no gradient ({count} of {total})."
    return Finding(name, "pass" if count <= TOLERATED * total else "fail", says)


def verdict(findings: Sequence[Finding]) -> Literal["pass", "fail", "incomplete"]:
    """`fail` where one failed; `incomplete` where none did and one was not run, or there is none.

    >>> verdict([Finding("a", "pass", ""), Finding("b", "not run", "")])
    'incomplete'
    """
    statuses = {finding.status for finding in findings}
    if "fail" in statuses:
        return "fail"
    return "pass" if statuses == {"pass"} else "incomplete"


def less_effective(lost: int, won: int) -> float:
    """One-sided p-value of McNemar's exact test: the chance of `lost` or more heads in lost + won fair tosses.

    lost: images that only the other attack turns wrong; won: that only this one does. In integers, so that it is exact
    to the last bit of the result.

    >>> less_effective(3, 0), less_effective(0, 0), less_effective(1, 2)
    (0.125, 1.0, 0.875)
    """
    tosses, tail, term = lost + won, 0, 1
    for tails in range(won + 1):
        tail += term
        term = term * (tosses - tails) // (tails + 1)
    return float(tail / 2**tosses)


def _no_weaker(name: str, stronger: str, weaker: str, trials: Sequence[Trial], missing: Sequence[str]) -> Finding:
    """Each of the trials is checked; one that fails fails the check.

    It fails where the attack that should be the stronger one leaves more than TOLERATED of the images more right,
    beyond chance at SIGNIFICANT divided by the number of trials (Bonferroni).
    """
    if not trials:
        return _not_run(name, missing)
    tested = [(_probability(trial), trial) for trial in trials]
    failed = [
        (value, trial)
        for value, trial in tested
        if value < SIGNIFICANT / len(trials) and trial.stronger.mean() - trial.weaker.mean() > TOLERATED
    ]
    if failed:
        told = "; ".join(_told(stronger, weaker, *one) for one in failed)
        return Finding(name, "fail", f"{told[0].upper()}{told[1:]}.")
    nearest = _told(stronger, weaker, *min(tested, key=lambda one: one[0]))
    places = "" if len(tested) == 1 else f", the nearest to failing of {len(tested)} comparisons"
    return Finding(name, "pass", f"{nearest[0].upper()}{nearest[1:]}{places}.")


def _probability(trial: Trial) -> float:
    if not len(trial.stronger) or trial.stronger.shape != trial.weaker.shape:
        raise ValueError("paired arrays must have the same length, above zero")
    lost = int(np.count_nonzero(trial.stronger & ~trial.weaker))
    return less_effective(lost, int(np.count_nonzero(trial.weaker & ~trial.stronger)))


def _told(stronger: str, weaker: str, value: float, trial: Trial) -> str:
    total = len(trial.stronger)
    left, other = (_percent(int(np.count_nonzero(one)), total) for one in (trial.stronger, trial.weaker))
    chance = "< 0.001" if value < 0.001 else f"= {value:.2g}"
    return f"at {trial.at} {stronger} leaves {left} right, {weaker} {other} (one-sided p {chance})"


def _not_run(name: str, missing: Sequence[str]) -> Finding:
    says = f"Not run: add {', '.join(missing)}." if missing else "Not run."
    return Finding(name, "not run", says, tuple(missing))


def _percent(count: int, total: int) -> str:
    return f"{count / total * 100:.2f} %"

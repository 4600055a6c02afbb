"""Checks that tell robustness from gradients that are masked: each can be failed by a defence that only hides them.

Athalye, Carlini and Wagner (2018), "Obfuscated Gradients Give a False Sense of Security", section 3.1, name the signs:
one step beats many, queries beat gradients, unbounded attacks leave something right. Gupta and Ajanthan (2022),
"Improved Gradient-Based Adversarial Attacks for Quantized Networks": gradients that vanish with the scale of the
logits. Bernhard et al. (2019), "Impact of Low-Bitwidth Quantization on the Adversarial Robustness for Embedded Neural
Networks": images made on the float network show what gradients of the quantized one should reach.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import wilson_interval
from seatrial.harness.metrics.needed import MOST, images_needed
from seatrial.harness.metrics.paired import Differences

Correct = npt.NDArray[np.bool_]
Status = Literal["pass", "fail", "inconclusive", "not run"]

# L-inf, in 255ths: from here on an image may hide anything, so that no classifier should be left with right answers.
LARGE_EPS = 32.0
# The share of images that may stay right there, have no gradient at all, or lie between a stronger and a weaker attack.
TOLERATED = 0.01
# A check passes where more than this is ruled out: with four images nothing is, so that four images pass no check.
RULED_OUT = 0.05
# Of all comparisons of a check together.
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check. says: a sentence with the figures. missing: condition ids that it needs and the run lacks. needed: the
    number of images that would decide it, if the others are like these; None where it is decided, or no number would.
    """

    name: str
    status: Status
    says: str
    missing: tuple[str, ...] = ()
    needed: int | None = None


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
    return _few(name, left, total, f"PGD at {largest:g}/255 leaves {_percent(left, total)} right ({left} of {total}).")


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
    return _few(name, count, total, says)


def verdict(findings: Sequence[Finding]) -> Literal["pass", "fail", "incomplete", "inconclusive"]:
    """`fail` where one failed; `incomplete` where none did and one was not run, or there is none; `inconclusive` where
    the images are too few for one.

    >>> verdict([Finding("a", "pass", ""), Finding("b", "not run", "")])
    'incomplete'
    """
    statuses = {finding.status for finding in findings}
    if "fail" in statuses:
        return "fail"
    if not statuses or "not run" in statuses:
        return "incomplete"
    return "inconclusive" if "inconclusive" in statuses else "pass"


def _few(name: str, count: int, total: int, says: str) -> Finding:
    """Of a share that should be next to nothing. It fails where the share is above TOLERATED by its 95 % interval, and
    passes where it is not, as counted, and the interval rules RULED_OUT out.
    """
    status = _status(count, total)
    if status != "inconclusive":
        return Finding(name, status, says)
    share = count / total
    needed = bisect.bisect_left(
        range(MOST), True, lo=total, key=lambda images: _status(round(share * images), images) != "inconclusive"
    )
    return _undecided(name, says, needed if needed < MOST else None)


def _status(count: int, total: int) -> Status:
    low, high = wilson_interval(count, total)
    if low > TOLERATED:
        return "fail"
    return "pass" if count <= TOLERATED * total and high <= RULED_OUT else "inconclusive"


def _no_weaker(name: str, stronger: str, weaker: str, trials: Sequence[Trial], missing: Sequence[str]) -> Finding:
    """Each of the trials is checked; one that fails fails the check.

    It fails where the attack that should be the stronger one leaves more than TOLERATED of the images more right, and
    more than the other beyond chance: by its interval at SIGNIFICANT, one-sided, divided by the number of trials
    (Bonferroni). It passes where every such interval rules RULED_OUT out.
    """
    if not trials:
        return _not_run(name, missing)
    # Two-sided intervals leave out half of their alpha on each side.
    alpha = 2 * SIGNIFICANT / len(trials)
    tested = sorted(((_more_right(trial), trial) for trial in trials), key=lambda one: -_reached(one[0], alpha)[1])
    failed = [(more, trial) for more, trial in tested if more.mean > TOLERATED and _reached(more, alpha)[0] > 0]
    if failed:
        told = "; ".join(_told(stronger, weaker, *one) for one in failed)
        return Finding(name, "fail", f"{told[0].upper()}{told[1:]}.")
    nearest = _told(stronger, weaker, *tested[0])
    places = "" if len(tested) == 1 else f", the nearest to failing of {len(tested)} comparisons"
    says = f"{nearest[0].upper()}{nearest[1:]}{places}."
    open_ones = [more for more, _ in tested if _reached(more, alpha)[1] > RULED_OUT]
    if not open_ones:
        return Finding(name, "pass", says)
    needed = [images_needed(more, RULED_OUT, alpha) for more in open_ones]
    return _undecided(name, says, None if None in needed else max(one for one in needed if one is not None))


def _more_right(trial: Trial) -> Differences:
    """By how much more the attack that should be the stronger leaves right, image by image."""
    if not len(trial.stronger) or trial.stronger.shape != trial.weaker.shape:
        raise ValueError("paired arrays must have the same length, above zero")
    lost = int(np.count_nonzero(trial.stronger & ~trial.weaker))
    return Differences.counted(int(np.count_nonzero(trial.weaker & ~trial.stronger)), lost, len(trial.stronger))


def _reached(more: Differences, alpha: float) -> tuple[float, float]:
    return more.interval(min(1.0, alpha))


def _undecided(name: str, says: str, needed: int | None) -> Finding:
    more = "" if needed is None else f": {needed} would do if they are like these"
    return Finding(name, "inconclusive", f"{says} Too few images to tell{more}.", needed=needed)


def _told(stronger: str, weaker: str, more: Differences, trial: Trial) -> str:
    total, value = len(trial.stronger), 1 - more.p_below(0.0)
    left, other = (_percent(int(np.count_nonzero(one)), total) for one in (trial.stronger, trial.weaker))
    chance = "< 0.001" if value < 0.001 else f"= {value:.2g}"
    return f"at {trial.at} {stronger} leaves {left} right, {weaker} {other} (one-sided p {chance})"


def _not_run(name: str, missing: Sequence[str]) -> Finding:
    says = f"Not run: add {', '.join(missing)}." if missing else "Not run."
    return Finding(name, "not run", says, tuple(missing))


def _percent(count: int, total: int) -> str:
    return f"{count / total * 100:.2f} %"

"""Which of a run's conditions answer each masking check of a target, and which ones it would need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from seatrial.harness.attacks.ids import REACHES_ZERO, SOURCE, AttackId, parse_attack
from seatrial.harness.conditions.kinds.attack.gathered import Attacked, Correct
from seatrial.harness.metrics import masking
from seatrial.harness.metrics.masking import Finding, Trial

# Where a check needs conditions of which the run has none: at the strength that the literature shows.
_USUAL_EPS = 8.0
# The smallest of the papers' strengths at which accuracy is left, so that a stronger attack shows.
_SCALED_EPS = 2.0
_SQUARES = ("square-linf", "square-l2")


def masking_findings(target: Attacked) -> list[Finding]:
    """The checks of a target, in the order of reports; the one that compares with the source's gradients only for a
    target that does not run the source.
    """
    findings = [_falls_to_zero(target), _steps(target)]
    if target.file != SOURCE:
        findings.append(_transfer(target))
    return [*findings, _queries(target), _zero_gradients(target), _scale(target)]


def _falls_to_zero(target: Attacked) -> Finding:
    curve = {eps: target.rows[one].correct for eps, one in target.by_eps("pgd-linf", target.file).items()}
    return masking.falls_to_zero(curve, [str(AttackId("pgd-linf", REACHES_ZERO, target.file))])


def _steps(target: Attacked) -> Finding:
    pgd, fgsm = target.by_eps("pgd-linf", target.file), target.by_eps("fgsm-linf", target.file)
    trials = []
    for eps in _common(pgd, fgsm):
        surrogate = target.rows[pgd[eps]].correct, target.rows[fgsm[eps]].correct
        trials.append(Trial(f"{eps:g}/255 on its differentiated copy", *surrogate))
        trials.append(Trial(f"{eps:g}/255 on the target", target.correct[pgd[eps]], target.correct[fgsm[eps]]))
    wanted = _lacking(("pgd-linf", target.file, pgd), ("fgsm-linf", target.file, fgsm))
    return masking.steps_beat_one(trials, wanted)


def _transfer(target: Attacked) -> Finding:
    own, source = target.by_eps("pgd-linf", target.file), target.by_eps("pgd-linf", SOURCE)
    trials = [
        Trial(f"{eps:g}/255", target.correct[own[eps]], target.correct[source[eps]]) for eps in _common(own, source)
    ]
    wanted = _lacking(("pgd-linf", target.file, own), ("pgd-linf", SOURCE, source))
    return masking.own_gradients_beat_transfer(trials, wanted)


def _queries(target: Attacked) -> Finding:
    trials: list[Trial] = []
    white: dict[tuple[str, float], list[Correct]] = {}
    for one in target.white_box:
        attack = parse_attack(one)
        white.setdefault((attack.kind.norm, attack.eps), []).append(target.correct[one])
    squares = {
        (parse_attack(one).kind.norm, parse_attack(one).eps): one for name in _SQUARES for one in target.ids(name)
    }
    for (norm, eps), one in squares.items():
        if (norm, eps) in white:
            worst = np.logical_and.reduce(white[norm, eps])
            trials.append(Trial(f"{eps:g}/255" if norm == "linf" else f"{norm} {eps:g}", worst, target.correct[one]))
    return masking.gradients_beat_queries(trials, _lacking_queries(target.file, squares, white))


def _lacking_queries(file: str, squares: Iterable[tuple[str, float]], white: Iterable[tuple[str, float]]) -> list[str]:
    unanswered = [str(AttackId(f"pgd-{norm}", eps, file)) for norm, eps in squares]
    if unanswered:
        return unanswered[:1]
    asked = [AttackId(f"square-{norm}", eps, None) for norm, eps in white if f"square-{norm}" in _SQUARES]
    possible = [one for one in asked if one.eight_bit]
    usual = [one for one in possible if one.kind.norm == "linf" and one.eps == _USUAL_EPS]
    if possible:
        return [str((usual or possible)[0])]
    return [str(AttackId("pgd-linf", _USUAL_EPS, file)), str(AttackId("square-linf", _USUAL_EPS, None))]


def _zero_gradients(target: Attacked) -> Finding:
    made = target.white_box
    # The same in all of them: of cross-entropy, at the clean image.
    zero = np.logical_or.reduce([target.rows[one].zero_gradient for one in made]) if made else None
    return masking.gradients_not_zero(zero, [str(AttackId("pgd-linf", _USUAL_EPS, target.file))])


def _scale(target: Attacked) -> Finding:
    plain, scaled = target.by_eps("pgd-linf", target.file), target.by_eps("pgd-scaled-linf", target.file)
    trials = [
        Trial(f"{eps:g}/255", target.rows[plain[eps]].correct, target.rows[scaled[eps]].correct)
        for eps in _common(plain, scaled)
    ]
    wanted = _lacking(("pgd-linf", target.file, plain), ("pgd-scaled-linf", target.file, scaled), usual=_SCALED_EPS)
    return masking.scale_does_not_matter(trials, wanted)


def _common(first: Iterable[float], second: Iterable[float]) -> list[float]:
    return sorted(set(first) & set(second))


def _lacking(*wanted: tuple[str, str, Iterable[float]], usual: float = _USUAL_EPS) -> list[str]:
    """The ids that are missing at one strength: the usual one, else the smallest at which one of them was run."""
    there: Sequence[tuple[str, str, set[float]]] = [(name, surrogate, set(found)) for name, surrogate, found in wanted]
    run = set[float]().union(*(found for _, _, found in there))
    eps = usual if usual in run or not run else min(run)
    return [str(AttackId(name, eps, surrogate)) for name, surrogate, found in there if eps not in found]

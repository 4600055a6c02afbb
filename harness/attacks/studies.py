"""The attacks that published studies ask for: RobustMQ's, and sweeps over the strength."""

from __future__ import annotations

from seatrial.harness.attacks.ids import ATTACKS, AttackId, Surrogates, in_order, masking_ids
from seatrial.harness.attacks.strengths import PAPER_VALUES, study_strengths
from seatrial.harness.spec.studies import MERKEL

# RobustMQ's, with RobustART's parameters, at its three strengths (`strengths`).
ROBUSTMQ_ATTACKS = ("fgsm-linf", "pgd-linf", "pgd-l2", "pgd-dense-l1", "mim-linf", "autoattack-linf")
# Gorsline, Smith and Merkel's "simple gradient-based attacks".
MERKEL_ATTACKS = ("fgsm-linf", "pgd-linf")
# In 255ths, up to a quarter of the range of values, where everything must fall.
MERKEL_EPS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0)


def study_ids(suite: str, surrogates: Surrogates, values: int = PAPER_VALUES) -> list[str]:
    """The attacks of `robustmq` or `merkel`, made on the source and on every target's own file, and what the masking
    checks need.

    Further networks (--surrogate) are asked by `robustmq`, too, but for AutoAttack. values: how many an image has, by
    which RobustMQ's strengths in L1 and L2 go.
    """
    own = surrogates.white_boxes
    if suite == MERKEL:
        found = [AttackId(name, eps, one) for name in MERKEL_ATTACKS for one in own for eps in MERKEL_EPS]
    else:
        found = [
            AttackId(name, eps, one)
            for name in ROBUSTMQ_ATTACKS
            for one in (own if name.startswith("autoattack") else surrogates.names)
            for eps in study_strengths(ATTACKS[name].norm, values)
        ]
    return in_order([*found, *masking_ids(surrogates)], surrogates.names)

"""What attacks cost at most, in passes through a network: the same on any machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from seatrial.harness.attacks.ids import AttackId

# Gradients for each image and restart. Iterated attacks take 20; those that set their own size 100, towards each of
# nine other classes where they are targeted.
_GRADIENTS = {
    "fgsm-linf": 1,
    "apgd-ce-linf": 100,
    "apgd-ce-l2": 100,
    "apgd-dlr-linf": 100,
    "apgd-t-linf": 900,
    "apgd-t-l2": 900,
    "fab-t-linf": 900,
    "pgd-scaled-linf": 40,
    "autoattack-linf": 1900,
    "autoattack-l2": 1900,
}
_ITERATED = 20
# Square's, as AutoAttack asks them: of its own copy.
_ENSEMBLE_QUERIES = 5000


@dataclasses.dataclass(frozen=True)
class Cost:
    """For each image, at most: images that have fallen are left alone."""

    attacks: int
    ensembles: int
    gradients: int
    queries: int

    def told(self, images: int) -> str:
        """A sentence."""
        most = f"at most {self.gradients:,} gradients and {self.queries:,} queries for each of {images:,} images"
        dear = f"; {self.ensembles} are AutoAttack's ensemble, the dearest where images do not fall"
        narrowed = "--conditions narrows a suite, --limit takes fewer images."
        return f"{self.attacks} attacks are to be made: {most}{dear if self.ensembles else ''}. {narrowed}"


def cost(attacks: Sequence[AttackId], restarts: int, queries: int, engines: int) -> Cost:
    """Of attacks on surrogates once, of black-box ones on each of `engines` engines, with so many queries an image."""
    gradients = asked = 0
    for attack in attacks:
        if attack.kind.blackbox:
            asked += queries * engines
        else:
            once = attack.name == "fgsm-linf"
            gradients += _GRADIENTS.get(attack.name, _ITERATED) * (1 if once else restarts)
            asked += _ENSEMBLE_QUERIES if _is_ensemble(attack) else 0
    return Cost(len(attacks), sum(map(_is_ensemble, attacks)), gradients, asked)


def _is_ensemble(attack: AttackId) -> bool:
    return attack.name.startswith("autoattack")

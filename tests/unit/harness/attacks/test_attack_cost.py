"""What attacks cost at most, told before they are made."""

from seatrial.harness.attacks.cost import cost
from seatrial.harness.attacks.ids import AttackId


def test_gradients_are_counted_once_and_queries_for_each_engine():
    asked = [AttackId("fgsm-linf", 2, "fp32"), AttackId("pgd-linf", 2, "qdq"), AttackId("square-linf", 8, None)]
    found = cost(asked, restarts=3, queries=100, engines=4)
    assert (found.gradients, found.queries, found.ensembles) == (1 + 3 * 20, 400, 0)
    assert "AutoAttack" not in found.told(500)
    found = cost([*asked, AttackId("autoattack-linf", 2, "fp32")], 1, 100, 4)
    assert (found.gradients, found.queries) == (21 + 1900, 5400)
    assert "1,921 gradients and 5,400 queries for each of 500 images; 1 are AutoAttack" in found.told(500)

"""Failures among many checks: against statsmodels, and by hand."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.together import together


def check(p, answer="fail"):
    return Check(name="recovery", target="t", answer=answer, says="s", p=p)


@pytest.mark.parametrize("seed", range(4))
def test_what_fails_is_what_statsmodels_rejects(seed):
    chances = np.random.default_rng(seed).beta(0.3, 10, 8)
    found = together([check(p) for p in chances.tolist()])
    assert [one.answer == "fail" for one in found] == multipletests(chances, 0.025, method="holm")[0].tolist()
    assert {one.answer for one in found} <= {"fail", "inconclusive"}


def test_one_alone_fails_and_one_of_many_is_open():
    assert together([check(0.02)])[0].answer == "fail"
    among = together([check(0.02), check(0.9, "pass"), check(0.5, "inconclusive")])
    assert [one.answer for one in among] == ["inconclusive", "pass", "inconclusive"]
    assert "of 3 checks" in among[0].says
    assert among[1].says == "s"


def test_checks_that_stand_for_themselves_stay():
    alone = Check(name="realized", target="t", answer="fail", says="s")
    assert together([alone, check(0.02), check(0.02)])[0] is alone

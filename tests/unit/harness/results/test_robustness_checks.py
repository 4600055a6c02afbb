"""What the gate makes of the blocks of attacks."""

import pytest

from seatrial.harness.results.checks.robustness import masking
from seatrial.harness.spec.gate import Limit


def one(status, needed=None):
    return {"name": status, "status": status, "says": "s", "missing": [], "needed": needed}


@pytest.mark.parametrize(
    ("checks", "answer", "needed"),
    [
        ([one("pass"), one("pass")], "pass", None),
        ([one("pass"), one("fail"), one("inconclusive", 90)], "fail", 90),
        ([one("pass"), one("inconclusive", 90), one("inconclusive", 70)], "inconclusive", 90),
        ([one("inconclusive", 90), one("not run")], "inconclusive", None),  # images alone would not do
    ],
)
def test_masked_gradients_are_ruled_out_where_every_check_could_have_failed(checks, answer, needed):
    block = {"targets": {"t": {"masking": {"verdict": "", "checks": checks}}}}
    found = masking("t", block, Limit(0.0, "no"))
    assert found.answer == answer
    assert found.needed == needed
    assert masking("t", None, Limit(0.0)) is masking("t", block, Limit(None)) is None

"""Checks of what was looked at: how the model is fed, its labels, its weights, calibration images, layers."""

import pytest

from seatrial.harness.findings.order import Order
from seatrial.harness.results.checks import found
from seatrial.harness.spec.gate import LIMITS, Limit

ASKED = {name: LIMITS[name].default for name in ("contract", "label_order", "weights", "calibration_images", "layers")}
NOTHING = Limit(None)


def reading(**changes):
    values = {"images": 200, "readings": 11, "declared_top1": 0.66, "other_top1": 0.785, "better": 33, "worse": 8}
    differing = {"color": {"declared": "bgr", "other": "rgb"}}
    return {**values, "wrong": True, "trusted": True, "differing": differing, **changes}


def test_another_reading_that_is_better_makes_the_run_anomalous():
    check = found.contract("t", reading(), ASKED["contract"])
    assert (check.answer, check.suspect, check.counts) == ("fail", True, True)
    assert "rgb in place of bgr" in check.says
    assert check.measured == pytest.approx(25 / 200)
    assert found.contract("t", reading(wrong=False), ASKED["contract"]).answer == "pass"
    assert found.contract("t", reading(better=9), ASKED["contract"]).answer == "pass"  # half a point
    assert not found.contract("t", reading(trusted=False), ASKED["contract"]).counts
    assert found.contract("t", {"failed": "scores are no numbers"}, ASKED["contract"]) is None
    assert found.contract("t", reading(), NOTHING) is None


def test_exchanged_classes_make_the_run_anomalous():
    order = Order(((3, 5), (5, 3)), better=40, worse=0, before=0.76, after=0.93, p=1e-9)
    check = found.label_order("t", order, 200, "cat and dog", ASKED["label_order"])
    assert (check.answer, check.suspect) == ("fail", True)
    assert "cat and dog: top-1 76.00% -> 93.00%" in check.says
    assert found.label_order("t", None, 200, "", ASKED["label_order"]).answer == "pass"
    assert found.label_order("t", order, 200, "cat and dog", Limit(20.0)).answer == "pass"
    assert found.label_order("t", order, 200, "cat and dog", NOTHING) is None


def channel(*, damaged):
    repaired = {"images": 32, "better": 20, "worse": 0, "p": 1e-5, "damaged": damaged}
    return {"node": "conv", "channel": 7, "ratio": 50.0, "deviations": 9.0, "repaired": repaired}


def test_broken_weights_make_the_run_anomalous_and_large_ones_do_not():
    check = found.weights("t", {"channels": [channel(damaged=True)], "dead": ["fc"]}, ASKED["weights"])
    assert (check.answer, check.suspect, check.measured) == ("fail", True, 2)
    assert "channel 7 of conv" in check.says
    assert "all weights of fc are zero" in check.says
    sound = {"channels": [channel(damaged=False)], "dead": []}
    assert found.weights("t", sound, ASKED["weights"]).answer == "pass"
    assert found.weights("t", {"channels": [], "dead": ["fc"]}, Limit(1.0)).answer == "pass"
    assert found.weights("t", sound, NOTHING) is None


@pytest.mark.parametrize(
    ("difference", "interval", "answer"),
    [
        (-5.3, (-5.7, -4.9), "fail"),
        (0.97, (0.8, 1.1), "fail"),
        (0.6, (0.4, 0.8), "inconclusive"),
        (0.3, (0.1, 0.5), "pass"),
        (0.0, (-0.1, 0.1), "pass"),
    ],
)
def test_calibration_images_unlike_the_tested_ones_fail_beyond_doubt(difference, interval, answer):
    one = {"statistic": "brightness", "first": 0.1, "second": 0.5, "difference": difference, "interval": interval}
    evidence = {"images": 200, "trusted": True, "differences": [one]}
    check = found.calibration_images("t", evidence, ASKED["calibration_images"])
    assert (check.answer, check.suspect, check.subject) == (answer, False, "brightness")
    assert not found.calibration_images("t", {**evidence, "trusted": False}, ASKED["calibration_images"]).counts
    assert found.calibration_images("t", {**evidence, "differences": []}, ASKED["calibration_images"]) is None
    assert found.calibration_images("t", evidence, NOTHING) is None


def compared(own, usual, unused=1.0, fewer=(0.0, 0.0)):
    """fewer: dB that fewer than 8 bits take of the step and of the usual one."""
    eased = own + fewer[0]
    apart = min(usual - own, usual + fewer[1] - eased)
    step = {"node": "conv3", "own_db": own, "at_8_bits_db": eased, "usual_db": usual, "apart_db": apart}
    return {
        "failed": None,
        "steps": [step],
        "images": 8,
        "unused": [{"node": "act", "share": unused}],
    }


@pytest.mark.parametrize(
    ("evidence", "answer"),
    [
        (compared(35.0, 45.0), "pass"),
        (compared(6.0, 45.0), "fail"),
        (compared(6.0, 14.0), "pass"),
        (compared(8.0, 40.0, fewer=(36.1, 0.0)), "pass"),  # one layer of 2 bits among those of 8
        (compared(24.0, 10.0, fewer=(0.0, 36.1)), "pass"),  # one of 8 bits among those of 2
        (compared(-30.0, 9.0, fewer=(36.1, 36.1)), "fail"),  # nothing is left, where 2 bits leave 9 dB
        (compared(20.0, 45.0), "pass"),
        (compared(35.0, 45.0, unused=0.05), "fail"),
    ],
)
def test_a_step_that_leaves_nothing_while_the_others_do_fails(evidence, answer):
    check = found.layers("t", evidence, ASKED["layers"])
    assert (check.answer, check.suspect, check.subject) == (answer, False, "conv3")
    assert found.layers("t", evidence, NOTHING) is None
    assert found.layers("t", {**evidence, "failed": "no values"}, ASKED["layers"]) is None


def test_evidence_of_a_run_that_knew_no_bits_is_judged_as_it_was():
    old = {"failed": None, "steps": [{"node": "conv3", "own_db": 6.0}], "usual_db": 45.0, "images": 8}
    assert found.layers("t", old, ASKED["layers"]).answer == "fail"
    assert found.layers("t", {**old, "usual_db": 14.0}, ASKED["layers"]).answer == "pass"

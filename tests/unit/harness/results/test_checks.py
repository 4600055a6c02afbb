"""What each check answers, and what it says."""

import numpy as np
import pytest

from seatrial.harness.metrics.image_means import ImageMeans
from seatrial.harness.metrics.paired import Differences, paired_interval
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.results.checks.accuracy import gain, negative_flips, recovery
from seatrial.harness.results.checks.costs import costs
from seatrial.harness.results.checks.families import Family, judge, of_classes
from seatrial.harness.results.checks.reference import reference
from seatrial.harness.results.checks.words import more
from seatrial.harness.results.evidence import names_of, reference_evidence
from seatrial.harness.spec.gate import LIMITS, Limit

T = "onnxruntime/int8@cpu"


def counted(worse, better, images):
    return Differences.counted(worse, better, images)


@pytest.mark.parametrize(
    ("worse", "better", "images", "answer"),
    [
        (30, 30, 10_000, "pass"),
        (0, 0, 10_000, "pass"),
        (200, 50, 10_000, "fail"),
        (100, 20, 10_000, "inconclusive"),
        (4, 0, 20, "inconclusive"),  # a fifth is lost, and yet it may be chance
        (0, 0, 1, "inconclusive"),
        (1, 0, 1, "inconclusive"),
        (0, 0, 100, "inconclusive"),
        (30, 0, 100, "fail"),
    ],
)
def test_recovery_passes_only_what_is_proven(worse, better, images, answer):
    check = recovery("recovery", T, "clean:", 0.9, counted(worse, better, images), Limit(99.0))
    assert check.answer == answer
    assert check.limit == pytest.approx(-0.009)
    assert check.interval == paired_interval(worse, better, images)
    assert (check.needed is None) == (answer != "inconclusive")
    assert ("would decide" in check.says) == (answer == "inconclusive")


def test_a_loss_that_was_accepted_before_is_seen():
    """80.0 -> 43.3 % of 60 images on one condition, with none on clean ones."""
    family = Family(
        "conditions", T, {"corruption/brightness@3": counted(23, 1, 60)}, Limit(5.0), "condition", "conditions"
    )
    (check,) = judge([family])
    assert (check.answer, check.subject, check.images) == ("fail", "corruption/brightness@3", 60)
    assert "-36.67 points" in check.says


def test_one_unlucky_condition_of_many_is_no_failure_and_one_of_few_is():
    unlucky = {"unlucky": counted(95, 15, 1000)}  # 8 points: alone beyond 5, beyond doubt
    same = {str(number): counted(20, 20, 1000) for number in range(75)}
    limit = Limit(5.0)
    (alone,) = judge([Family("conditions", T, unlucky, limit, "condition", "conditions")])
    families = [Family("conditions", str(t), {**same, **unlucky}, limit, "condition", "conditions") for t in range(6)]
    among = judge(families)
    assert alone.answer == "fail"
    assert {check.answer for check in among} == {"inconclusive"}
    assert all("1 of 76 conditions may lose more than 5 points" in check.says for check in among)
    assert all(check.subject == "unlucky" for check in among)


def test_all_must_lie_within_to_pass():
    inside = {str(number): counted(20, 20, 1000) for number in range(75)}
    (check,) = judge([Family("conditions", T, inside, Limit(5.0), "condition", "conditions")])
    assert check.answer == "pass"
    assert "none of 75 conditions loses more than 5 points" in check.says


def test_classes_of_too_few_images_are_left_out_and_counted():
    members = {"many": counted(40, 0, 50), **{str(number): counted(1, 0, 1) for number in range(199)}}
    family = of_classes(Family("classes", T, members, Limit(10.0, "failures"), "class", "classes", prefix="class "))
    assert list(family.members) == ["many"]
    (check,) = judge([family])
    assert (check.answer, check.counts) == ("fail", True)
    assert "class many -80.00 points" in check.says
    assert "1 class (199 more have too few images to be judged)" in check.says
    few = of_classes(Family("classes", T, {"a": counted(1, 0, 1)}, Limit(10.0), "class", "classes"))
    assert judge([few]) == []


def test_a_check_without_a_limit_is_not_asked():
    assert judge([Family("conditions", T, {"a": counted(9, 0, 9)}, Limit(None), "condition", "conditions")]) == []
    figures = {"latency": {}, "energy": None, "speedup": None, "engine_bytes": 1, "memory_bytes": 1}
    limits = {name: LIMITS[name].default for name in LIMITS if name in ("latency_p99", "speed_up", "size", "memory")}
    assert costs(T, figures, limits) == []


def test_an_implausible_gain_makes_the_run_anomalous_and_a_small_one_does_not():
    big, small, few = (
        gain(T, "clean:", counted(*c), Limit(2.0, "failures")) for c in ((5, 80, 1000), (9, 12, 1000), (0, 1, 20))
    )
    assert (big.answer, big.suspect, big.counts) == ("fail", True, True)
    assert small.answer == "pass"
    assert (few.answer, few.counts) == ("inconclusive", False)


def test_negative_flips():
    assert negative_flips(T, 10, 1000, Limit(5.0)).answer == "pass"
    assert negative_flips(T, 90, 1000, Limit(5.0)).answer == "fail"
    check = negative_flips(T, 0, 20, Limit(5.0))
    assert (check.answer, check.images) == ("inconclusive", 20)
    assert check.needed > 20


def rows(labels, top1):
    top = np.stack([top1, (np.array(top1) + 1) % 10], 1).astype(np.int32)
    half = np.full(len(top), 0.5, np.float32)
    return Predictions(np.array(labels, np.int32), top, half, half)


def test_the_reference_must_beat_the_commonest_class():
    labels = np.arange(300) % 3
    limit = Limit(5.0)

    def answer(labels, top1):
        found = rows(labels, top1)
        return reference("r", float(found.correct.mean()), reference_evidence(found), limit)

    assert answer(labels, labels).answer == "pass"
    constant = answer(labels, np.zeros(300, int))
    assert (constant.answer, constant.suspect) == ("fail", True)
    assert "one class to all 300 images" in constant.says
    assert answer(labels, (labels + 1) % 3).answer == "fail"
    assert answer(labels[:4], labels[:4]).answer == "inconclusive"
    rare = np.zeros(3000, int)
    rare[:60] = 1  # 98 % of the images are of one class, and the model knows most of the others
    found = rare.copy()
    found[:10] = 0
    assert answer(rare, found).answer == "pass"
    one = answer(np.zeros(100, int), np.zeros(100, int))
    assert one.answer == "inconclusive"
    assert "one label" in one.says


def test_chance_on_images_of_one_each_is_caught():
    labels = np.arange(200)
    found = rows(labels, (labels + 7) % 200)
    assert reference("r", 0.0, reference_evidence(found), Limit(5.0)).answer == "fail"


def test_means_over_conditions_are_judged_with_the_image_as_the_unit():
    rng = np.random.default_rng(0)
    base = rng.random(200) < 0.8
    target = base & (rng.random(200) > 0.03)
    means = ImageMeans(200)
    for _ in range(75):  # 75 times the same answers: no more is known than from one
        means.add(target, base)
    one = ImageMeans(200)
    one.add(target, base)
    assert means.differences.interval() == pytest.approx(one.differences.interval())


@pytest.mark.parametrize(
    ("name", "limit", "answer"),
    [
        ("size", 2.0, "pass"),
        ("size", 1.0, "fail"),
        ("memory", 100.0, "pass"),
        ("memory", 1.0, "fail"),
        ("speed_up", 1.5, "pass"),
        ("speed_up", 3.0, "fail"),
        ("speed_up", 2.0, "inconclusive"),
    ],
)
def test_costs(name, limit, answer):
    figures = {
        "latency": {},
        "speedup": {"ratio": 2.0, "ci95": [1.8, 2.2]},
        "engine_bytes": 1_500_000,
        "memory_bytes": 50 << 20,
    }
    (check,) = costs(T, figures, {name: Limit(limit)})
    assert check.answer == answer
    (unknown,) = costs(T, {**figures, "memory_bytes": None}, {"memory": Limit(1.0)})
    assert unknown.answer == "inconclusive"


def test_how_many_would_decide_is_rounded_as_it_is_known():
    assert more(200, 2287) == "200 images; about 2,300 would decide"
    assert more(20, 97) == "20 images; about 97 would decide"
    assert "at the limit" in more(20, None)


def test_classes_of_the_same_name_can_be_told_apart():
    assert names_of(["crane", "crane", "dog"], {0: 0, 1: 0, 2: 0, 3: 0}) == {
        0: "crane (0)",
        1: "crane (1)",
        2: "dog",
        3: "3",
    }
    assert names_of(None, {4: 0}) == {4: "4"}

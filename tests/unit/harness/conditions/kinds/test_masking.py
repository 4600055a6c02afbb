"""Masked gradients: each check is failed by what it is to find, passed by an honest target, and names what it lacks.

The figures are counted and tested with SciPy.
"""

import re

import numpy as np
import pytest
from scipy.stats import norm
from test_attack_metrics import INT8, REFERENCE, described, known, predictions

from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.metrics.accuracy import wilson_interval
from seatrial.harness.metrics.masking import (
    RULED_OUT,
    Finding,
    Trial,
    falls_to_zero,
    gradients_beat_queries,
    gradients_not_zero,
    own_gradients_beat_transfer,
    scale_does_not_matter,
    steps_beat_one,
    verdict,
)

IMAGES = 1000
FILES = {REFERENCE: "fp32", INT8: "qdq"}
CHECKS = (
    "accuracy falls to zero as eps grows",
    "many steps beat one",
    "own gradients beat the source's",
    "gradients beat queries",
    "gradients are not zero",
    "the scale of logits does not matter",
)
# Right answers of 1000 under each attack, for an honest target: made on its own file, as on its own copy.
HONEST = {
    "attack/fgsm-linf@2": 500,
    "attack/fgsm-linf@8": 300,
    "attack/pgd-linf@2": 400,
    "attack/pgd-linf@8": 100,
    "attack/pgd-linf@64": 5,
    "attack/pgd-scaled-linf@2": 405,
    "attack/square-linf@8": 250,
}
# Images that the source made spare int8 some more.
TRANSFERRED = 50


def first(count):
    return np.arange(IMAGES) < count


def spelled(name, surrogate):
    if "square" in name:
        return name.replace("attack/", "blackbox/")
    return name if surrogate == "fp32" else f"{name}+{surrogate}"


def make(right=HONEST, *, copy=None, zero=0, transferred=TRANSFERRED, leave_out=()):
    """The block of an honest run, but for what is said of int8. right: the target's answers on its own file's images;
    copy: those of the differentiated copy where they differ; zero: images without a gradient.
    """
    answers = {target: {"clean": predictions(first(900))} for target in FILES}
    rows = {}
    for name in HONEST:
        for surrogate in ("fp32",) if "square" in name else ("fp32", "qdq"):
            condition = spelled(name, surrogate)
            if condition in leave_out:
                continue
            own = {REFERENCE: HONEST[name], INT8: right[name]}
            if surrogate == "qdq":
                own[REFERENCE] = HONEST[name] + TRANSFERRED
                says = {**right, **(copy or {})}[name]
                rows[None, condition] = known(first(900), first(says), zero=first(zero))
            elif "square" not in name:
                own[INT8] = right[name] + transferred
                rows[None, condition] = known(first(900), first(HONEST[name]))
            for target in FILES:
                answers[target][condition] = predictions(first(own[target]))
                rows[target, condition] = known(first(900), first(own[target]))
    return described(answers, rows, FILES)


def checks(block, target=INT8):
    return {check["name"]: check for check in block["targets"][target]["masking"]["checks"]}


def failed(block, target=INT8):
    return [name for name, check in checks(block, target).items() if check["status"] == "fail"]


def test_an_honest_run_passes_every_check():
    block = make()
    assert tuple(checks(block)) == CHECKS
    for target in FILES:
        masking = block["targets"][target]["masking"]
        assert masking["verdict"] == "pass"
        for check in masking["checks"]:
            assert check["status"] == "pass"
            assert check["missing"] == []
            assert re.search(r"\d.*[.]$", check["says"])


def test_the_source_is_not_compared_with_itself():
    assert tuple(checks(make(), REFERENCE)) == tuple(name for name in CHECKS if name != CHECKS[2])


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"right": {**HONEST, "attack/pgd-linf@64": 25}}, 0, r"64/255 leaves 2.50 % right \(25 of 1000\)"),
        ({"copy": {"attack/pgd-linf@64": 900}}, 0, r"90.00 %"),
        ({"copy": {"attack/fgsm-linf@8": 85, "attack/pgd-linf@8": 100}}, 1, r"At 8/255 on its differentiated copy"),
        ({"right": {**HONEST, "attack/fgsm-linf@2": 380}}, 1, r"2/255 on the target PGD leaves 40.00 %.*FGSM 38.00 %"),
        ({"transferred": -20}, 2, r"At 2/255 PGD on its own file leaves 40.00 % right, PGD on fp32 38.00 %"),
        ({"right": {**HONEST, "attack/square-linf@8": 80}}, 3, r"own file leaves 10.00 % right, Square 8.00 %"),
        ({"zero": 25}, 4, r"2.50 % of the images have no gradient \(25 of 1000\)"),
        (
            {"right": {**HONEST, "attack/pgd-scaled-linf@2": 380}},
            5,
            r"PGD on scaled logits 38.00 % \(one-sided p < 0.00",
        ),
    ],
)
def test_each_kind_of_masking_is_found(change, name, says):
    block = make(**change)
    found = checks(block)[CHECKS[name]]
    assert CHECKS[name] in failed(block)
    assert re.search(says, found["says"])
    assert block["targets"][INT8]["masking"]["verdict"] == "fail"
    assert block["targets"][INT8]["conditions"]["attack/pgd-linf@2+qdq"]["masking"] == "fail"
    assert block["targets"][REFERENCE]["masking"]["verdict"] == "pass"


@pytest.mark.parametrize(
    "change",
    [
        {"right": {**HONEST, "attack/pgd-linf@64": 10}},
        {"zero": 10},
        {"right": {**HONEST, "attack/fgsm-linf@2": 396}},  # four images to none: p = 0.0625
        {"transferred": -4},
        {"right": {**HONEST, "attack/square-linf@8": 96}},
        {"right": {**HONEST, "attack/pgd-scaled-linf@2": 396}},
    ],
)
def test_what_may_be_chance_is_none(change):
    assert failed(make(**change)) == []


def test_a_strength_that_fails_fails_the_check_and_is_named():
    found = checks(make(right={**HONEST, "attack/fgsm-linf@2": 380}))[CHECKS[1]]["says"]
    assert "2/255" in found
    assert "8/255" not in found
    both = checks(make(right={**HONEST, "attack/fgsm-linf@2": 380, "attack/fgsm-linf@8": 50}))[CHECKS[1]]["says"]
    assert "2/255" in both
    assert "8/255" in both


def test_the_copy_answers_where_gradients_are_judged_and_the_target_where_targets_are():
    """A runtime that deviates from its file: PGD leaves the copy nothing, and the target much."""
    block = make(right={**HONEST, "attack/pgd-linf@64": 500}, copy={"attack/pgd-linf@64": 5})
    assert failed(block) == []
    assert failed(make(copy={"attack/pgd-scaled-linf@2": 300})) == [CHECKS[5]]
    assert failed(make(right={**HONEST, "attack/pgd-scaled-linf@2": 300}, copy={"attack/pgd-scaled-linf@2": 400})) == []


def test_queries_are_compared_with_the_worst_of_all_attacks_image_by_image():
    """Each of two attacks spares half of what the other hits; together they hit all that Square does."""
    rng = np.random.default_rng(0)
    one, other = rng.random(IMAGES) < 0.5, rng.random(IMAGES) < 0.5
    answers = {target: {"clean": predictions(first(900))} for target in FILES}
    rows = {}
    given = {"attack/pgd-linf@8+qdq": one, "attack/fgsm-linf@8+qdq": other, "blackbox/square-linf@8": one & other}
    for name, right in given.items():
        for target in FILES:
            answers[target][name] = predictions(right)
            rows[target, name] = known(first(900), right)
    assert checks(described(answers, rows, FILES))[CHECKS[3]]["status"] == "pass"
    for target in FILES:
        del answers[target]["attack/fgsm-linf@8+qdq"]
    assert checks(described(answers, rows, FILES))[CHECKS[3]]["status"] == "fail"


@pytest.mark.parametrize(
    ("leave_out", "name", "missing"),
    [
        (["attack/pgd-linf@64+qdq"], 0, ["attack/pgd-linf@64+qdq"]),
        (["attack/fgsm-linf@2+qdq", "attack/fgsm-linf@8+qdq"], 1, ["attack/fgsm-linf@8+qdq"]),
        ([f"attack/pgd-linf@{eps}" for eps in (2, 8, 64)], 2, ["attack/pgd-linf@8"]),
        (["blackbox/square-linf@8"], 3, ["blackbox/square-linf@8"]),
        (["attack/pgd-scaled-linf@2+qdq"], 5, ["attack/pgd-scaled-linf@2+qdq"]),
        (["attack/fgsm-linf@8+qdq", "attack/pgd-linf@8+qdq"], 3, ["attack/pgd-linf@8+qdq"]),
    ],
)
def test_a_check_that_was_not_run_says_what_to_add(leave_out, name, missing):
    block = make(leave_out=leave_out)
    found = checks(block)[CHECKS[name]]
    assert found["status"] == "not run"
    assert found["missing"] == missing
    assert all(one in found["says"] for one in missing)
    assert block["targets"][INT8]["masking"]["verdict"] == "incomplete"
    assert failed(block) == []
    ids = {spelled(one, surrogate) for one in HONEST for surrogate in ("fp32", "qdq")}
    assert set(missing) <= ids


def test_what_is_asked_for_makes_the_check_run():
    """From one condition alone, adding what is missing leads to a verdict."""
    answers = {target: {"clean": predictions(first(900))} for target in FILES}
    rows = {}

    def add(name):
        parse_attack(name)
        for target in FILES:
            answers[target][name] = predictions(first(5))
            rows[target, name] = known(first(900), first(5))

    add("attack/pgd-l2@2")
    for _ in range(2):
        for target in FILES:
            for check in checks(described(answers, rows, FILES), target).values():
                assert check["status"] == "not run" or not check["missing"]
                for name in check["missing"]:
                    add(name)
    for target in FILES:
        assert described(answers, rows, FILES)["targets"][target]["masking"]["verdict"] == "pass"


@pytest.mark.parametrize("engine", ["ort", "ov"])
def test_files_of_several_quantized_targets_are_named_in_full(engine):
    files = {REFERENCE: "fp32", "ort/int8@cpu": "qdq-ort-int8", "ov/int8@cpu": "qdq-ov-int8"}
    answers = {target: {name: predictions(first(500)) for name in ("clean", "attack/pgd-linf@2")} for target in files}
    rows = {(REFERENCE, "attack/pgd-linf@2"): known(first(500), first(500))}
    found = checks(described(answers, rows, files), f"{engine}/int8@cpu")
    assert found[CHECKS[0]]["missing"] == [f"attack/pgd-linf@64+qdq-{engine}-int8"]
    assert found[CHECKS[2]]["missing"] == [f"attack/pgd-linf@2+qdq-{engine}-int8"]


def test_a_large_enough_eps_is_needed_to_see_accuracy_fall():
    assert falls_to_zero({8.0: first(0)}, ["x"]).status == "not run"
    assert falls_to_zero({8.0: first(900), 32.0: first(10)}).status == "pass"
    assert falls_to_zero({32.0: first(0), 64.0: first(25)}).status == "fail"  # the largest counts
    assert falls_to_zero({}, ["x"]).missing == ("x",)


@pytest.mark.parametrize(
    "check", [steps_beat_one, own_gradients_beat_transfer, gradients_beat_queries, scale_does_not_matter]
)
def test_pairs_of_attacks_are_tested_one_sided(check):
    assert check([Trial("8/255", first(100), first(500))]).status == "pass"  # the stronger is stronger
    assert check([Trial("8/255", first(111), first(100))]).status == "fail"  # 1.1 points
    assert check([Trial("8/255", first(110), first(100))]).status == "pass"  # one: beyond chance, and next to nothing
    few = np.arange(100)  # of 100 images four to none has p = 0.050, three to none 0.090
    assert check([Trial("8/255", few < 10, few < 6)]).status == "fail"
    assert check([Trial("8/255", few < 10, few < 7)]).status == "inconclusive"  # three points lost may be seven
    honest = Trial("2/255", few < 10, few < 50)
    assert check([Trial("8/255", few < 10, few < 6), honest]).status == "inconclusive"  # two comparisons share the 5 %
    assert check([Trial("8/255", few < 10, few < 3), honest]).status == "fail"  # 0.009
    assert check([Trial("8/255", first(1), first(9)), Trial("2/255", first(100), first(9))]).status == "fail"
    assert "2 comparisons" in check([Trial("8/255", first(1), first(9)), Trial("2/255", first(9), first(9))]).says
    with pytest.raises(ValueError, match="same length"):
        check([Trial("8/255", first(1), first(1)[:3])])


@pytest.mark.parametrize(
    "check", [steps_beat_one, own_gradients_beat_transfer, gradients_beat_queries, scale_does_not_matter]
)
def test_a_check_that_could_not_have_failed_does_not_pass(check):
    """Of four images none differs: no more than if all of the gradients were masked."""
    few = np.zeros(4, bool)
    found = check([Trial("8/255", few, few)])
    assert found.status == "inconclusive"
    assert f"{found.needed} would do" in found.says
    enough = np.zeros(found.needed, bool)
    assert check([Trial("8/255", enough, enough)]).status == "pass"
    assert check([Trial("8/255", enough[1:], enough[1:])]).status == "inconclusive"
    if found.needed is not None:
        assert check([Trial("8/255", few, few)] * 5).needed > found.needed  # five comparisons share the 5 %


@pytest.mark.parametrize("check", [lambda right: falls_to_zero({64.0: right}), gradients_not_zero])
def test_shares_of_few_images_pass_nothing(check):
    few = np.zeros(4, bool)
    found = check(few)
    assert found.status == "inconclusive"
    # Wilson's upper end of none of N is z^2 / (N + z^2).
    assert found.needed == np.ceil(norm.isf(0.025) ** 2 * (1 / RULED_OUT - 1))
    assert check(np.zeros(found.needed, bool)).status == "pass"
    assert check(np.zeros(found.needed - 1, bool)).status == "inconclusive"
    between = check(first(15))  # 1.5 %: neither above 1 % beyond doubt nor below
    assert between.status == "inconclusive"
    low, high = wilson_interval(round(0.015 * between.needed), between.needed)
    assert low == pytest.approx(0.01, abs=5e-4)
    assert high < 0.05


def test_gradients_that_were_not_taken_are_not_judged():
    assert gradients_not_zero(None, ["x"]).status == "not run"
    assert gradients_not_zero(first(0)).status == "pass"


def test_the_verdict_needs_every_check():
    good, bad, none = (Finding("a", status, "") for status in ("pass", "fail", "not run"))
    assert verdict([good, good]) == "pass"
    assert verdict([good, none]) == verdict([]) == verdict([none]) == "incomplete"
    assert verdict([good, none, bad]) == "fail"

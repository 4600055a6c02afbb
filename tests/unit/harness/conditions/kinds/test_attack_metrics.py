"""What is left under attack: against counting image by image, and resampling image by image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.attacks.rows import AttackRows
from seatrial.harness.conditions.kinds.attack.block import describe_attacks
from seatrial.harness.metrics.attack import (
    conditional_accuracy,
    conditional_difference,
    evasion,
    query_counts,
    rate,
    transfer_rate,
    worst_case,
)
from seatrial.harness.metrics.paired import compare
from seatrial.harness.records.predictions import Predictions

REFERENCE, INT8, OTHER = "ort/fp32@cpu", "ort/int8@cpu", "ov/fp32@cpu"
FILES = {REFERENCE: "fp32", INT8: "qdq", OTHER: "fp32"}
IDS = (
    "attack/fgsm-linf@0.5",
    "attack/fgsm-linf@2",
    "attack/fgsm-linf@2+qdq",
    "attack/pgd-linf@2",
    "attack/pgd-linf@2+qdq",
    "attack/pgd-linf@8",
    "attack/pgd-linf@8+qdq",
    "attack/pgd-linf@2+resnet56",
    "attack/pgd-l2@0.5+qdq",
    "attack/diva-linf@8+qdq",
    "attack/pgd-scaled-linf@2+qdq",
    "blackbox/square-linf@8",
)


def predictions(correct):
    """Rows that are right where `correct` is."""
    correct = np.asarray(correct)
    zeros = np.zeros(len(correct), np.float32)
    return Predictions(
        np.zeros(len(correct), np.int32), np.where(correct, 0, 1).astype(np.int32)[:, None], zeros, zeros
    )


def known(clean, correct, *, distance=1.0, zero=None, queries=None):
    """Rows of adversarial images."""
    clean, correct = np.asarray(clean), np.asarray(correct)
    return AttackRows(
        clean,
        correct,
        np.full(len(clean), distance, np.float32),
        np.zeros(len(clean), bool) if zero is None else zero,
        np.zeros(len(clean), np.int32) if queries is None else queries,
    )


def random_world(images=400, seed=0, ids=IDS, files=FILES):
    """Answers and rows that follow no rule: answers[target][condition], rows[target or None, condition]."""
    rng = np.random.default_rng(seed)
    surrogates = {name: rng.random(images) < 0.85 for name in ("fp32", "qdq", "resnet56")}
    answers, rows = {}, {}
    for target in files:
        answers[target] = {"clean": predictions(rng.random(images) < 0.9)}
        for name in ids:
            answers[target][name] = predictions(rng.random(images) < rng.uniform(0.2, 0.7))
    for name in ids:
        surrogate = parse_attack(name).surrogate
        if surrogate is not None:
            rows[None, name] = known(surrogates[surrogate], rng.random(images) < 0.3, distance=rng.random())
            continue
        for target, own in answers.items():
            counts = rng.integers(1, 900, images).astype(np.int32)
            rows[target, name] = known(own["clean"].correct, own[name].correct, queries=counts, distance=7)
    return answers, rows


def reading(rows):
    return lambda target, name: rows[None, name] if (None, name) in rows else rows[target, name]


def described(answers, rows, files=FILES):
    return describe_attacks(answers, reading(rows), REFERENCE, files)


@pytest.fixture(scope="module")
def world():
    return random_world()


@pytest.fixture(scope="module")
def block(world):
    return described(*world)


def counted(hits, among):
    """(share, images), one image after the other."""
    total = found = 0
    for hit, counts in zip(hits, among, strict=True):
        if counts:
            total += 1
            found += bool(hit)
    return found / total, total


def agrees(figures, share, total):
    assert figures["rate"] == pytest.approx(share)
    assert figures["images"] == total
    interval = binomtest(round(share * total), total).proportion_ci(method="wilson")
    assert figures["ci95"] == pytest.approx([interval.low, interval.high])


@pytest.mark.parametrize("target", FILES)
@pytest.mark.parametrize("name", IDS)
def test_accuracy_under_attack_is_that_of_counting(world, block, target, name):
    answers, _ = world
    right, clean = answers[target][name].correct.tolist(), answers[target]["clean"].correct.tolist()
    found = block["targets"][target]["conditions"][name]
    assert found["top1"] == pytest.approx(sum(right) / len(right))
    interval = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    assert found["top1_ci95"] == pytest.approx([interval.low, interval.high])
    agrees(found["ar"], *counted(right, clean))
    assert found["white_box"] == (parse_attack(name).surrogate == FILES[target])


@pytest.mark.parametrize("name", [name for name in IDS if name.startswith("attack/")])
def test_transfer_is_among_the_images_that_surrogate_and_target_get_right(world, block, name):
    answers, rows = world
    known_rows = rows[None, name]
    for target in FILES:
        clean, right = answers[target]["clean"].correct, answers[target][name].correct
        both = [a and b for a, b in zip(known_rows.clean_correct, clean, strict=True)]
        agrees(block["targets"][target]["conditions"][name]["transfer"], *counted([not one for one in right], both))
    wrong = [not one for one in known_rows.correct]
    agrees(block["conditions"][name]["surrogate_fooled"], *counted(wrong, known_rows.clean_correct))
    assert block["conditions"][name]["surrogate_top1"] == pytest.approx(known_rows.correct.mean())


def test_evasion_is_the_target_wrong_and_the_reference_still_right(world, block):
    answers, _ = world
    name = "attack/diva-linf@8+qdq"
    found = block["targets"][INT8]["conditions"][name]["evasion"]
    four = [answers[target][one].correct for target in (INT8, REFERENCE) for one in ("clean", name)]
    evasive, noticed, both = [], [], []
    for clean, right, reference_clean, reference in zip(*four, strict=True):
        both.append(clean and reference_clean)
        evasive.append(not right and reference)
        noticed.append(not right and not reference)
    agrees(found["evasive"], *counted(evasive, both))
    agrees(found["noticed"], *counted(noticed, both))
    assert block["targets"][REFERENCE]["conditions"][name]["evasion"] is None


def test_an_image_found_by_queries_belongs_to_one_target(block):
    """So there is nothing to transfer, and nobody else to notice it."""
    for target in block["targets"].values():
        found = target["conditions"]["blackbox/square-linf@8"]
        assert found["transfer"] is found["evasion"] is None
        assert found["distance_max"] == 7
        assert not found["white_box"]
    assert block["conditions"]["blackbox/square-linf@8"]["surrogate_fooled"] is None
    assert block["conditions"]["blackbox/square-linf@8"]["surrogate"] is None


def test_queries_are_counted_where_there_was_something_to_attack(world, block):
    answers, rows = world
    name = "blackbox/square-linf@8"
    for target in FILES:
        attacked, fell = [], []
        clean, right = answers[target]["clean"].correct, answers[target][name].correct
        for spent, before, after in zip(rows[target, name].queries.tolist(), clean, right, strict=True):
            if before:
                attacked.append(spent)
                if not after:
                    fell.append(spent)
        found = block["targets"][target]["conditions"][name]["queries"]
        for values, one in ((attacked, found["attacked"]), (fell, found["successful"])):
            assert one["images"] == len(values)
            assert (one["median"], one["mean"], one["max"]) == pytest.approx(
                (np.median(values), sum(values) / len(values), max(values))
            )
        assert block["targets"][target]["conditions"]["attack/pgd-linf@2"]["queries"] is None


def test_the_difference_of_robust_accuracy_is_that_of_any_condition(world, block):
    answers, _ = world
    for name in IDS:
        mine, base = answers[INT8][name], answers[REFERENCE][name]
        expected = compare(mine.correct, base.correct, mine.top1 == base.top1)
        found = block["targets"][INT8]["conditions"][name]["vs_reference"]
        assert found["delta"] == expected.delta
        assert found["ci95"] == list(expected.ci95)
        assert found["p"] == expected.p
        assert block["targets"][REFERENCE]["conditions"][name]["vs_reference"] is None


GROUPS = {
    ("linf", 0.5): ["attack/fgsm-linf@0.5"],
    ("linf", 2): [name for name in IDS if "@2" in name],
    ("linf", 8): [name for name in IDS if "@8" in name],
    ("l2", 0.5): ["attack/pgd-l2@0.5+qdq"],
    (None, None): list(IDS),
}


@pytest.mark.parametrize("target", FILES)
def test_the_worst_case_is_right_under_every_attack_of_a_group(world, block, target):
    answers, _ = world
    rows = block["targets"][target]["wcar"]
    assert [(row["norm"], row["eps"]) for row in rows] == list(GROUPS)
    clean = answers[target]["clean"].correct.tolist()
    for row in rows:
        names = GROUPS[row["norm"], row["eps"]]
        chosen = {
            "all": names,
            "white_box": [name for name in names if parse_attack(name).surrogate == FILES[target]],
            "transfer": [name for name in names if parse_attack(name).surrogate == "fp32" and FILES[target] != "fp32"],
        }
        for view, ids in chosen.items():
            if not ids:
                assert row[view] is None
                continue
            assert row[view]["attacks"] == ids
            columns = [answers[target][name].correct.tolist() for name in ids]
            agrees(row[view], *counted([all(one) for one in zip(*columns, strict=True)], clean))


def test_attacks_of_the_masking_checks_count_in_the_worst_case(block):
    row = block["targets"][INT8]["wcar"][1]
    assert "attack/pgd-scaled-linf@2+qdq" in row["white_box"]["attacks"]


def test_conditions_say_what_they_are(block):
    found = block["conditions"]["attack/fgsm-linf@0.5"]
    assert (found["attack"], found["norm"], found["eps"], found["surrogate"]) == ("fgsm-linf", "linf", 0.5, "fp32")
    assert found["eight_bit"] is False
    assert found["check"] is False
    assert block["conditions"]["attack/pgd-scaled-linf@2+qdq"]["check"] is True
    assert block["conditions"]["attack/pgd-l2@0.5+qdq"]["eight_bit"] is True
    assert list(block["conditions"]) == list(IDS)


def test_the_verdict_stands_beside_every_figure(block):
    for target in block["targets"].values():
        worth = target["masking"]["verdict"]
        assert worth in ("pass", "fail", "incomplete", "inconclusive")
        for row in (*target["conditions"].values(), *target["wcar"], *target["crossings"]):
            assert row["masking"] == worth
    assert block["targets"][INT8]["crossings"]


def test_the_interval_of_the_difference_of_ar_is_that_of_all_four_answers_resampled_together():
    rng = np.random.default_rng(4)
    images = 500
    hardness = rng.random(images)  # so that the four depend on each other
    clean, attacked, reference_clean, reference = (
        hardness + rng.normal(0, 0.1, images) < level for level in (0.8, 0.4, 0.85, 0.3)
    )
    found = conditional_difference(clean, attacked, reference_clean, reference)
    assert found.delta == pytest.approx(attacked[clean].mean() - reference[reference_clean].mean())
    chosen = rng.integers(0, images, (20_000, images))
    ar = (clean & attacked)[chosen].sum(1) / clean[chosen].sum(1)
    ar -= (reference_clean & reference)[chosen].sum(1) / reference_clean[chosen].sum(1)
    assert found.ci95 == pytest.approx(tuple(np.percentile(ar, (2.5, 97.5))), abs=0.008)


def test_without_errors_before_the_attack_the_difference_of_ar_is_the_paired_one():
    rng = np.random.default_rng(8)
    all_right, attacked, reference = np.ones(40, bool), rng.random(40) < 0.5, rng.random(40) < 0.7
    found = conditional_difference(all_right, attacked, all_right, reference)
    expected = compare(attacked, reference, attacked == reference)
    assert found.delta == pytest.approx(expected.delta)
    assert found.ci95 == pytest.approx(expected.ci95)
    low, high = conditional_difference(all_right, attacked, all_right, attacked).ci95
    assert low == -high < 0  # no image differs, and yet a doubt is left


def test_the_interval_of_the_difference_of_ar_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(6)
    inside = 0
    for _ in range(1000):
        hardness = rng.random(300)
        clean, base_clean = hardness < 0.8, hardness < 0.9
        low, high = conditional_difference(clean, hardness < 0.4, base_clean, hardness < 0.3).ci95
        inside += low <= 0.4 / 0.8 - 0.3 / 0.9 <= high
    assert 0.935 <= inside / 1000 <= 0.985


def test_a_target_that_gets_nothing_right_has_no_ar():
    no, yes = np.zeros(5, bool), np.ones(5, bool)
    assert conditional_accuracy(no, yes) is None
    assert conditional_difference(no, yes, yes, yes) is None
    assert conditional_difference(yes, yes, no, yes) is None
    assert transfer_rate(yes, no, yes) is None
    assert evasion(yes, no, no, yes) is None
    assert query_counts(np.ones(5, np.int32), no) is None
    answers, rows = random_world(images=30)
    answers[INT8]["clean"] = predictions(np.zeros(30, bool))
    found = described(answers, rows)["targets"][INT8]
    assert found["conditions"]["attack/pgd-linf@2"]["ar"] is None
    assert found["conditions"]["attack/pgd-linf@2"]["vs_reference"]["ar"] is None
    assert found["wcar"][0]["all"] is None


@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=40))
def test_ratios_fit_together(images):
    clean, attacked, reference_clean, reference = (np.array(column) for column in zip(*images, strict=True))
    both = evasion(clean, attacked, reference_clean, reference)
    if both is not None:
        fooled = rate(~attacked, clean & reference_clean)
        assert both.evasive.rate + both.noticed.rate == pytest.approx(fooled.rate)
    worst, single = worst_case(clean, [attacked, reference]), conditional_accuracy(clean, attacked)
    assert worst is None or worst.rate <= single.rate
    found = conditional_difference(clean, attacked, reference_clean, reference)
    if found is not None:
        other = conditional_accuracy(reference_clean, reference)
        assert found.delta == pytest.approx(single.rate - other.rate)
        assert found.ci95[0] <= found.ci95[1]


def test_arrays_must_be_of_the_same_images():
    yes = np.ones(3, bool)
    with pytest.raises(ValueError, match="same length"):
        rate(yes, yes[:2])
    with pytest.raises(ValueError, match="same length"):
        rate(yes[:0], yes[:0])
    with pytest.raises(ValueError, match="same length"):
        conditional_difference(yes, yes, yes, yes[:1])
    with pytest.raises(ValueError, match="no attack"):
        worst_case(yes, [])


def test_a_run_without_attacks_has_no_block():
    answers, _ = random_world(images=5, ids=())
    assert describe_attacks(answers, lambda *_: pytest.fail("nothing to read"), REFERENCE, FILES) is None


def test_rows_are_read_once_and_of_made_images_for_all_targets_together(world):
    answers, rows = world
    asked, told = [], []

    class Reading(dict):
        def __getitem__(self, name):
            asked.append((id(self), name))
            return super().__getitem__(name)

    def read(target, name):
        told.append((target, name))
        return reading(rows)(target, name)

    describe_attacks({target: Reading(own) for target, own in answers.items()}, read, REFERENCE, FILES)
    assert len(asked) == len(set(asked)) == len(FILES) * (len(IDS) + 1)
    assert len(told) == len(IDS) - 1 + len(FILES)
    assert {target for target, name in told if name.startswith("attack/")} == {REFERENCE}
    names = [name for _, name in asked if name != "clean"]
    assert names == sorted(names, key=names.index)


def test_a_target_that_could_not_answer_lacks_the_figures(world):
    answers, rows = world
    short = {**answers, INT8: {name: one for name, one in answers[INT8].items() if "pgd-linf@2" not in name}}
    found = described(short, rows)["targets"][INT8]
    assert "attack/pgd-linf@2+qdq" not in found["conditions"]
    assert "attack/pgd-linf@8+qdq" in found["conditions"]
    lacking = {target: dict(own) for target, own in answers.items()}
    del lacking[REFERENCE]["attack/diva-linf@8+qdq"]
    found = described(lacking, rows)["targets"][INT8]["conditions"]["attack/diva-linf@8+qdq"]
    assert found["vs_reference"] is found["evasion"] is None

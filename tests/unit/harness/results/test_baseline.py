"""A run against the one before: paired by image, judged, and refused where nothing can be compared."""

import json

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import SquareTable

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.command import parse
from seatrial.harness.progress import Silent
from seatrial.harness.records.checked import write_values
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.trials import About, write_trial
from seatrial.harness.results.baseline.judge import compare_runs
from seatrial.harness.spec.gate import Asked, GateOptions, Limit

FP32, INT8 = "onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"
FOG = "corruption/fog@3"
IMAGES = 3000


def answers(wrong, images=IMAGES, classes=10):
    """Of images whose labels go round; `wrong` are the numbers of those that are not predicted right."""
    labels = np.arange(images, dtype=np.int32) % classes
    top1 = labels.copy()
    top1[list(wrong)] = (top1[list(wrong)] + 1) % classes
    top = np.stack([top1, (top1 + 1) % classes], 1)
    return Predictions(labels, top, np.full(images, 0.9, np.float32), np.full(images, 0.8, np.float32))


@pytest.fixture
def make(tmp_path):
    def make_run(name, trials, *, ids=None, digest="d", shape=None, environment=None, names=None):
        root = tmp_path / name
        (root / "trials").mkdir(parents=True)
        targets = {target: {"version": "1"} for target, _ in trials}
        conditions = {condition: {"id": condition, **(shape or {})} for _, condition in trials}
        identity = {"run": {"images": digest}, "targets": targets, "conditions": conditions}
        asked = {"targets": list(targets), "conditions": list(conditions)}
        description = {"identity": identity, "asked": asked, "environment": environment or {}, "class_names": names}
        write_values(root / "run.json", description)
        for number, ((target, condition), rows) in enumerate(trials.items()):
            mine = ids or [f"{index}.png" for index in range(len(rows))]
            write_trial(root / "trials", f"{number:064x}", About(target, condition), mine, rows)
        return root

    return make_run


def checks(judged):
    return {(check["name"], check["target"]): check for check in judged.gate["checks"]}


def test_a_loss_since_last_week_is_a_regression(make, capsys):
    before = make("before", {(INT8, "clean"): answers([]), (INT8, FOG): answers(range(300))})
    after = make(
        "after", {(INT8, "clean"): answers(range(150)), (INT8, FOG): answers(range(300))}, names=[*"abcdefghij"]
    )
    judged = compare_runs(before, after)
    assert judged.gate["verdict"] == "REGRESSION"
    found = checks(judged)
    assert found["baseline recovery", INT8]["answer"] == "fail"
    assert found["baseline corrupted", INT8]["answer"] == "pass"
    assert found["baseline conditions", INT8]["answer"] == "pass"
    change = judged.found.targets[INT8].conditions["clean"]
    assert (change.before, change.after, change.images) == (1.0, 0.95, IMAGES)
    assert change.change.agreement == 0.95
    assert set(judged.found.targets[INT8].classes) == set("abcdefghij")
    assert judged.found.targets[INT8].classes["a"].delta == pytest.approx(-0.05)
    assert parse(["compare", str(before), str(after)])(Silent(), _console()) == 1
    assert parse(["compare", str(before), str(after), "--advisory"])(Silent(), _console()) == 0
    assert parse(["compare", str(after), str(before)])(Silent(), _console()) == 0


def _console():
    from rich.console import Console

    return Console(width=80)


def test_the_same_answers_pass_and_are_told_in_one_line(make, capsys):
    runs = [make(name, {(INT8, "clean"): answers(range(100))}) for name in ("one", "two")]
    assert compare_runs(*runs).gate["verdict"] == "ACCEPT"
    assert parse(["compare", *map(str, runs)])(Silent(), _console()) == 0
    assert f"{INT8}: every image has the class that it had" in capsys.readouterr().out


def test_one_condition_and_one_class_are_found_among_many(make):
    names = [f"corruption/{name}@{severity}" for name in ("fog", "snow", "frost") for severity in range(1, 6)]
    clean, first = answers(range(100)), {name: answers(range(500)) for name in names}
    before = make("before", {(INT8, "clean"): clean, **{(INT8, name): rows for name, rows in first.items()}})
    lost = {**first, FOG: answers(range(900))}
    third = [index for index in range(IMAGES) if index % 10 == 3][:100]
    after = make(
        "after",
        {(INT8, "clean"): answers({*range(100), *third}), **{(INT8, name): rows for name, rows in lost.items()}},
    )
    found = checks(compare_runs(before, after))
    assert (found["baseline conditions", INT8]["answer"], found["baseline conditions", INT8]["subject"]) == (
        "fail",
        FOG,
    )
    assert (found["baseline classes", INT8]["answer"], found["baseline classes", INT8]["subject"]) == ("fail", "3")


def test_only_images_that_both_have_are_paired_in_any_order(make):
    before = make("before", {(INT8, "clean"): answers(range(50), 200)}, digest="x")
    ids = [f"{index}.png" for index in range(100, 300)][::-1]
    rows = answers([], 300)
    chosen = np.arange(100, 300)[::-1]
    rows = Predictions(rows.label[chosen], rows.top[chosen], rows.p_top1[chosen], rows.margin[chosen])
    after = make("after", {(INT8, "clean"): rows}, ids=ids, digest="y")
    change = compare_runs(before, after).found.targets[INT8].conditions["clean"]
    assert (change.images, change.before, change.after) == (100, 1.0, 1.0)


def test_agreement_and_flips_are_those_of_the_contingency_table(make):
    rng = np.random.default_rng(0)
    wrong = [set(np.flatnonzero(rng.random(IMAGES) < share)) for share in (0.1, 0.13)]
    change = (
        compare_runs(*(make(str(i), {(INT8, "clean"): answers(one)}) for i, one in enumerate(wrong)))
        .found.targets[INT8]
        .conditions["clean"]
    )
    right = [np.isin(np.arange(IMAGES), list(one), invert=True) for one in wrong]
    table = SquareTable.from_data(np.stack(right, 1).astype(int)).table
    assert change.change.negative_flips == table[1, 0] / IMAGES
    assert change.change.positive_flips == table[0, 1] / IMAGES


def test_what_changed_around_and_what_only_one_has_is_told(make):
    before = make("before", {(FP32, "clean"): answers([]), (INT8, FOG): answers([])}, environment={"processor": "A"})
    after = make("after", {(FP32, "clean"): answers([]), (FP32, FOG): answers([])}, environment={"processor": "B"})
    found = compare_runs(before, after).found
    assert found.changed == {"processor": ("A", "B")}
    assert found.alone == [f"only before has the targets {INT8}", f"only after has the conditions {FOG}"]


def test_a_condition_that_is_made_otherwise_is_left_out(make):
    before = make("before", {(INT8, FOG): answers([])}, shape={"constants_px": 32})
    after = make("after", {(INT8, FOG): answers([])}, shape={"constants_px": 64})
    with pytest.raises(UsageError, match=r"fog@3: it is made otherwise: constants_px"):
        compare_runs(before, after)


def test_what_cannot_be_compared_is_refused(make, tmp_path):
    one = make("one", {(INT8, "clean"): answers([])})
    with pytest.raises(UsageError, match="names that are not the same"):
        compare_runs(one, make("other", {(INT8, "clean"): answers([])}, digest="e"))
    with pytest.raises(UsageError, match="other labels"):
        compare_runs(one, make("labels", {(INT8, "clean"): answers([], classes=7)}))
    with pytest.raises(UsageError, match="in common"):
        compare_runs(one, make("target", {(FP32, "clean"): answers([])}))
    with pytest.raises(UsageError, match="in common"):
        compare_runs(one, make("images", {(INT8, "clean"): answers([], 5)}, ids=[*"abcde"]))
    with pytest.raises(UsageError, match="holds no run"):
        compare_runs(one, tmp_path / "nothing")
    with pytest.raises(UsageError, match="no finished trial"):
        compare_runs(one, make("empty", {}))
    with pytest.raises(BadInputError, match="an image twice"):
        compare_runs(one, make("twice", {(INT8, "clean"): answers([], 2)}, ids=["a", "a"]))


def test_a_damaged_trial_is_refused(make):
    one, two = (make(name, {(INT8, "clean"): answers([])}) for name in ("one", "two"))
    (path,) = (two / "trials").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="is damaged"):
        compare_runs(one, two)


def test_json_is_the_whole_of_the_output(make, capsys):
    runs = [make(name, {(INT8, "clean"): answers([])}) for name in ("one", "two")]
    assert parse(["compare", *map(str, runs), "--json"])(Silent(), _console()) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gate"]["verdict"] == "ACCEPT"
    assert found["targets"][INT8]["conditions"]["clean"]["delta"] == 0


def test_the_gates_own_limits_hold(make):
    before = make("before", {(INT8, "clean"): answers([])})
    after = make("after", {(INT8, "clean"): answers(range(150))})
    lax = GateOptions(limits=tuple(Asked(f"baseline_{name}", Limit(None)) for name in ("recovery", "classes")))
    assert compare_runs(before, after, lax).gate["verdict"] == "INCONCLUSIVE"
    loose = GateOptions(limits=(Asked("baseline_recovery", Limit(90.0)), Asked("baseline_classes", Limit(90.0))))
    assert compare_runs(before, after, loose).gate["verdict"] == "ACCEPT"


def unlabelled(rows):
    return Predictions(np.full_like(rows.label, -1), rows.top, rows.p_top1, rows.margin)


def test_runs_without_labels_are_compared_by_their_answers(make, capsys):
    before = make("before", {(INT8, "clean"): unlabelled(answers([]))})
    after = make("after", {(INT8, "clean"): unlabelled(answers(range(300)))}, names=[*"abcdefghij"])
    judged = compare_runs(before, after)
    found = judged.to_dict()["targets"][INT8]
    assert (found["conditions"], found["classes"], found["corrupted"]) == ({}, {}, None)
    assert (found["likeness"]["clean"]["agreement"], found["likeness"]["clean"]["flipped"]) == (0.9, 300)
    assert {(one["reference_name"], one["target_name"]) for one in found["likeness"]["clean"]["flips"]} == {
        *zip("abcdefghij", "bcdefghija", strict=True)
    }
    assert [(one["name"], one["answer"]) for one in judged.gate["checks"]] == [("baseline agreement", "fail")]
    assert judged.gate["verdict"] == "REGRESSION"
    assert parse(["compare", str(before), str(after)])(Silent(), _console()) == 1
    shown = capsys.readouterr().out
    assert "3,000 images without labels" in shown
    assert "90.00 %" in shown
    assert "flips 30 a -> b" in shown
    assert compare_runs(before, before).gate["verdict"] == "ACCEPT"


def test_one_run_with_labels_and_one_without_are_no_pair(make):
    known = make("known", {(INT8, "clean"): answers([])})
    bare = make("bare", {(INT8, "clean"): unlabelled(answers([]))})
    for pair in ((known, bare), (bare, known)):
        with pytest.raises(UsageError, match=r"bare has no labels and .*known has some"):
            compare_runs(*pair)

"""What the default gate says of targets whose truth is known: simulated answers through the real checks.

`python -m pytest tests/unit/harness/results/test_operating_characteristics.py -s` prints the table of docs/gate.md.
"""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from seatrial.harness.conditions.corruptions import MCE_CORRUPTIONS, SEVERITIES
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.results.checks.run import Judged, checks_of
from seatrial.harness.results.evidence import Evidence, reference_evidence
from seatrial.harness.results.gate import decide
from seatrial.harness.spec.gate import GateOptions
from seatrial.harness.spec.targets import REFERENCE

# Images -> runs: fewer where the answers are many, and sure.
RUNS = {20: 200, 50: 200, 200: 200, 1000: 100, 10_000: 30}
IMAGES = tuple(RUNS)
CORRUPTED = tuple(f"corruption/{name}@{severity}" for name in MCE_CORRUPTIONS for severity in SEVERITIES)
CONDITIONS = ("clean", *CORRUPTED)
TOP1 = np.array([0.9] + [0.9 - 0.1 * severity for _ in MCE_CORRUPTIONS for severity in SEVERITIES], np.float32)
EASE = norm.ppf(TOP1).astype(np.float32)
CLASSES = 10
LIMIT = 0.01 * 0.9  # of 90 % clean top-1 a hundredth may be lost; of a condition's 5 points
CONDITION_LIMIT = 0.05
VERDICTS = ("ACCEPT", "INCONCLUSIVE", "REGRESSION", "ANOMALOUS")


def result(name, right):
    """Of a target, what the checks ask beside its evidence."""
    conditions = {
        condition: SimpleNamespace(images=len(row), top1=float(row.mean()))
        for condition, row in zip(CONDITIONS, right, strict=True)
    }
    return SimpleNamespace(
        id=name,
        board=None,
        simulated=False,
        engine_bytes=1,
        memory_bytes=None,
        conditions=conditions,
        likeness={},
        metrics={"share_as_requested": 1.0},
        latency={"single_stream": {"p50_ms": 1.0}},
        timed={},
        pace={},
    )


def reference_answers(rng, images):
    """bool [conditions, images]: what is hard under one condition is so under the others."""
    own = np.float32(0.8) * rng.standard_normal(images, np.float32)
    return own + np.float32(0.6) * rng.standard_normal((len(CONDITIONS), images), np.float32) < EASE[:, None]


def changed(rng, reference, churn, lost):
    """Another target's answers, bool [conditions, images]: of all images `churn` change sides, and `lost`, for each
    condition, is the share that is lost on balance. Half of the images are seven times as ready to change as the rest.
    """
    ready = np.where(rng.random(reference.shape[1]) < 0.5, 1.75, 0.25).astype(np.float32)
    lost = np.asarray(lost, np.float32)
    down, up = (np.maximum(churn, np.abs(lost)) + lost) / 2, (np.maximum(churn, np.abs(lost)) - lost) / 2
    right = TOP1
    chance = np.where(reference, (down / right)[:, None], np.minimum(up / (1 - right), 0.57)[:, None])
    return reference ^ (rng.random(reference.shape, np.float32) < chance * ready)


def verdict(rng, images, targets, churn, lost):
    reference = reference_answers(rng, images)
    labels = (np.arange(images) % CLASSES).astype(np.int32)
    answers = {REFERENCE.id: reference}
    answers.update({f"target-{index}": changed(rng, reference, churn, lost) for index in range(targets)})
    evidence = {}
    for name, right in answers.items():
        evidence[name] = Evidence()
        for condition, row, base in zip(CONDITIONS, right, reference, strict=True):
            evidence[name].add(condition, condition.partition("/")[0], row, base)
        evidence[name].count_classes(labels, right[0].astype(np.float64), reference[0].astype(np.float64))
    top = np.where(reference[0], labels, (labels + 1) % CLASSES).astype(np.int32)[:, None]
    nothing = np.ones(images, np.float32)
    judged = Judged(
        targets=[result(name, right) for name, right in answers.items()],
        evidence=evidence,
        trust=reference_evidence(Predictions(labels, top, nothing, nothing)),
        audit={"targets": {name: {"layers": []} for name in answers}},
        blocks={},
        kinds={condition: condition.partition("/")[0] for condition in CONDITIONS},
        class_names=None,
        gate=GateOptions(),
    )
    return decide(checks_of(judged))["verdict"]


def shares(what, images, runs, targets, churn, lost):
    """Verdict -> share of the runs; printed as a row."""
    rng = np.random.default_rng(images + round(1000 * churn))
    found = Counter(verdict(rng, images, targets, churn, lost) for _ in range(runs))
    cells = " | ".join(f"{found[one] / runs * 100:.1f}" for one in VERDICTS)
    print(f"| {what} | {targets} | {churn * 100:g} | {images:,} | {cells} |")
    return {one: found[one] / runs for one in VERDICTS}


def everywhere(lost):
    return np.full(len(CONDITIONS), lost)


def in_one(lost):
    found = np.zeros(len(CONDITIONS))
    found[7] = lost
    return found


@pytest.mark.parametrize("images", IMAGES)
def test_an_unchanged_model_is_hardly_ever_called_a_regression(images):
    found = shares("unchanged", images, 100 if images < 1000 else 50, 6, 0.06, everywhere(0.0))
    assert found["REGRESSION"] <= 0.01
    assert found["ANOMALOUS"] <= 0.01


@pytest.mark.parametrize("churn", [0.02, 0.06])
@pytest.mark.parametrize("images", IMAGES)
def test_twice_the_loss_that_is_allowed_is_hardly_ever_accepted(images, churn):
    found = shares("loses 1.8 points everywhere", images, RUNS[images], 1, churn, everywhere(2 * LIMIT))
    assert found["ACCEPT"] <= 0.05


@pytest.mark.parametrize("images", IMAGES)
def test_twice_the_loss_that_is_allowed_a_condition_is_hardly_ever_accepted(images):
    found = shares("loses 10 points in one condition", images, RUNS[images], 1, 0.02, in_one(2 * CONDITION_LIMIT))
    assert found["ACCEPT"] <= 0.05


def test_what_lost_five_points_is_found_on_a_thousand_images():
    clean = np.zeros(len(CONDITIONS))
    clean[0] = 0.05
    found = shares("loses 5 points on clean images", 1000, RUNS[1000], 1, 0.06, clean)
    assert found["REGRESSION"] >= 0.95


@pytest.mark.parametrize(("images", "churn"), [(1000, 0.005), (10_000, 0.02)])
def test_what_lost_nothing_is_accepted_with_enough_images(images, churn):
    found = shares("unchanged", images, RUNS[images], 1, churn, everywhere(0.0))
    assert found["ACCEPT"] >= 0.9

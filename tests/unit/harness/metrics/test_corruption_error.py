"""mCE and its relatives: AlexNet is 100 by definition, ResNet-50 what was published."""

import json

import numpy as np
import pytest

from seatrial.harness.conditions.corruptions import MCE_CORRUPTIONS
from seatrial.harness.conditions.kinds.corruption.robustness import robustness
from seatrial.harness.conditions.kinds.protocol import Measured
from seatrial.harness.metrics.corruption_error import (
    ALEXNET,
    ALEXNET_CLEAN,
    mean_corruption_error,
    plain_mean_error,
    relative_mean_corruption_error,
)
from seatrial.harness.results.packed import Packed

# torchvision's ResNet-50 V1, mean error per corruption in per cent on RobustBench's 5,000 images.
RESNET50 = dict(
    zip(
        MCE_CORRUPTIONS,
        (68.54, 70.90, 74.01, 61.10, 73.23, 61.87, 63.68, 67.85, 62.68, 54.50, 32.16, 60.90, 55.04, 55.14, 46.16),
        strict=True,
    )
)
OFFICIAL_MEANS = (
    *(0.886428, 0.894468, 0.922640, 0.819880, 0.826268, 0.785948, 0.798360, 0.866816),
    *(0.826572, 0.819324, 0.564592, 0.853204, 0.646056, 0.717840, 0.606500),
)


def test_alexnets_rows_average_to_the_official_vector():
    assert tuple(ALEXNET) == MCE_CORRUPTIONS
    np.testing.assert_allclose([np.mean(row) for row in ALEXNET.values()], OFFICIAL_MEANS, atol=5e-7)


def test_alexnet_has_exactly_one_hundred():
    assert mean_corruption_error(ALEXNET, ALEXNET) == 100
    assert relative_mean_corruption_error(ALEXNET, ALEXNET_CLEAN, ALEXNET, ALEXNET_CLEAN) == 100


def test_resnet50_has_the_published_mce():
    errors = {name: [error / 100] * 5 for name, error in RESNET50.items()}
    assert mean_corruption_error(errors, ALEXNET) == pytest.approx(76.4, abs=0.05)
    assert plain_mean_error(errors) == pytest.approx(100 - 39.48, abs=0.01)


def test_what_cannot_be_normalised_is_none():
    assert mean_corruption_error({"fog": [0.5]}, {"fog": [0.0]}) is None
    assert relative_mean_corruption_error({"fog": [0.5]}, 0.1, {"fog": [0.2]}, 0.3) is None
    with pytest.raises(ValueError, match="same corruptions"):
        mean_corruption_error({"fog": [0.5]}, {"snow": [0.5]})
    with pytest.raises(ValueError, match="same corruptions"):
        mean_corruption_error({"fog": [0.5]}, {"fog": [0.5, 0.5]})


def figures(errors, clean=None, delta=None):
    against = None if delta is None else {"delta": delta}
    found = {
        f"corruption/{name}@{severity}": {"top1": 1 - error, "vs_reference": against}
        for name, row in errors.items()
        for severity, error in enumerate(row, start=1)
    }
    whole = found if clean is None else {"clean": {"top1": 1 - clean, "vs_reference": against}, **found}
    return Measured(whole, {})


def test_a_target_gets_the_errors_that_its_conditions_allow():
    whole = robustness(figures(ALEXNET, ALEXNET_CLEAN, -0.01), figures(ALEXNET, ALEXNET_CLEAN), 1000)
    assert whole["mce"] == pytest.approx(100)
    assert whole["relative_mce"] == pytest.approx(100)
    assert whole["mce_vs_reference"] == pytest.approx(100)
    assert whole["corruption_delta"] == pytest.approx(-0.01)
    assert whole["corruption_delta_ci95"] is whole["mce_ci95"] is None  # figures alone have no interval
    assert set(whole["families"]) == {"noise", "blur", "weather", "digital"}
    noise = [np.mean(ALEXNET[name]) for name in ("gaussian_noise", "shot_noise", "impulse_noise")]
    assert whole["families"]["noise"]["top1"] == pytest.approx(1 - np.mean(noise))

    ten_classes = robustness(figures(ALEXNET, 0.1), figures(ALEXNET, 0.1), 10)
    assert ten_classes["mce"] is None
    assert ten_classes["mean_corruption_error"] == pytest.approx(100 * np.mean(OFFICIAL_MEANS))

    without_clean = robustness(figures(ALEXNET), figures(ALEXNET), 1000)
    assert without_clean["mce"] == pytest.approx(100)
    assert without_clean["relative_mce"] is None

    some = {name: row for name, row in ALEXNET.items() if name != "fog"}
    assert robustness(figures(some), figures(some), 1000)["mean_corruption_error"] is None
    assert robustness(Measured({}, {}), Measured({}, {}), 1000)["corruption_top1"] is None


def test_held_out_corruptions_belong_to_no_family():
    extra = {"saturate": [0.5] * 5}
    assert robustness(figures(extra), figures(extra), 1000)["families"] == {}
    assert robustness(figures(extra), figures(extra), 1000)["corruption_top1"] == 0.5


def answered(rng, right, reference=None):
    """Answers to every condition of mCE and to clean images, and the figures of them."""
    answers = {name: rng.random(400) < right for name in ("clean", *(one for one in figures(ALEXNET).figures))}
    found = {}
    for name, correct in answers.items():
        against = None if reference is None else {"delta": correct.mean() - reference.right[name].mean()}
        found[name] = {"top1": correct.mean(), "vs_reference": against}
    return Measured(found, answers)


def test_every_figure_of_a_target_has_an_interval_around_it():
    rng = np.random.default_rng(0)
    reference = answered(rng, 0.6)
    target = answered(rng, 0.55, reference)
    reference.right["clean"][:] = rng.random(400) < 0.95
    reference.figures["clean"]["top1"] = reference.right["clean"].mean()
    found = robustness(target, reference, 1000)
    named = ("corruption_top1", "corruption_delta", "mean_corruption_error", "mce", "mce_vs_reference")
    for name in named:
        low, high = found[f"{name}_ci95"]
        assert low < found[name] < high
    assert found["relative_mce_ci95"][0] < found["relative_mce"] < found["relative_mce_ci95"][1]
    assert found["relative_mce_vs_reference"] is not None
    for family in found["families"].values():
        assert family["top1_ci95"][0] < family["top1"] < family["top1_ci95"][1]
        assert family["delta_ci95"][0] < family["delta"] < family["delta_ci95"][1]
    json.dumps(found)


def test_nothing_is_uncertain_of_the_reference_against_itself():
    reference = answered(np.random.default_rng(1), 0.6)
    found = robustness(reference, reference, 1000)
    assert found["mce_vs_reference"] == 100
    assert found["mce_vs_reference_ci95"] is found["corruption_delta_ci95"] is None
    assert found["mce_ci95"][0] < found["mce"] < found["mce_ci95"][1]


def test_answers_are_kept_a_bit_each():
    rng = np.random.default_rng(2)
    packed, answers = Packed(), {str(index): rng.random(1000 + index) < 0.5 for index in range(9)}
    for name, correct in answers.items():
        packed.add(name, correct)
    assert list(packed) == list(answers)
    assert all((packed[name] == correct).all() for name, correct in answers.items())
    assert "missing" not in packed
    assert sum(bits.nbytes for bits, _ in packed._bits.values()) < 9 * 127

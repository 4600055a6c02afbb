"""Losses, spreads and interactions of the input pipeline: against SysNoise's and RobustART's tables, NumPy, and
resampling image by image.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.harness.conditions.kinds.pipeline.block import describe_pipeline
from seatrial.harness.conditions.kinds.pipeline.stack import choose_stack, stack_of
from seatrial.harness.metrics.effect import effect, interaction, mean_and_max, setting_spread, worst
from seatrial.harness.metrics.paired import Differences
from seatrial.harness.records.predictions import Predictions

# RobustART, table 7: top-1 of a ResNet-50 trained with one resize (row) and tested with six; printed mean and std.
TABLE_7 = {
    "pillow-bilinear": ((76.572, 72.168, 76.512, 72.090, 75.346, 74.072), 74.460, 2.02),
    "pillow-nearest": ((74.872, 75.988, 75.548, 75.970, 76.002, 76.056), 75.739, 0.463),
    "pillow-bicubic": ((76.312, 72.828, 76.596, 72.876, 75.810, 74.666), 74.848, 1.68),
    "opencv-nearest": ((74.818, 76.298, 75.474, 76.092, 76.082, 76.192), 75.826, 0.571),
    "opencv-bilinear": ((75.840, 75.268, 76.446, 75.248, 76.682, 76.436), 75.987, 0.629),
    "opencv-bicubic": ((76.194, 72.812, 76.510, 72.940, 75.736, 74.818), 74.835, 1.62),
    "mix": ((76.154, 75.876, 76.344, 75.786, 76.444, 76.330), 76.156, 0.270),
}
IMAGES = 10_000


def answers(right, *, images=IMAGES, flipped=0):
    """Rows of which the first `right` are correct; the last `flipped` give another wrong class than the others."""
    top1 = np.full(images, 1, np.int32)
    top1[:right] = 0
    top1[images - flipped :] = 2
    zeros = np.zeros(images, np.float32)
    return Predictions(np.zeros(images, np.int32), top1[:, None], zeros, zeros)


def percent(top1):
    return answers(round(top1 * IMAGES / 100))


@pytest.mark.parametrize("trained", TABLE_7)
def test_the_spread_is_that_of_robustarts_table(trained):
    row, mean, std = TABLE_7[trained]
    spread = setting_spread(row)
    assert spread["mean"] == pytest.approx(mean, abs=6e-4)
    assert spread["std_sample"] == pytest.approx(std, rel=4e-3)  # printed with three digits
    assert spread["std_population"] == pytest.approx(np.std(row))
    assert spread["std_population"] != pytest.approx(std, rel=4e-2)
    assert (spread["count"], spread["min"], spread["max"]) == (6, min(row), max(row))


def test_mean_and_max_are_sysnoises():
    """Table 8: trained with Pillow's decoder 76.430, with OpenCV's 76.426, with FFmpeg's 75.310."""
    assert mean_and_max([76.430 - 76.426, 76.430 - 75.310]) == pytest.approx((0.562, 1.12))


def test_quantization_costs_more_on_top_of_the_pipeline():
    """SysNoise, figure 3a, ResNet-50 of 76.39 %: int8 costs 0.06 alone, and 3.41 - 2.32 = 1.09 on top of decoder,
    resize and colour.
    """
    clean, stacked = percent(76.39).correct, percent(76.39 - 2.32).correct
    int8, int8_stacked = percent(76.39 - 0.06).correct, percent(76.39 - 3.41).correct
    found = interaction(int8_stacked, int8, stacked, clean)
    assert (found.cost_alone, found.cost_here) == pytest.approx((0.0006, 0.0109))
    assert found.extra == pytest.approx(0.0103)
    loss = effect(int8_stacked, int8, np.ones(IMAGES, bool)).loss
    assert found.extra == pytest.approx(loss - effect(stacked, clean, np.ones(IMAGES, bool)).loss)
    assert found.ci95[0] < 0.0103 < found.ci95[1]


def test_the_interval_is_that_of_all_four_answers_resampled_together():
    rng = np.random.default_rng(3)
    four = rng.random((4, 600)) < np.array([0.7, 0.8, 0.78, 0.82])[:, None]
    found = interaction(*four)
    now, clean, reference, reference_clean = four
    chosen = rng.integers(0, 600, (20_000, 600))
    lost = clean[chosen].mean(1) - now[chosen].mean(1)
    extra = lost - (reference_clean[chosen].mean(1) - reference[chosen].mean(1))
    assert found.ci95 == pytest.approx(
        tuple(np.percentile(extra, (2.5, 97.5))), abs=3 / 600
    )  # two more images, and the ends of a resampling
    assert found.extra == pytest.approx((clean.mean() - now.mean()) - (reference_clean.mean() - reference.mean()))


def test_the_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(300):
        four = rng.random((4, 400)) < np.array([0.6, 0.9, 0.75, 0.9])[:, None]
        low, high = interaction(*four).ci95
        inside += low <= 0.15 <= high
    assert 0.91 <= inside / 300 <= 0.985


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_an_effect_counts_what_it_says(rows):
    correct, clean, same = (np.array(column) for column in zip(*rows, strict=True))
    found = effect(correct, clean, same)
    assert found.loss == pytest.approx(clean.mean() - correct.mean())
    assert found.loss == pytest.approx(found.negative_flips - found.positive_flips)
    assert found.flips == pytest.approx(1 - same.mean())
    assert found.ci95[0] <= found.ci95[1]
    assert str(found.loss) != "-0.0"


def test_the_interval_lies_around_the_loss():
    found = effect(percent(70).correct, percent(76).correct, np.ones(IMAGES, bool))
    assert 0.05 < found.ci95[0] < found.loss == pytest.approx(0.06)
    assert found.loss < found.ci95[1] < 0.07


def test_paired_arrays_must_pair():
    yes = np.array([True, True])
    with pytest.raises(ValueError, match="same length"):
        interaction(yes, yes, yes, yes[:1])
    with pytest.raises(ValueError, match="same length"):
        interaction(yes[:0], yes[:0], yes[:0], yes[:0])
    with pytest.raises(ValueError, match="two settings"):
        setting_spread([0.5])
    with pytest.raises(ValueError, match="no options"):
        mean_and_max([])


def test_the_worst_loses_most_then_flips_most_then_comes_first():
    assert worst({"a": (0.1, 0.0), "b": (0.2, 0.2), "c": (0.2, 0.1)}) == "b"
    assert worst({"a": (-0.1, 0.3), "b": (-0.2, 0.5)}) == "a"
    assert worst({"first": (0.1, 0.1), "second": (0.1, 0.1)}) == "first"


def test_the_stack_takes_the_worst_of_each_factor_in_sysnoises_order():
    found = choose_stack(
        {
            "clean": answers(900, images=1000),
            "pipeline/decode=opencv": answers(900, images=1000),
            "pipeline/decode=ffmpeg": answers(890, images=1000),
            "pipeline/resize=a": answers(880, images=1000),
            "pipeline/resize=b": answers(880, images=1000, flipped=3),
            "pipeline/resize=c": answers(885, images=1000, flipped=90),
            "pipeline/rule=letterbox": answers(500, images=1000),
            "pipeline/graph=ceil-mode": answers(850, images=1000),
            "pipeline/color=nv12-bt601": answers(800, images=1000),
            "pipeline/input=fp16": answers(900, images=1000),
            "corruption/fog@3": answers(100, images=1000),
            "pipeline/combined@1": answers(100, images=1000),
        }
    )
    assert found == [
        "pipeline/decode=ffmpeg",
        "pipeline/resize=b",
        "pipeline/color=nv12-bt601",
        "pipeline/graph=ceil-mode",
    ]


def test_a_factor_that_flips_without_losing_is_stacked():
    assert stack_of({"pipeline/decode=a": (0.0, 0.01)}) == ["pipeline/decode=a"]
    assert stack_of({"pipeline/decode=a": (0.0, 0.0)}) == []
    assert stack_of({}) == []


def world():
    """Figure 3a: a reference and its int8 form, on clean images, alone and stacked."""
    stack = {
        "pipeline/combined@1": (0.98, 1.2),
        "pipeline/combined@2": (1.69, 2.4),
        "pipeline/combined@3": (2.32, 3.41),
    }
    singles = {
        "pipeline/decode=opencv": (0.5, 0.6),
        "pipeline/decode=ffmpeg": (0.98, 1.0),
        "pipeline/resize=opencv-nearest": (1.5, 1.6),
        "pipeline/color=nv12": (0.09, 0.08),
    }
    losses = {"clean": (0.0, 0.0), "corruption/fog@1": (20, 20), **singles, **stack}
    return {
        "ref/fp32@cpu": {name: percent(76.39 - lost) for name, (lost, _) in losses.items()},
        "new/int8@cpu": {name: percent(76.33 - lost) for name, (_, lost) in losses.items()},
    }


def test_the_summary_block_says_what_was_measured():
    block = describe_pipeline(world(), "ref/fp32@cpu")
    reference, target = block["targets"]["ref/fp32@cpu"], block["targets"]["new/int8@cpu"]
    assert reference["clean_top1"] == 0.7639
    decode = reference["factors"]["decode"]
    assert decode["options"] == ["pipeline/decode=opencv", "pipeline/decode=ffmpeg"]
    assert (decode["mean_loss"], decode["max_loss"]) == pytest.approx((0.0074, 0.0098))
    assert decode["worst"] == "pipeline/decode=ffmpeg"
    # Of two options the worse one: as wide as a single one's at 97.5 %.
    chosen, images = reference["conditions"]["pipeline/decode=ffmpeg"], len(world()["ref/fp32@cpu"]["clean"])
    worse, better = (round(chosen[key] * images) for key in ("negative_flips", "positive_flips"))
    assert decode["worst_ci95"] == pytest.approx(Differences.counted(better, worse, images).interval(0.025))
    assert decode["worst_ci95"][0] < chosen["ci95"][0] < chosen["ci95"][1] < decode["worst_ci95"][1]
    assert list(reference["factors"]) == ["decode", "resize", "color"]
    assert "corruption/fog@1" not in reference["conditions"]
    assert reference["conditions"]["pipeline/combined@3"]["interaction"] is None
    assert target["conditions"]["pipeline/combined@3"]["loss"] == pytest.approx(0.0341)
    added = target["conditions"]["pipeline/combined@3"]["interaction"]
    assert (added["cost_alone"], added["cost_here"]) == pytest.approx((0.0006, 0.0115))
    assert added["extra"] == pytest.approx(0.0341 - 0.0232)
    settings = [0.7639, 0.7639 - 0.005, 0.7639 - 0.0098, 0.7639 - 0.015]
    assert reference["settings"]["mean"] == pytest.approx(np.mean(settings))
    assert reference["settings"]["std_population"] == pytest.approx(np.std(settings))
    assert reference["settings"]["std_sample"] == pytest.approx(np.std(settings, ddof=1))
    assert block["stack"] == [
        ["pipeline/decode=ffmpeg"],
        ["pipeline/decode=ffmpeg", "pipeline/resize=opencv-nearest"],
        ["pipeline/decode=ffmpeg", "pipeline/resize=opencv-nearest", "pipeline/color=nv12"],
    ]


def test_rows_are_asked_for_once_condition_by_condition():
    asked = []

    class Reading(dict):
        def __getitem__(self, name):
            asked.append(name)
            return super().__getitem__(name)

    describe_pipeline({target: Reading(rows) for target, rows in world().items()}, "ref/fp32@cpu")
    later = [name for name in asked if name != "clean"]
    assert later == sorted(later, key=later.index)
    assert all(later.count(name) == 2 for name in later)  # one for each target


def test_a_target_that_could_not_answer_lacks_the_figure():
    answered = world()
    for name in ("pipeline/color=nv12", "pipeline/combined@3"):
        del answered["new/int8@cpu"][name]
    target = describe_pipeline(answered, "ref/fp32@cpu")["targets"]["new/int8@cpu"]
    assert "color" not in target["factors"]
    assert "pipeline/combined@3" not in target["conditions"]


def test_without_a_combination_there_is_no_stack():
    answered = {
        target: {name: rows for name, rows in found.items() if "combined" not in name}
        for target, found in world().items()
    }
    assert describe_pipeline(answered, "ref/fp32@cpu")["stack"] == []


@pytest.mark.parametrize("missing", ["pipeline/", "clean"])
def test_a_run_without_pipeline_conditions_or_clean_images_has_no_block(missing):
    answered = {
        target: {name: rows for name, rows in found.items() if not name.startswith(missing)}
        for target, found in world().items()
    }
    assert describe_pipeline(answered, "ref/fp32@cpu") is None


def test_conditions_that_vary_neither_decoder_nor_filter_have_no_spread():
    answered = {"ref": {"clean": answers(9), "pipeline/color=nv12-bt601": answers(7)}}
    assert describe_pipeline(answered, "ref")["targets"]["ref"]["settings"] is None

"""Suites that repeat a study: which conditions they ask for, how they are narrowed, and decoders with filters."""

import dataclasses
from types import SimpleNamespace

import pytest

from seatrial.errors import UsageError
from seatrial.exporters.contract import DECODERS, INTERPOLATIONS
from seatrial.exporters.presets import PRESETS
from seatrial.harness.attacks.ids import STRENGTHS
from seatrial.harness.attacks.strengths import PAPER_VALUES, sized, study_strengths
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.conditions import choose
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.pipeline.ids import combination_ids, factor_of, singles_of
from seatrial.harness.conditions.kinds.pipeline.options import Options, with_combinations
from seatrial.harness.conditions.kinds.pipeline.settings import DECODERS_S, FILTERS_S, setting_ids, settings
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import kind_of, title_of
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

TWO = World(RunSpec(), (TargetSpec("onnxruntime", "sim-w2a2"), TargetSpec("onnxruntime", "sim-w4a4")))


def test_robustmq_asks_for_its_attacks_on_every_file_corruptions_and_settings():
    found = choose("robustmq", TWO)
    for attack in ("fgsm-linf", "pgd-linf", "pgd-l2", "mim-linf", "autoattack-linf"):
        for eps in ("0.5", "2", "8"):
            for file in ("", "+qdq-onnxruntime-sim-w2a2", "+qdq-onnxruntime-sim-w4a4"):
                assert f"attack/{attack}@{eps}{file}" in found
    assert "attack/pgd-dense-l1@1600" in found
    assert sum(name.startswith("corruption/") for name in found) == 75
    assert set(setting_ids()) <= set(found)
    assert len({*settings(None, None).values()}) == 33
    assert "blackbox/square-linf@8" in found


def test_strengths_in_l1_and_l2_leave_the_change_per_value_as_it_is_at_224_px():
    assert study_strengths("l2") == STRENGTHS["l2"]
    assert study_strengths("l1") == STRENGTHS["l1"]
    for values in (784, 3 * 32 * 32, 3 * 299 * 299):
        assert study_strengths("linf", values) == STRENGTHS["linf"]
        for large, asked in zip(study_strengths("l1", values), STRENGTHS["l1"], strict=True):
            assert large / values == pytest.approx(asked / PAPER_VALUES, rel=0.005)
        for large, asked in zip(study_strengths("l2", values), STRENGTHS["l2"], strict=True):
            assert large**2 / values == pytest.approx(asked**2 / PAPER_VALUES, rel=0.01)


def test_robustmq_asks_a_model_of_32_px_for_as_much_per_value_as_the_paper():
    small = SimpleNamespace(contract=PRESETS["cifar10"], precision="fp32")
    found = choose("robustmq", dataclasses.replace(TWO, model=small))
    assert {name for name in found if "-l2" in name and "+" not in name} == {
        f"attack/pgd-l2@{eps}" for eps in ("0.0714", "0.286", "1.14")
    }
    assert {name for name in found if "-l1" in name and "+" not in name} == {
        f"attack/pgd-dense-l1@{eps}" for eps in ("2.04", "8.16", "32.7")
    }
    assert len(found) == len(choose("robustmq", TWO))
    large = SimpleNamespace(contract=PRESETS["imagenet"], precision="fp32")
    assert choose("robustmq", dataclasses.replace(TWO, model=large)) == choose("robustmq", TWO)


def test_the_step_of_dense_l1_shapes_its_images_and_no_others():
    assert sized("pgd-dense-l1", PAPER_VALUES) == {"step": 120.0}
    assert sized("pgd-dense-l1", 3072)["step"] == pytest.approx(120 / 49)
    assert sized("pgd-l1", 3072) == {}


def test_merkel_sweeps_two_attacks():
    found = choose("merkel", TWO)
    assert "attack/fgsm-linf@12+qdq-onnxruntime-sim-w2a2" in found
    assert not any(name.startswith(("corruption/", "pipeline/")) for name in found)


def test_patterns_choose_among_a_studys_own_and_full_ids_come_beside():
    found = choose("robustmq", TWO, ["attack/pgd-linf@*", "pipeline/*", "attack/fgsm-linf@3"])
    attacks = [name for name in found if name.startswith("attack/")]
    assert "attack/fgsm-linf@3" in attacks
    assert "attack/pgd-linf@64" in attacks
    assert all(name in choose("robustmq", TWO) for name in attacks if name != "attack/fgsm-linf@3")
    assert set(setting_ids()) == {name for name in found if name.startswith("pipeline/")}
    assert "attack/pgd-linf@24" in choose("merkel", TWO, ["attack/pgd-linf@*"])
    assert "attack/pgd-linf@24" not in choose("attack", TWO, ["attack/pgd-linf@*"])


def test_decoders_with_filters_are_found_by_patterns_with_a_plus_alone():
    assert len(combination_ids()) == len(DECODERS) * len(INTERPOLATIONS)
    assert not any("+" in name for name in choose("quick", World(), ["pipeline/*"]))
    found = choose("quick", World(), ["pipeline/decode=opencv+resize=*"])
    assert len(found) == 1 + len(INTERPOLATIONS)
    name = "pipeline/decode=opencv+resize=opencv-area"
    assert choose("quick", World(), [name]) == ["clean", name]
    assert title_of(name) == "Decoder: opencv, Resize filter: opencv-area"
    assert factor_of(name) is None
    assert kind_of(name).name == "pipeline"
    with pytest.raises(UsageError, match="No condition matches"):
        choose("quick", World(), ["pipeline/decode=no+resize=opencv-area"])


def test_a_decoder_with_a_filter_changes_both():
    decode, resize = singles_of("pipeline/decode=opencv+resize=opencv-area") or ("", "")
    options = Options(
        {
            decode: Condition(decode, contract=(("decoder", "opencv"),), reencode=True),
            resize: Condition(resize, contract=(("interpolation", "opencv-area"),), enlarge=True),
        },
        {"pipeline/decode=dali": "not installed", "pipeline/resize=pillow-box": "it is what the contract says"},
    )
    asked = ["pipeline/decode=opencv+resize=opencv-area", "pipeline/decode=dali+resize=opencv-area"]
    asked.append("pipeline/decode=opencv+resize=pillow-box")
    found = with_combinations(options, asked)
    both = found.conditions[asked[0]]
    assert dict(both.contract) == {"decoder": "opencv", "interpolation": "opencv-area"}
    assert (both.id, both.reencode, both.enlarge, both.parts) == (asked[0], True, True, ())
    assert found.refused[asked[1]] == "not installed"
    assert found.refused[asked[2]] == "it is what the contract says"


def test_settings_of_the_contract_are_conditions_of_their_own():
    found = settings("opencv", "opencv-bilinear")
    assert found["opencv", "opencv-bilinear"] == "clean"
    assert found["opencv", "pillow-box"] == "pipeline/resize=pillow-box"
    assert found["pillow", "opencv-bilinear"] == "pipeline/decode=pillow"
    assert found["pillow", "pillow-box"] == "pipeline/decode=pillow+resize=pillow-box"
    assert len(found) == len(DECODERS_S) * len(FILTERS_S)
    assert set(found.values()) - {"clean"} <= set(setting_ids())


def flags(*words):
    return spec_of(parse_flags(make_parser(), list(words)))


def test_merkel_asks_about_every_bit_width_where_nothing_else_is_named():
    asked = flags("--suite", "merkel").targets.asked
    assert [one.precision for one in asked] == [f"sim-w{bits}" for bits in range(1, 11)]
    assert [one.precision for one in flags("--suite", "merkel", "--bits", "8").targets.asked] == ["int8"]
    assert [one.precision for one in flags("--suite", "robustmq").targets.asked] == ["int8"]
    assert dataclasses.replace(flags("--suite", "merkel").conditions).suite == "merkel"

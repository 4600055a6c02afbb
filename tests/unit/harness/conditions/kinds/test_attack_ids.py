"""Attack conditions by id: what can be asked, and what the flags make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engines.precision import is_quantized
from seatrial.errors import UsageError
from seatrial.harness.attacks.ids import (
    ATTACKS,
    STRENGTHS,
    AttackId,
    Surrogates,
    is_attack,
    known_attack_ids,
    matching_ids,
    parse_attack,
    refusal,
    suite_ids,
)
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.conditions import choose
from seatrial.harness.conditions.kinds.attack.surrogates import files_of, surrogates_of
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.spec.attacks import AttackOptions
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

QUANTIZED = ("qdq-onnxruntime-int8", "qdq-openvino-int8")
TWO_FILES = Surrogates(("fp32", *QUANTIZED, "resnet56"), frozenset({"fp32", *QUANTIZED}), frozenset(QUANTIZED))
SEVERAL = World(
    RunSpec(attacks=AttackOptions(surrogates=("resnet56=m.onnx",))),
    (TargetSpec("onnxruntime", "fp32"), TargetSpec("onnxruntime", "int8"), TargetSpec("openvino", "int8")),
)


@given(
    st.sampled_from(sorted(ATTACKS)),
    st.floats(0.01, 255).map(lambda eps: float(f"{eps:.6g}")),
    st.sampled_from(["fp32", "qdq", "qdq-openvino-int8", "ResNet_56.v2"]),
)
def test_an_id_says_what_it_was_made_of(name: str, eps: float, surrogate: str) -> None:
    attack = AttackId(name, eps, None if ATTACKS[name].blackbox else surrogate)
    assert is_attack(str(attack))
    assert parse_attack(str(attack)) == attack


def test_ids_are_spelled_as_the_documentation_says() -> None:
    assert str(AttackId("pgd-linf", 2.0, "fp32")) == "attack/pgd-linf@2"
    assert str(AttackId("pgd-linf", 0.5, "qdq")) == "attack/pgd-linf@0.5+qdq"
    assert str(AttackId("square-linf", 8.0, None)) == "blackbox/square-linf@8"
    assert parse_attack("attack/pgd-l1@mid").eps == 400
    assert parse_attack("attack/pgd-linf@large").radius == 8 / 255
    assert parse_attack("attack/pgd-l2@2").radius == 2.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("attack/pgd-linf", "look like"),
        ("attack/pgd@2", "Unknown attack"),
        ("attack/square-linf@2", "Unknown attack"),
        ("blackbox/pgd-linf@2", "Unknown attack"),
        ("attack/pgd-linf@0", "above 0"),
        ("attack/pgd-linf@256", "at most 255"),
        ("attack/pgd-linf@tiny", "small, mid, large"),
        ("attack/pgd-linf@2+", "look like"),
        ("blackbox/square-linf@2+qdq", "no surrogate"),
    ],
)
def test_what_is_no_attack_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_attack(text)


def test_only_a_radius_of_a_level_or_more_holds_8_bit_images() -> None:
    assert not parse_attack("attack/pgd-linf@0.5").eight_bit
    assert parse_attack("attack/pgd-linf@1").eight_bit
    assert not parse_attack("attack/pgd-l2@0.003").eight_bit
    assert parse_attack("attack/pgd-l2@0.5").eight_bit


def test_every_attack_is_known_at_the_papers_strengths_on_every_surrogate() -> None:
    ids = known_attack_ids()
    assert len(ids) == len(set(ids))
    for name, kind in ATTACKS.items():
        eps = {parse_attack(one).eps for one in ids if parse_attack(one).name == name}
        assert eps == set(STRENGTHS[kind.norm]) - ({0.5} if name == "square-linf" else set())
    surrogates = {parse_attack(one).surrogate for one in ids if "diva" in one}
    assert surrogates == {"qdq"}, "the pair needs a quantized file"


def test_qdq_stands_for_every_quantized_file_of_a_run() -> None:
    assert matching_ids("attack/pgd-linf@3+qdq", TWO_FILES) == [
        "attack/pgd-linf@3+qdq-onnxruntime-int8",
        "attack/pgd-linf@3+qdq-openvino-int8",
    ]
    assert matching_ids("attack/pgd-linf@3+qdq", Surrogates()) == ["attack/pgd-linf@3+qdq"]
    assert matching_ids("attack/pgd-linf@1+*", TWO_FILES) == [
        "attack/pgd-linf@1+qdq-onnxruntime-int8",
        "attack/pgd-linf@1+qdq-openvino-int8",
        "attack/pgd-linf@1+resnet56",
    ]
    assert matching_ids("attack/fgsm-linf@2", TWO_FILES) == ["attack/fgsm-linf@2"]


@pytest.mark.parametrize(
    "glob",
    ["attack/pgd-linf@3+other", "attack/diva-linf@2", "attack/diva-linf@2+resnet56", "attack/no@3", "attack/no*"],
)
def test_a_surrogate_that_is_not_there_or_has_no_sense_is_refused(glob: str) -> None:
    with pytest.raises(UsageError):
        choose("quick", SEVERAL, [glob])
    with pytest.raises(UsageError, match="quantized"):
        choose("quick", World(), ["attack/pgd-linf@2+qdq"])


def test_the_suite_asks_for_all_that_the_masking_checks_need() -> None:
    chosen = choose("attack", SEVERAL)
    assert chosen[0] == "clean"
    assert not any(name.startswith(("corruption/", "pipeline/")) for name in chosen)
    for surrogate in ("", "+qdq-onnxruntime-int8", "+qdq-openvino-int8"):
        for name in ("fgsm-linf@2", "pgd-linf@2", "pgd-linf@64", "pgd-scaled-linf@2"):
            assert f"attack/{name}{surrogate}" in chosen
    assert "attack/pgd-linf@64+resnet56" not in chosen, "no target's own graph: nothing of it need reach zero"
    assert "attack/pgd-linf@8+resnet56" in chosen
    assert "blackbox/square-linf@8" in chosen
    assert set(chosen) <= {*choose("attack-full", SEVERAL)}
    assert suite_ids("standard", TWO_FILES) == []


def test_attacks_come_behind_other_conditions_each_once_and_in_order() -> None:
    globs = ["attack/pgd-linf@*", "attack/pgd-linf@3", "attack/fgsm-linf@8", "attack/pgd-linf@2", "corruption/fog@1"]
    assert choose("quick", World(), globs) == [
        "clean",
        "corruption/fog@1",
        "attack/fgsm-linf@8",
        "attack/pgd-linf@0.5",
        "attack/pgd-linf@2",
        "attack/pgd-linf@3",
        "attack/pgd-linf@8",
    ]


def test_corrupted_data_cannot_be_attacked() -> None:
    with pytest.raises(UsageError, match="No condition matches"):
        choose("quick", World(), ["attack/pgd-linf@2"], available=["corruption/fog@1"])


def test_attacks_without_sense_for_a_model_say_why() -> None:
    assert "4 classes" in str(refusal(parse_attack("attack/apgd-t-linf@2"), 3, "float32"))
    assert refusal(parse_attack("attack/apgd-t-linf@2"), 4, "float32") is None
    assert "8-bit" in str(refusal(parse_attack("attack/pgd-linf@0.5"), 10, "uint8"))
    assert refusal(parse_attack("attack/pgd-linf@0.5"), 10, "float16") is None
    assert "8-bit" in str(refusal(parse_attack("blackbox/square-linf@0.5"), 10, "float32"))


def test_one_quantized_file_is_qdq_and_several_have_names_of_their_own() -> None:
    ort, ov = TargetSpec("onnxruntime", "int8"), TargetSpec("openvino", "int8")
    fp32, half = TargetSpec("onnxruntime", "fp32"), TargetSpec("openvino", "fp16")
    assert files_of(World(targets=(fp32, ort, half))) == {fp32: "fp32", ort: "qdq", half: "fp32"}
    assert files_of(World(targets=(fp32, ort, ov))) == {
        fp32: "fp32",
        ort: "qdq-onnxruntime-int8",
        ov: "qdq-openvino-int8",
    }
    assert is_quantized("sim-w4a4")
    options = AttackOptions(surrogates=("resnet56=somewhere.onnx",))
    assert surrogates_of(World(RunSpec(attacks=options), (fp32, ort))).names == ("fp32", "qdq", "resnet56")


def test_flags_become_attack_options() -> None:
    words = ["--surrogate", "big=timm:resnet50", "--surrogate", "a/My Net.onnx", "--restarts", "3", "--queries", "50"]
    spec = spec_of(parse_flags(make_parser(), [*words, "--attack-device", "cuda:1"]))
    assert spec.attacks == AttackOptions(("big=timm:resnet50", "a/My Net.onnx"), 3, 50, "cuda:1")
    assert surrogates_of(World(spec)).names == ("fp32", "big", "My-Net")


@pytest.mark.parametrize(
    "wrong",
    [
        {"restarts": 0},
        {"queries": 0},
        {"device": "tpu"},
        {"surrogates": ("fp32=x.onnx",)},
        {"surrogates": ("qdq-x=x.onnx",)},
        {"surrogates": ("a.onnx", "b/a.onnx")},
        {"surrogates": ("///",)},
    ],
)
def test_attack_options_that_none_can_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        AttackOptions(**wrong)  # type: ignore[arg-type]

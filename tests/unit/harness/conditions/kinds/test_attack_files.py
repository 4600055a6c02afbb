"""Attacks on variants: whose own file is what, which images are made on it, and who is asked about them."""

import dataclasses
from types import SimpleNamespace

import pytest

from seatrial.errors import UsageError
from seatrial.harness.attacks.ids import matching_ids, parse_attack
from seatrial.harness.conditions import choose
from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.conditions.kinds.attack.rows import crossed, rows_of
from seatrial.harness.conditions.kinds.attack.surrogates import files_of, is_asked, surrogates_of, what_it_is
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Network, World
from seatrial.harness.spec.attacks import AttackOptions
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.model import ModelSource
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import TargetSpec

FP32, INT8 = TargetSpec("onnxruntime", "fp32"), TargetSpec("onnxruntime", "int8")
LSQ = TargetSpec("onnxruntime", "sim-w4a4", variant="lsq")
LSQ_AGAIN = TargetSpec("pytorch", "sim-w4a4", variant="lsq")
FLOAT = TargetSpec("onnxruntime", "fp32", variant="control")
FLOAT_INT8 = TargetSpec("onnxruntime", "int8", variant="control")
ALL = (FP32, INT8, LSQ, LSQ_AGAIN, FLOAT, FLOAT_INT8)
SPEC = RunSpec(
    source=ModelSource(variants=("lsq=l.onnx", "control=c.onnx")),
    attacks=AttackOptions(surrogates=("resnet56=m.onnx",)),
)


def model(precision, dtype="float32"):
    contract = SimpleNamespace(dtype=dtype, to_dict=lambda: {"dtype": dtype})
    return SimpleNamespace(precision=precision, contract=contract, classes=10, digest=f"digest of {precision}")


def world(spec=SPEC, **changes):
    values = {
        "spec": spec,
        "targets": ALL,
        "model": model("fp32"),
        "variants": {"lsq": model("sim-w4a4"), "control": model("fp32")},
        "data": None,
        "path": "images",
        "networks": {"resnet56": Network(model("fp32"), None)},
        "of_targets": {one.id: {"target": one.id} for one in ALL},
    }
    return LoadedWorld(**{**values, **changes})


def who(attack, of):
    return [target for target in ALL if is_asked(parse_attack(attack), target, of)]


def test_a_variants_file_has_its_name_and_what_is_made_of_it_says_how():
    assert list(files_of(world()).values()) == ["fp32", "qdq", "lsq", "lsq", "control", "control-onnxruntime-int8"]
    known = surrogates_of(world())
    assert known.names == ("fp32", "qdq", "lsq", "control", "control-onnxruntime-int8", "resnet56")
    assert known.own == set(known.names) - {"resnet56"}
    assert known.quantized == {"qdq"}


def test_names_of_variants_are_known_before_their_files_are_read():
    early = World(SPEC, (FP32, INT8))
    for glob in ("attack/pgd-linf@2+lsq", "attack/diva-linf@2+control-onnxruntime-int8", "attack/pgd*+lsq"):
        assert choose("quick", early, [glob])[1:]
    with pytest.raises(UsageError, match="there is no surrogate 'other' in this run; there are fp32, qdq, lsq, "):
        choose("quick", early, ["attack/pgd-linf@2+other"])


def test_a_pattern_over_names_finds_each_variants_images():
    known = surrogates_of(world())
    assert matching_ids("attack/pgd-linf@2+l*", known) == ["attack/pgd-linf@2+lsq"]
    assert matching_ids("attack/diva-linf@2+*", known) == [
        f"attack/diva-linf@2+{name}" for name in ("qdq", "lsq", "control", "control-onnxruntime-int8")
    ]
    assert matching_ids("attack/pgd-linf@2+qdq", known) == ["attack/pgd-linf@2+qdq"]
    with pytest.raises(UsageError, match=r"made on a quantized file, as in \+qdq, or on a variant's"):
        matching_ids("attack/diva-linf@2+resnet56", known)


def test_the_suite_attacks_every_white_box_on_its_own_file_with_what_the_checks_need():
    chosen = choose("attack", world())
    for name in ("", "+qdq", "+lsq", "+control", "+control-onnxruntime-int8"):
        for attack in ("fgsm-linf@8", "pgd-linf@2", "pgd-linf@64", "pgd-scaled-linf@2"):
            assert f"attack/{attack}{name}" in chosen
    assert "attack/pgd-linf@64+resnet56" not in chosen


def test_images_made_on_a_variants_file_are_for_the_targets_that_run_it_and_the_reference():
    of = world()
    for attack in ("attack/pgd-linf@2", "attack/pgd-linf@2+resnet56", "blackbox/square-linf@8"):
        assert who(attack, of) == list(ALL)
    assert who("attack/pgd-linf@2+lsq", of) == [FP32, LSQ, LSQ_AGAIN]
    assert who("attack/pgd-linf@2+control", of) == [FP32, FLOAT]
    assert who("attack/pgd-linf@2+control-onnxruntime-int8", of) == [FP32, FLOAT_INT8]
    assert who("attack/pgd-linf@2+qdq", of) == [FP32, INT8]


@pytest.mark.parametrize("field", ["globs", "across"])
@pytest.mark.parametrize("glob", ["attack/pgd-linf@2+lsq", "attack/*+lsq", "*+*"])
def test_a_glob_that_names_the_file_asks_every_target(field, glob):
    asked = ConditionsAsked(**{field: (glob,)})
    of = world(dataclasses.replace(SPEC, conditions=asked))
    assert who("attack/pgd-linf@2+lsq", of) == list(ALL)
    assert (who("attack/pgd-linf@2+qdq", of) == list(ALL)) == (glob == "*+*")
    plain = world(dataclasses.replace(SPEC, conditions=ConditionsAsked(globs=("attack/*",))))
    assert who("attack/pgd-linf@2+lsq", plain) == [FP32, LSQ, LSQ_AGAIN]


def test_a_decoder_with_a_filter_names_no_file():
    globs = ("pipeline/decode=pillow+resize=pillow-nearest", "pipeline/decode=*+*")
    of = world(dataclasses.replace(SPEC, conditions=ConditionsAsked(globs=globs)))
    assert who("attack/pgd-linf@2+lsq", of) == [FP32, LSQ, LSQ_AGAIN]


def test_qdq_stands_for_the_models_own_files_when_all_are_asked():
    of = world(dataclasses.replace(SPEC, conditions=ConditionsAsked(globs=("attack/pgd-linf@2+qdq",))))
    assert who("attack/pgd-linf@2+qdq", of) == list(ALL)
    assert who("attack/pgd-linf@2+lsq", of) == [FP32, LSQ, LSQ_AGAIN]


def test_images_that_stay_float_are_not_for_a_variant_that_takes_integers():
    of = world(variants={"lsq": model("sim-w4a4", "uint8"), "control": model("fp32")})
    assert who("attack/pgd-linf@0.5", of) == [FP32, INT8, FLOAT, FLOAT_INT8]
    assert who("attack/pgd-linf@1", of) == list(ALL)


def test_a_surrogate_counts_by_what_it_is_whoever_runs_it():
    of = world()
    assert what_it_is("fp32", of) is None
    assert what_it_is("lsq", of) == {"digest": "digest of sim-w4a4", "contract": {"dtype": "float32"}}
    assert what_it_is("lsq", world(targets=ALL[::-1])) == what_it_is("lsq", of)
    assert what_it_is("control-onnxruntime-int8", of) == {"target": FLOAT_INT8.id}
    assert what_it_is("resnet56", of) == {"digest": "digest of fp32"}


def a_block(files, *crossing):
    """`attacks` of summary.json: PGD at two strengths, made on the source and on each target's own file."""
    conditions, targets = {}, {}
    for name, file in files.items():
        own = {}
        for eps in (2, 8):
            for made in dict.fromkeys(["fp32", file, *crossing]):
                condition = f"attack/pgd-linf@{eps}" + ("" if made == "fp32" else f"+{made}")
                conditions[condition] = {
                    "attack": "pgd-linf",
                    "norm": "linf",
                    "eps": float(eps),
                    "surrogate": made,
                    "eight_bit": True,
                    "check": False,
                }
                own[condition] = {
                    "white_box": made == file,
                    "top1": 0.25,
                    "vs_reference": None,
                    "transfer": {"rate": 0.5, "ci95": [0.4, 0.6]},
                }
        targets[name] = {"file": file, "conditions": own}
    return {"conditions": conditions, "targets": targets}


def test_a_dozen_files_share_a_row_for_each_strength_on_their_own():
    block = a_block({"ref": "fp32", **{f"v{number}": f"v{number}" for number in range(12)}})
    rows = rows_of(block)
    assert [row.label for row in rows] == [
        "pgd-linf@2",
        "pgd-linf@8",
        "pgd-linf@2 own file",
        "pgd-linf@8 own file",
    ]
    assert rows[2].title == "PGD, L\N{INFINITY} 2/255, made on the target's own file"
    assert all(values["white_box"] for values in rows[2].cells.values())
    assert [values["white_box"] for values in rows[0].cells.values()] == [True] + [False] * 12
    assert crossed(block) == []


def test_few_files_keep_a_row_each():
    block = a_block({"ref": "fp32", "int8": "qdq-a-int8", "other": "qdq-b-int8"})
    assert [row.label for row in rows_of(block)][2:] == [
        f"pgd-linf@{eps}+qdq-{engine}-int8" for engine in "ab" for eps in (2, 8)
    ]


def test_images_that_others_were_asked_about_have_a_row_of_transfer_rates():
    block = a_block({"ref": "fp32", "a": "lsq", "b": "pact", "c": "dorefa"}, "lsq")
    (first, second) = crossed(block)
    assert (first.label, second.label) == ("pgd-linf@2+lsq", "pgd-linf@8+lsq")
    assert [words.transfer(values) for values in first.cells.values()] == ["50.00", "50.00*", "50.00", "50.00"]

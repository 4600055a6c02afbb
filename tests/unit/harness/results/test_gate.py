"""The verdict: what fails, what only warns, and what was accepted."""

import json

import pytest

from seatrial.errors import UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.report import words
from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.built import alike as alike_check
from seatrial.harness.results.checks.built import realized, repeated
from seatrial.harness.results.fallback import describe_fallback
from seatrial.harness.results.gate import decide, exit_status
from seatrial.harness.results.shares import named, spelled
from seatrial.harness.spec.gate import GateOptions, Limit
from seatrial.harness.spec.run import RunSpec


def fallback():
    return describe_fallback(
        [
            {"name": f"conv{index}", "op": "Conv", "macs": index, "requested": "int8", "realized": to, "reason": why}
            for index, to, why in ((6, "int8", None), (3, "fp32", "no Q/DQ on its input"), (1, "bf16", None))
        ]
    )


def realized_check(target, share, *, limit=None, **options):
    return realized(target, share, GateOptions(min_realized=limit).limit("realized", target), **options)


@pytest.mark.parametrize(
    ("share", "limit", "allowed", "answer", "accepted"),
    [
        (0.9, None, False, "pass", False),
        (0.8999, None, False, "fail", False),
        (0.6, 0.5, False, "pass", False),
        (0.6, 0.95, False, "fail", False),
        (0.6, 0.95, True, "pass", True),
        (0.6, None, True, "pass", True),
        (0.95, None, True, "pass", False),
        (None, 1.0, False, "pass", False),
        (0.0, 0.0, False, "pass", False),
        (1.0, 1.0, False, "pass", False),
    ],
)
def test_a_fallback_fails_and_one_that_is_allowed_passes(share, limit, allowed, answer, accepted):
    check = realized_check("e/int8@cpu", share, limit=limit, allowed=allowed, fallback=None)
    assert (check.answer, check.binding, check.accepted) == (answer, "yes", accepted)
    assert check.limit == (0.9 if limit is None else limit)
    assert ("accepted (--allow-fallback)" in check.says) == accepted


def test_an_accepted_fallback_names_its_share():
    says = realized_check("t", 0.6, limit=0.95, allowed=True).says
    assert "60.0%" in says
    assert "40.0% is accepted" in says


def check(answer, binding="yes", *, suspect=False, says="it was measured"):
    return Check(name="n", target="t", answer=answer, says=says, binding=binding, suspect=suspect)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([], "INCONCLUSIVE"),
        ([check("pass", "no"), check("pass", "failures")], "INCONCLUSIVE"),
        ([check("pass")], "ACCEPT"),
        ([check("pass"), check("fail", "no"), check("inconclusive", "no")], "ACCEPT"),
        ([check("pass"), check("inconclusive", "failures")], "ACCEPT"),
        ([check("pass"), check("inconclusive")], "INCONCLUSIVE"),
        ([check("pass"), check("inconclusive"), check("fail", "failures")], "REGRESSION"),
        ([check("fail"), check("inconclusive"), check("fail", suspect=True)], "ANOMALOUS"),
        ([check("fail"), check("fail", "no", suspect=True)], "REGRESSION"),
    ],
)
def test_verdicts(checks, verdict):
    gate = decide(checks)
    assert gate["verdict"] == verdict
    assert bool(gate["reasons"]) == (verdict != "ACCEPT")


def test_reasons_are_those_that_decided_the_worst_first():
    gate = decide([check("inconclusive", says="open"), check("fail", says="lost"), check("fail", "no", says="advice")])
    assert gate["reasons"] == ["t: lost", "t: open"]


@pytest.mark.parametrize(
    ("answer", "options", "status"),
    [
        ("pass", {}, 0),
        ("inconclusive", {}, 0),
        ("inconclusive", {"strict": True}, 1),
        ("fail", {}, 1),
        ("fail", {"advisory": True}, 0),
        ("pass", {"strict": True}, 0),
    ],
)
def test_exit_status(answer, options, status):
    gate = decide([check(answer)], GateOptions(**options))
    assert exit_status({"gate": gate, "failed": []}) == status
    assert f"exit status {status}" in words.enforcement(gate)
    assert exit_status({"gate": gate, "failed": [{"target": "t"}]}) == 3


def test_the_layers_and_reasons_are_machine_readable():
    gate = json.loads(json.dumps(decide([realized_check("t", 0.6, fallback=fallback())])))
    found = gate["checks"][0]["fallback"]
    assert found["share"] == 0.4
    assert [(layer["name"], layer["realized"], layer["share"]) for layer in found["layers"]] == [
        ("conv3", "fp32", 0.3),
        ("conv1", "bf16", 0.1),
    ]
    assert [(one["reason"], one["layers"]) for one in found["reasons"]] == [
        ("no Q/DQ on its input", 1),
        ("the runtime chose it; nothing in the file explains it", 1),
    ]


def test_a_fallback_is_told_in_words_where_it_fails_or_is_accepted():
    def lines(share, **options):
        check = decide([realized_check("ort/int8@cpu", share, fallback=fallback(), **options)])["checks"][0]
        return words.fallback_lines(check)

    assert lines(0.95) == []
    failed, accepted = lines(0.6), lines(0.6, allowed=True)
    assert failed[0].startswith("Precision fallback: ort/int8@cpu runs 40.0 % of its arithmetic, 2 layers, at another")
    assert accepted[0].startswith("Precision fallback (accepted): ort/int8@cpu")
    assert failed[1] == "30.0 %, 1 layer: no Q/DQ on its input"
    assert failed[2] == "10.0 %, 1 layer: the runtime chose it; nothing in the file explains it"
    assert failed[3] == "Largest: conv3 (Conv, fp32, 30.0 %), conv1 (Conv, bf16, 10.0 %)"


def spec(*arguments):
    return spec_of(parse_flags(make_parser(), list(arguments)))


@pytest.mark.parametrize("value", ["-0.1", "1.01", "nan", "inf", "90"])
def test_a_share_is_from_0_to_1(value, tmp_path):
    with pytest.raises(UsageError, match=r"--min-realized is .* from 0 to 1"):
        spec(f"--min-realized={value}")
    config = tmp_path / "c.yaml"
    config.write_text(f"min-realized: {'.' + value if value in ('nan', 'inf') else value}\n")
    with pytest.raises(UsageError, match="--min-realized is"):
        spec("--config", str(config))


def test_what_is_no_number_is_refused():
    with pytest.raises(UsageError, match="min-realized"):
        spec("--min-realized=most")


def test_flags_and_files_give_the_same_and_nothing_is_the_default(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("min_realized: 0.75\nallow-fallback: true\n")
    for found in (spec("--min-realized", "0.75", "--allow-fallback"), spec("--config", str(config))):
        assert (found.gate.min_realized, found.gate.allow_fallback) == (0.75, True)
    assert spec("--config", str(config), "--min-realized", "1").gate.min_realized == 1
    assert (RunSpec().gate.min_realized, RunSpec().gate.allow_fallback) == (None, False)
    assert RunSpec().gate.limit("realized", "t") == Limit(90.0)


def alike(passed):
    return {"passed": passed, "share": 0.0 if passed else 0.5, "limit": 1e-4, "says": "it was asked"}


def test_answers_that_change_are_anomalous():
    gate = decide([alike_check("e/fp32@cpu", alike(True)), alike_check("e/int8@cpu", alike(False))])
    assert gate["verdict"] == "ANOMALOUS"
    assert decide([alike_check("e/fp32@cpu", alike(True))])["verdict"] == "ACCEPT"


def test_answers_that_another_node_does_not_repeat_are_anomalous():
    same = repeated("e/int8@cpu", {"images": 64, "differing": 0, "says": []})
    assert (same.answer, same.images) == ("pass", 64)
    says = "1 of 32 images of clean are answered otherwise on b than on a"
    other = repeated("e/int8@cpu", {"images": 64, "differing": 1, "says": [says]})
    assert other.says.startswith(says)
    assert decide([same])["verdict"] == "ACCEPT"
    assert decide([same, other])["verdict"] == "ANOMALOUS"


def test_an_engine_that_leaves_out_what_draws_does_not_make_the_model_sound():
    model = {"anomalous": True, "random": ["Dropout 'd' drops values"], "mixing": []}
    check = alike_check("e/fp32@cpu", alike(True), model)
    assert check.answer == "fail"
    assert "Dropout 'd'" in check.says
    assert alike_check("e/fp32@cpu", alike(True), {**model, "anomalous": False}).answer == "pass"


def test_only_all_of_the_arithmetic_reads_as_all_of_it():
    assert [spelled(share) for share in (1.0, 0.99996, 0.9994, 0.9173, 0.0)] == [
        *("100.0%", "99.9%", "99.9%", "91.7%", "0.0%")
    ]
    assert words.realized({"int8": 0.99996, "unknown": 0.00004}) == "int8 99.9 %, unknown 0.0 %"
    assert words.realized({"int8": 1.0}) == "int8 100 %"
    assert realized_check("ort/int8@cpu", 0.99996, limit=1.0).says.startswith("99.9% of the arithmetic")
    assert named(["a", "b"]) == "a, b"
    assert named([*"abcdefg"]) == "a, b, c, d, e and 2 more"

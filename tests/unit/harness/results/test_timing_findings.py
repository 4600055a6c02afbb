"""What is said of an engine's speed, and what to do about it: of slow int8, of untrue answers, of stalls."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from summaries import make_summary

from seatrial.harness.report.words import headline
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.causes.commands import Commands
from seatrial.harness.results.causes.timing import behaviour, slow, untrue, wide
from seatrial.harness.results.fallback import describe_fallback
from seatrial.harness.results.slower import is_slower, slower
from seatrial.harness.spec.images import ImageSource
from seatrial.harness.spec.run import RunSpec

R, T = "onnxruntime/fp32@cpu", "onnxruntime/int8@cpu"
SLOW = {"ratio": 0.8, "ci95": [0.75, 0.85], "rounds": 3, "width": 0.125, "wide": None}
FAST = {"ratio": 1.93, "ci95": [1.88, 1.97], "rounds": 3, "width": 0.05, "wide": None}


def layer(name, realized="int8", macs=100):
    values = {"name": name, "node": name, "op": "Conv", "macs": macs, "requested": "int8", "realized": realized}
    return {**values, "reason": None if realized == "int8" else "no kernel"}


FELL = [layer("a"), layer("b", "fp32", 60), layer("c", "fp32", 40)]


def case(speedup, layers=(), marks=(), precision="int8", simulated=False, board=None):
    def target(name, precision, metrics, timed):
        return SimpleNamespace(
            id=name,
            engine="onnxruntime",
            device="cpu",
            board=board,
            precision=precision,
            simulated=simulated,
            metrics=metrics,
            timed=timed,
        )

    marked = [{"kind": kind, "scenario": "single_stream", "says": f"it {kind}"} for kind in marks]
    targets = [target(R, "fp32", {"speedup": None}, {}), target(T, precision, {"speedup": speedup}, {"marks": marked})]
    audit = {"targets": {name: {"layers": list(layers)} for name in (R, T)}}
    return Case({}, audit, targets, {}, [], Commands(RunSpec(images=ImageSource("val", 9)), Path("runs/m")))


def test_int8_that_is_slower_is_named_with_the_layers_that_fell_back():
    (finding,) = slow(case(SLOW, FELL))
    assert finding.cause == "slower"
    assert finding.says == (
        "int8 is slower than fp32, 1.25 times (1.18 to 1.33): 2 layers fell back, 50.0% of the arithmetic: b (Conv, "
        "fp32), c (Conv, fp32)"
    )
    assert len(finding.evidence["fallback"]["layers"]) == 2


def test_on_a_board_it_is_slower_than_fp32_there_and_the_board_is_asked_what_it_has():
    (finding,) = slow(case({**SLOW, "against": "onnxruntime/fp32@pi5/cpu"}, [layer("a")], board="pi5"))
    assert finding.says.startswith("int8 is slower than fp32 on pi5, 1.25 times (1.18 to 1.33)")
    assert finding.command == "python bench.py doctor --board pi5"


def test_without_a_fallback_it_says_so():
    (finding,) = slow(case(SLOW, [layer("a")]))
    assert finding.says.endswith("though no layer fell back")
    assert "no faster kernels" in finding.remedy


@pytest.mark.parametrize(
    "how",
    [
        {"speedup": FAST},
        {"speedup": None},
        {"speedup": {**SLOW, "ci95": [0.7, 1.02]}},
        {"speedup": SLOW, "precision": "fp32"},
        {"speedup": SLOW, "simulated": True},
    ],
)
def test_what_is_not_slower_beyond_doubt_is_not_named(how):
    assert list(slow(case(layers=FELL, **how))) == []


def test_many_layers_are_counted():
    found = describe_fallback([layer(str(index), "fp32") for index in range(7)])
    assert slower("int8", SLOW, found).endswith("2 (Conv, fp32) and 4 more")
    assert is_slower(SLOW)
    assert not is_slower(None)


def test_untrue_answers_are_the_likeliest_cause():
    one = case(SLOW, FELL, marks=("wrong", "stale", "stalls"))
    (finding,) = untrue(one)
    assert (finding.says, finding.likelihood) == ("it wrong", 0.95)
    assert len(finding.evidence["marks"]) == 2
    assert finding.command.startswith("python bench.py diff --from runs/m")


def test_what_an_engine_does_is_told_with_what_to_do():
    found = list(behaviour(case(FAST, marks=("stalls", "drift", "load", "disturbed", "wide"))))
    assert [one.cause for one in found] == ["stalls", "drift", "load"]
    assert "--scenario sustained" in found[1].command


def test_a_wide_interval_is_a_hint():
    why = "it is known to 7.0%, not to 5%: processes of the same files differ by 3.1%"
    (finding,) = wide(case({**FAST, "wide": why}))
    assert (finding.cause, finding.command) == ("wide", "python bench.py --from runs/m --starts 6 --out runs/m-longer")
    assert why in finding.says
    assert finding.likelihood < 0.5
    assert list(wide(case(FAST))) == []


def test_every_cause_stands_in_the_docs():
    page = (Path(__file__).parents[4] / "docs/findings.md").read_text(encoding="utf-8")
    causes = {
        one.cause for marks in (("wrong",), ("stalls", "drift", "load")) for one in behaviour(case(FAST, marks=marks))
    }
    for cause in (*causes, "timed-answers", "slower", "wide"):
        assert f"| `{cause}` |" in page


def test_the_headline_says_that_it_is_slower():
    summary = make_summary()
    target = summary["targets"][1]
    target["metrics"]["speedup"], target["precision"] = SLOW, "int8"
    summary["gate"]["checks"] = [{"target": target["id"], "name": "realized", "fallback": describe_fallback(FELL)}]
    says = headline(summary, target)
    assert "int8 is slower than fp32, 1.25 times (1.18 to 1.33): 2 layers fell back" in says
    target["metrics"]["speedup"] = FAST
    assert "1.93 times" in headline(summary, target)
    assert "(1.88 to 1.97)" in headline(summary, target)

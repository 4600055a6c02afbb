"""Runs whose targets are timed at several places: each by itself, and against fp32 of the same place alone."""

import dataclasses
from types import SimpleNamespace

import pytest
from conftest import make_folders, make_model
from piped_boards import PipedPlaces
from specs import flat

from seatrial.engines.boards import Board
from seatrial.engines.machine import Waited
from seatrial.exporters import ContractOptions
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.latencies import read_samples, timed
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import HERE, scenario_at
from seatrial.harness.report.words import headline
from seatrial.harness.run.run import finished
from seatrial.harness.run.timing import cool_down, sustained
from seatrial.harness.run.timing.missing import held_by
from seatrial.harness.run.timing.site import options_at
from seatrial.harness.spec.gate import Asked, GateOptions, Limit
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec
from seatrial.harness.spec.timing import TimingOptions

INT8 = TargetSpec("onnxruntime", "int8")
FAR, ALONE = (dataclasses.replace(INT8, board=name) for name in ("pi5", "nano"))
BESIDE = TargetSpec("onnxruntime", "fp32", board="pi5")
SINGLE = "single_stream"
SCENARIOS = ("single-stream", "sustained")
KEYS = {name.replace("-", "_") for name in SCENARIOS}

# Once a file is there, every engine ends when it is timed next.
ENDS = """
from seatrial.engines.timing.service import TimingService as _Service
import os
def _ends(self, *words, _time=_Service.time, **more):
    if os.path.exists({0!r}):
        os._exit(7)
    return _time(self, *words, **more)
_Service.time = _ends
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("boards")
    return (
        make_model(root / "small.onnx"),
        make_folders(root / "test", images=8),
        make_folders(root / "calib", images=4, seed=1),
    )


def spec(world, out, *targets, timing=None, **more):
    model, data, calib = map(str, world)
    options = TimingOptions(**{"starts": 2, "duration_s": 0.01, "budget_s": 0.0, "end_to_end": (), **(timing or {})})
    given = {"contract": ContractOptions(size=(16, 16)), "batch_size": 8, "conditions": ("clean",), "out": out, **more}
    return flat(RunSpec, model=model, data=data, calib=calib, targets=targets, timing=options, **given)


@pytest.fixture(scope="module")
def everything(world, tmp_path_factory):
    """Of all scenarios, on this machine, on a board with an fp32 target, and on one without."""
    out = tmp_path_factory.mktemp("run") / "run"
    limits = (Asked("speed_up", Limit(0.001)), Asked("latency_p50", Limit(1e6, place="pi5")))
    asked = spec(
        world,
        out,
        INT8,
        FAR,
        BESIDE,
        ALONE,
        timing={"scenarios": SCENARIOS, "sustained_s": 0.3},
        boards={"pi5": Board("pi5", cool_down="steady", power_command="echo 3.5")},
        gate=GateOptions(limits=limits),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sustained, "BLOCK_S", 0.1)
        patch.setattr(cool_down, "wait_for_steady", lambda probe, limit_s: Waited(probe() > 0, 0.5, "steady after 0 s"))
        summary, _ = finished(asked, places=PipedPlaces())
    return asked, summary.to_dict(), read_values(out / "timing.json"), out


def test_each_place_has_rounds_readings_and_waits_of_its_own(everything):
    _, summary, record, out = everything
    assert list(record["places"]) == [HERE, "pi5", "nano"]
    names = [REFERENCE.id, *(target.id for target in (INT8, FAR, BESIDE, ALONE))]
    assert timed(out / "latency.parquet") == {(name, key) for name in names for key in KEYS}
    for board in (None, "pi5", "nano"):
        found = scenario_at(record, board, SINGLE)
        assert [one["number"] for one in found["rounds"]] == [1, 2]
        there = sum(name.endswith(f"@{board}/cpu" if board else "@cpu") for name in names)
        assert all(one["blocks"] % there == 0 for one in found["rounds"])
    pi5 = record["places"]["pi5"]
    assert pi5["place"]["name"] == "pi5"
    assert pi5["machine"]["before"]["cores"] >= 1
    assert [one["before"] for one in pi5["cool_down"]] == ["round 1", "round 2", FAR.id, BESIDE.id]
    assert "cool_down" not in record["places"][HERE]
    assert list(summary["boards"]) == ["pi5", "nano"]
    meters = {name: set(record["targets"][name].get("energy", {})) for name in names}
    assert {name for name, found in meters.items() if "power command" in found} <= {FAR.id, BESIDE.id}


def test_speed_is_told_against_fp32_of_the_same_place_alone(everything):
    _, summary, _, out = everything
    targets = {target["id"]: target for target in summary["targets"]}
    against = {name: (one["metrics"]["speedup"] or {}).get("against") for name, one in targets.items()}
    assert against == {REFERENCE.id: None, INT8.id: REFERENCE.id, FAR.id: BESIDE.id, BESIDE.id: None, ALONE.id: None}
    assert targets[FAR.id]["metrics"]["speedups"].keys() == {"sustained"}
    assert targets[ALONE.id]["metrics"]["speedups"] == {}
    assert "fp32 on pi5" in headline(summary, targets[FAR.id])
    assert "nothing on nano runs in fp32 (--bits 32 adds it)" in headline(summary, targets[ALONE.id])
    checks = {(one["name"], one["target"]): one for one in summary["gate"]["checks"]}
    assert "fp32 on pi5" in checks["speed-up", FAR.id]["says"]
    assert checks["speed-up", ALONE.id]["answer"] == "inconclusive"
    assert ("speed-up", BESIDE.id) not in checks
    limits = {name: checks["latency p50", name]["answer"] for name in targets if name != REFERENCE.id}
    assert limits == {INT8.id: "inconclusive", FAR.id: "pass", BESIDE.id: "pass", ALONE.id: "inconclusive"}
    assert "this ran on nano" in checks["latency p50", ALONE.id]["says"]
    page = (out / "report.html").read_text()
    for words in ("over the time of the run on pi5, single stream", "pi5 before, during and after"):
        assert words in page
    assert "--bits 32" in (out / "report.md").read_text()


def test_the_same_again_times_nothing_and_another_cool_down_times_that_board(everything):
    asked, _, _, out = everything
    warmer = dataclasses.replace(asked, boards={"pi5": Board("pi5", power_command="echo 3.5")})
    held, builds = held_by(RunDirectory(out)), [Build(one) for one in (REFERENCE, INT8, FAR, BESIDE, ALONE)]
    for changed, expected in ((asked, []), (warmer, [FAR.id, BESIDE.id])):
        plan = SimpleNamespace(spec=changed)
        lacking = [held.lack(options_at(plan, board), board, "sustained", builds) for board in (None, "pi5", "nano")]
        assert lacking == [[], expected, []]


def test_a_board_that_is_lost_while_it_is_timed_ends_its_targets_and_the_same_command_goes_on(world, tmp_path):
    lost, out = tmp_path / "lost", tmp_path / "run"
    lost.touch()
    asked = spec(world, out, INT8, FAR, BESIDE, timing={"starts": 1})
    summary, _ = finished(asked, places=PipedPlaces({"pi5": ENDS.format(str(lost))}))
    told = [(one["target"], one["stage"], one["outcome"]) for one in summary.to_dict()["failed"]]
    assert sorted(told) == [(BESIDE.id, "latency", "crashed"), (FAR.id, "latency", "crashed")]
    assert {target.id for target in summary.targets} == {REFERENCE.id, INT8.id}
    kept = read_samples(out / "latency.parquet", INT8.id, SINGLE).taken.tolist()
    lost.unlink()
    summary, _ = finished(asked, places=PipedPlaces({"pi5": ENDS.format(str(lost))}))
    assert summary.status == "complete"
    assert summary.targets[2].metrics["speedup"]["against"] == BESIDE.id
    assert read_samples(out / "latency.parquet", INT8.id, SINGLE).taken.tolist() == kept

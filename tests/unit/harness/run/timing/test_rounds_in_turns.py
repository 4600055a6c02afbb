"""Rounds: who is asked when, when they end, and what stands of them, on engines with clocks of their own."""

import contextlib
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from timed_blocks import FakeEngine

from seatrial.errors import DeviceError
from seatrial.harness.progress import Silent
from seatrial.harness.records.failures import TARGET_ERRORS, failure
from seatrial.harness.run.timing import rounds
from seatrial.harness.run.timing.ready import Ready
from seatrial.harness.run.timing.rounds import Hooks, time_in_rounds
from seatrial.harness.run.timing.scenes import Scene
from seatrial.harness.run.timing.sustained import BLOCK_S, sustain
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec
from seatrial.harness.spec.timing import TimingOptions
from seatrial.harness.spec.work import WorkOptions

INT8 = TargetSpec("onnxruntime", "int8")
BUILDS = (Build(REFERENCE), Build(INT8))


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch):
    monkeypatch.setattr(rounds, "CARRIED", 99.0)


class Session:
    """As the run's, of engines that are asked nothing."""

    def __init__(self, options, builds):
        spec = SimpleNamespace(timing=options, seed=0, work=WorkOptions(1, 16))
        targets = tuple(build.target for build in builds)
        self.plan, self.progress, self.failures = SimpleNamespace(spec=spec, targets=targets), Silent(), []
        self.targets = [SimpleNamespace(id=build.id, build=build) for build in builds]

    def lost(self, name):
        return any(one.target == name for one in self.failures)

    def alive(self):
        return [target for target in self.targets if not self.lost(target.id)]

    @contextlib.contextmanager
    def noting(self, name, stage):
        try:
            yield
        except TARGET_ERRORS as error:
            self.failures.append(failure(name, stage, error))


class Preparing:
    """engines: (build id, round) -> an engine."""

    def __init__(self, session, engines):
        self._session, self._engines, self.rounds = session, engines, 0

    def own(self):
        self.rounds += 1
        made = {target.id: self._engines(target.id, self.rounds) for target in self._session.alive()}
        return {
            name: Ready(SimpleNamespace(id=name, engine=one), one.seconds, differs=0, unsteady=False)
            for name, one in made.items()
        }

    @contextlib.contextmanager
    def fresh(self):
        yield self.own()


class Watching(Hooks):
    def __init__(self):
        self.done, self.notes = {}, []

    def note(self, says):
        self.notes.append(says)

    def finished(self, scenario):
        self.done[scenario.key] = scenario


def go(engines, options=None, builds=BUILDS, scenarios=("single-stream",)):
    session = Session(options or TimingOptions(starts=3, duration_s=0.2, budget_s=0), builds)
    preparing, hooks = Preparing(session, engines), Watching()
    machine = SimpleNamespace(look=lambda every_s=1.0: None)
    time_in_rounds(session, preparing, scenarios, machine, hooks)
    return session, preparing, hooks


def test_targets_take_turns_and_all_rounds_together_carry_the_percentile():
    engines = {}

    def make(name, number):
        return engines.setdefault((name, number), FakeEngine(0.002 if name == REFERENCE.id else 0.001))

    _, preparing, hooks = go(make)
    assert preparing.rounds == 3
    found = hooks.done["single_stream"].samples()
    assert all(len(one) >= 662 for one in found.values())
    assert all(set(one.round.tolist()) == {1, 2, 3} for one in found.values())
    first = [note.rpartition(" ")[2] for note in hooks.notes if "round 1" in note]
    assert first[:4] == [REFERENCE.id, INT8.id, INT8.id, REFERENCE.id]
    for name in (REFERENCE.id, INT8.id):
        asked = [block for number in (1, 2, 3) for block in engines[name, number].asked]
        ends = np.cumsum([block.queries for block in asked])
        assert [block.first for block in asked] == [0, *ends[:-1]], "no query is asked twice"
    entry = hooks.done["single_stream"].entries()[INT8.id]
    assert (entry["unsteady"], entry["expected_differs"], entry["wrong"]) == (False, 0, 0)
    assert [one["number"] for one in hooks.done["single_stream"].record()["rounds"]] == [1, 2, 3]


def test_rounds_end_once_the_speed_up_is_told_closely():
    options = TimingOptions(starts=3, duration_s=0.2, budget_s=60)
    _, preparing, hooks = go(lambda name, number: FakeEngine(0.001), options)
    assert (preparing.rounds, hooks.done["single_stream"].finished) == (3, "narrow")


def test_processes_that_differ_cost_further_rounds_until_the_budget_is_spent(monkeypatch):
    clock = iter(np.arange(0, 1e6, 5.0))
    monkeypatch.setattr(rounds.time, "monotonic", lambda: float(next(clock)))
    options = TimingOptions(starts=3, duration_s=0.2, budget_s=60)
    speeds = np.random.default_rng(0).uniform(0.5, 2.0, 100)
    _, preparing, hooks = go(
        lambda name, number: FakeEngine(0.001 * speeds[number] if name == INT8.id else 0.001), options
    )
    assert hooks.done["single_stream"].finished == "budget"
    assert 4 <= preparing.rounds <= 8


def test_a_disturbed_round_is_repeated_and_does_not_stand():
    options = TimingOptions(starts=3, duration_s=0.2, budget_s=60)
    _, preparing, hooks = go(lambda name, number: FakeEngine(0.001, others=0.8 if number == 2 else 0), options)
    found = hooks.done["single_stream"]
    assert (preparing.rounds, found.finished) == (4, "narrow")
    assert [one["kept"] for one in found.record()["rounds"]] == [True, False, True, True]
    assert "other processes took 80% of a core" in found.record()["rounds"][1]["reasons"]
    samples = found.samples()[INT8.id]
    assert set(samples.round[samples.kept].tolist()) == {1, 3, 4}


def test_where_all_rounds_are_disturbed_all_stand_with_their_reasons():
    _, preparing, hooks = go(lambda name, number: FakeEngine(0.001, others=0.8))
    record = hooks.done["single_stream"].record()
    assert (preparing.rounds, record["stopped"]) == (3, "asked")
    assert all(one["kept"] and one["reasons"] for one in record["rounds"])
    assert hooks.done["single_stream"].samples()[INT8.id].kept.all()


def test_a_target_that_fails_in_a_later_round_is_lost_and_the_others_go_on():
    def make(name, number):
        broken = name == INT8.id and number == 2
        return FakeEngine(0.001, fails_in=(2, DeviceError("the device is gone")) if broken else None)

    session, _, hooks = go(make)
    assert [(one.target, one.stage, one.says) for one in session.failures] == [
        (INT8.id, "latency", "the device is gone")
    ]
    found = hooks.done["single_stream"]
    assert set(found.samples()) == set(found.entries()) == {REFERENCE.id}
    assert set(found.samples()[REFERENCE.id].round.tolist()) == {1, 2, 3}


def test_without_the_reference_nothing_can_be_compared():
    with pytest.raises(DeviceError, match="gone"):
        go(lambda name, number: FakeEngine(0.001, fails_in=(1, DeviceError("gone")) if name == REFERENCE.id else None))


def test_scenarios_share_the_processes_of_a_round_and_end_each_for_itself():
    _, preparing, hooks = go(
        lambda name, number: FakeEngine(0.001), scenarios=("single-stream", "multi-stream", "offline")
    )
    assert preparing.rounds == 3
    assert set(hooks.done) == {"single_stream", "multi_stream", "offline"}
    offline = hooks.done["offline"].entries()[INT8.id]
    assert (offline["batch"], offline["workers"]) == (16, 1)
    multi = hooks.done["multi_stream"].samples()[INT8.id]
    assert np.median(multi.taken) == pytest.approx(8e6)
    assert len(multi) >= 662


def test_builds_are_timed_too():
    builds = (Build(REFERENCE), Build(INT8), Build(INT8, 2))
    _, _, hooks = go(lambda name, number: FakeEngine(0.001), builds=builds)
    assert set(hooks.done["single_stream"].samples()) == {build.id for build in builds}


def test_an_engine_of_seconds_is_asked_a_few_times_and_no_more():
    options = TimingOptions(starts=3, duration_s=0.5, budget_s=0)
    _, _, hooks = go(lambda name, number: FakeEngine(2.0), options)
    spent = hooks.done["single_stream"].samples()[INT8.id].taken.sum() / 1e9
    assert 30 <= spent <= 62


def test_sustained_goes_on_for_as_long_as_asked_and_reads_the_machine_meanwhile():
    engine = FakeEngine(0.01)
    ready = Ready(SimpleNamespace(id="a", engine=engine), 0.01, differs=0, unsteady=False)
    machine = SimpleNamespace(look=lambda every_s: {"at_s": 0.0, "celsius": {"cpu": 50 + engine.now / 10}})
    takings, readings = sustain(
        ready, Scene("sustained", 1, 1), machine, seconds=32.0, seed=0, clock=lambda: engine.now
    )
    assert engine.now == pytest.approx(32.0)
    assert len(takings) == len(readings) == -(-32 // BLOCK_S)
    assert [one.begin_ns / 1e9 for one in takings] == pytest.approx([0, 5, 10, 15, 20, 25, 30])
    assert [one["at_s"] for one in readings] == pytest.approx([5, 10, 15, 20, 25, 30, 32])
    assert [block.first for block in engine.asked] == [500 * index for index in range(7)]
    assert {dataclasses.replace(block, first=0, seconds=5.0).scenario for block in engine.asked} == {"sustained"}

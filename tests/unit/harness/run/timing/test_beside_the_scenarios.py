"""What is measured beside the scenarios: device clocks, meters, the machine, the logs of a load generator."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
from timed_blocks import FakeEngine, timed

from seatrial.engines.boards import Board
from seatrial.engines.machine import Waited
from seatrial.engines.places import LOCAL
from seatrial.engines.timing.loadgen_log import LOGS, LoadgenResult
from seatrial.errors import DeviceError, EngineDiedError, UnsupportedError, UsageError
from seatrial.harness.progress import Silent
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.timing import asked, cool_down
from seatrial.harness.run.timing.asked import asked_of
from seatrial.harness.run.timing.cool_down import CoolDown
from seatrial.harness.run.timing.device import device_phases
from seatrial.harness.run.timing.loadgen import ask_loadgen, entry_of, folder_of, keep_logs
from seatrial.harness.run.timing.machine import Machine
from seatrial.harness.run.timing.metered import metered
from seatrial.harness.run.timing.ready import Ready, fitting
from seatrial.harness.run.timing.site import options_at
from seatrial.harness.run.timing.sweep import figures
from seatrial.harness.spec.targets import REFERENCE, TargetSpec
from seatrial.harness.spec.timing import TimingOptions
from seatrial.packages import PackageError


class Session:
    def __init__(self):
        self.told, self.failed, self.targets = [], {}, []
        self.progress = SimpleNamespace(tell=self.told.append)

    def lost(self, name):
        return name in self.failed

    def alive(self):
        return [target for target in self.targets if not self.lost(target.id)]

    def lose(self, name, stage, error):
        self.failed[name] = error

    @contextlib.contextmanager
    def noting(self, name, stage):
        try:
            yield
        except DeviceError as error:
            self.failed[name] = error


def ready(name, phases):
    def answer(index):
        if isinstance(phases, Exception):
            raise phases
        return phases(index)

    engine = SimpleNamespace(phases=answer)
    return Ready(SimpleNamespace(id=name, engine=engine), 0.001, differs=0, unsteady=False)


def test_device_clocks_are_medians_and_missing_where_there_is_none():
    session = Session()
    found = device_phases(
        session,
        {
            "gpu": ready("gpu", lambda index: {"h2d": 0.1, "compute": float(index), "d2h": 0.2}),
            "cpu": ready("cpu", lambda index: {}),
            "odd": ready("odd", lambda index: {"compute": 1.0} if index else {"h2d": 1.0}),
        },
        5,
    )
    assert found == {"gpu": {"h2d_ms": 0.1, "compute_ms": 2.0, "d2h_ms": 0.2}}
    assert session.told == []


@pytest.mark.parametrize("error", [UnsupportedError("no events"), DeviceError("no events")])
def test_a_device_clock_that_fails_loses_nothing_else_and_is_told(error):
    session = Session()
    assert device_phases(session, {"gpu": ready("gpu", error)}, 5) == {}
    assert session.told == ["gpu: the device's own clock does not tell: no events"]
    assert session.failed == {}


def test_an_engine_that_dies_of_it_is_lost():
    session = Session()
    device_phases(session, {"gpu": ready("gpu", EngineDiedError("crashed (SIGSEGV)", "crashed"))}, 5)
    assert list(session.failed) == ["gpu"]
    assert session.told == []


class Meter:
    name, says = "power command", "watts"

    def __init__(self, joules):
        self._joules = iter(joules)

    def joules(self):
        found = next(self._joules)
        if found is None:
            raise DeviceError("silent")
        return found

    def close(self):
        pass


def test_a_meter_of_this_machine_counts_for_the_block_alone():
    """Two seconds went by until the answer was here, at 30 watts; the block took one."""
    clock = iter([10.0, 12.0])
    found = metered(lambda: timed([10**9], joules={"card": 5.0}), Meter([100.0, 160.0]), lambda: next(clock))
    assert found.counters.joules == {"card": 5.0, "power command": pytest.approx(30.0)}


@pytest.mark.parametrize("joules", [[None, 5.0], [5.0, None]])
def test_a_meter_that_is_silent_leaves_the_block_as_it_is(joules):
    block = timed([10**9], joules={"card": 5.0})
    assert metered(lambda: block, Meter(joules), iter([0.0, 1.0]).__next__) is block
    assert metered(lambda: block, None) is block


def board(*readings):
    """A session with a target there for each of some readings in order."""
    pi5 = SimpleNamespace(name="pi5")

    def target(name, found):
        def machine():
            one = next(found)
            if isinstance(one, Exception):
                raise one
            return one

        return SimpleNamespace(id=name, engine=SimpleNamespace(place=pi5, machine=machine))

    session = Session()
    session.targets = [target(f"{number}", iter(found)) for number, found in enumerate(readings)]
    return session


def test_a_board_is_read_by_its_own_process_now_and_then():
    now = [0.0]
    machine = Machine(board([{"cores": 1}, {"cores": 2}, {"cores": 3}]), lambda: now[0])
    assert machine.look() is None, "it was read a moment ago"
    now[0] = 1.5
    assert machine.look() == {"at_s": 1.5, "cores": 2}
    assert machine.look() is None
    assert machine.to_dict() == {"before": {"cores": 1}, "during": [{"at_s": 1.5, "cores": 2}], "after": {"cores": 2}}
    now[0] = 9.0
    assert machine.to_dict()["after"] == {"cores": 3}


def test_a_board_that_sends_what_is_no_reading_tells_nothing():
    now, session = [0.0], board([{"cores": 1}, DeviceError("no answer"), DeviceError("no answer")])
    machine = Machine(session, lambda: now[0])
    now[0] = 5.0
    assert machine.look() is None
    now[0] = 9.0
    assert machine.to_dict() == {"before": {"cores": 1}, "during": [], "after": None}
    assert session.failed == {}


def test_a_process_that_died_ends_its_target_and_the_next_one_tells_of_the_board():
    now, died = [0.0], EngineDiedError("crashed", "crashed")
    session = board([{"cores": 1}, died], [{"cores": 2}, EngineDiedError("the board was cut off", "crashed")])
    machine = Machine(session, lambda: now[0])
    now[0] = 5.0
    assert machine.look()["cores"] == 2
    assert session.failed == {"0": died}
    now[0] = 9.0
    assert machine.to_dict()["after"] is None
    assert list(session.failed) == ["0", "1"], "once the board is gone, so are all of its targets"


def test_this_machine_is_read_here():
    session = Session()
    session.targets = [SimpleNamespace(id="a", engine=SimpleNamespace(place=LOCAL))]
    found = Machine(session)
    assert found.before["cores"] >= 1


def test_cool_down_waits_as_asked(monkeypatch):
    calls = []

    def steady(probe, *, limit_s):
        calls.append(("steady", probe(), limit_s))
        return Waited(True, 2.0, "steady")

    def celsius(now, target, *, limit_s):
        calls.append(("celsius", now(), target, limit_s))
        return Waited(False, 9.0, "still warm")

    monkeypatch.setattr(cool_down, "wait_for_steady", steady)
    monkeypatch.setattr(cool_down, "wait_for_celsius", celsius)
    engine = SimpleNamespace(probe=lambda: 1234)
    machine = SimpleNamespace(read=lambda: {"celsius": {"cpu": 61.0}})
    assert CoolDown(TimingOptions(), machine).wait("round 1", engine) is None
    first = CoolDown(TimingOptions(cool_down="steady", cool_down_s=7.0), machine)
    first.wait("round 1", engine)
    assert first.waited == [{"before": "round 1", "reached": True, "seconds": 2.0, "says": "steady"}]
    CoolDown(TimingOptions(cool_down="45"), machine).wait("a", engine)
    assert calls == [("steady", 1234.0, 7.0), ("celsius", 61.0, 45.0, 300.0)]


def result(logs):
    return LoadgenResult(
        version="6.0.1",
        valid=False,
        says=("the minimum duration was not reached",),
        milliseconds={"p50": 1.0, "p90": 2.0},
        bounds_ms={"p90": 2.5},
        images_per_s=None,
        queries=700,
        service=np.arange(700),
        checked=700,
        wrong=0,
        worst=0.0,
        logs=logs,
    )


def test_logs_of_the_load_generator_are_kept_under_names_that_harm_nothing(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    logs = {name: f"it is {name}" for name in LOGS} | {"../../evil.txt": "x"}
    kept = keep_logs(directory, "../a/int8@cpu", "single_stream", result(logs))
    assert [path.rpartition("/")[2] for path in kept] == list(LOGS)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {directory.root / path for path in kept}
    assert all((directory.root / path).read_text() == f"it is {path.rpartition('/')[2]}" for path in kept)
    assert kept[0].startswith("loadgen/")
    assert len({folder_of(name) for name in ("a/b@cpu", "a-b@cpu", "a/b@cpu#2", "..", ".")}) == 5


def test_an_entry_of_the_load_generator_has_its_figures():
    found = entry_of(result({}), ["loadgen/x/log"])
    assert (found["p50_ms"], found["p90_ms"], found["samples"], found["version"]) == (1.0, 2.0, 700, "6.0.1")
    assert found["logs"] == ["loadgen/x/log"]
    assert found["images_per_s"] is None


def test_the_load_generator_is_asked_for_what_it_has(tmp_path):
    blocks = []
    engine = FakeEngine()
    engine.loadgen = lambda block, *, bound_ms: blocks.append((block, bound_ms)) or result({})
    one = Ready(SimpleNamespace(id="a", engine=engine), 0.001, differs=0, unsteady=False)
    spec = SimpleNamespace(timing=TimingOptions(starts=3, duration_s=2.0), seed=5, work=SimpleNamespace(batch_size=8))
    session = SimpleNamespace(plan=SimpleNamespace(spec=spec), directory=RunDirectory(tmp_path))
    assert ask_loadgen(session, one, "sustained", None) is None
    assert ask_loadgen(session, one, "server", None) is None
    assert ask_loadgen(session, one, "server", 40.0)["samples"] == 700
    ask_loadgen(session, one, "single-stream", 40.0)
    ask_loadgen(session, one, "offline", None)
    assert [(block.scenario, block.rate, block.queries, block.samples) for block, _ in blocks] == [
        ("server", 40.0, 662, 1),
        ("single-stream", None, 64, 1),
        ("offline", None, 1, 8),
    ]
    assert {(block.seconds, block.seed, bound) for block, bound in blocks} == {(6.0, 5, 15.0)}


def test_figures_of_a_point_tell_no_percentile_that_is_not_carried():
    few, many = figures(timed([10**7] * 63), 4), figures(timed([10**7] * 64), 4)
    assert (few["images_per_s"], few["p50_ms"], few["p90_ms"], few["queries"]) == (400.0, 10.0, None, 63)
    assert many["p90_ms"] == 10.0


def plan(boards=(), **options):
    spec = SimpleNamespace(timing=TimingOptions(end_to_end=(), **options), boards={one.name: one for one in boards})
    targets = [REFERENCE, *(TargetSpec("onnxruntime", "int8", board=one.name) for one in boards)]
    return SimpleNamespace(spec=spec, targets=targets, progress=Silent())


def test_what_is_missing_is_told_before_anything_is_built(monkeypatch):
    def missing():
        raise PackageError("--loadgen needs mlperf_loadgen", "pip install it")

    monkeypatch.setattr(asked.loadgen, "module", missing)
    monkeypatch.setattr(asked, "feeds_of", lambda plan, patterns: ())
    with pytest.raises(PackageError, match="loadgen"), asked_of(plan(loadgen=True)):
        pass
    with pytest.raises(UsageError, match="--power-command"), asked_of(plan(power_command="/nonexistent/meter")):
        pass
    with asked_of(plan()) as found:
        assert found.power == {}
    with asked_of(plan(power_command="echo 12.5")) as found:
        assert found.power[None].joules() >= 0


def test_a_board_has_a_meter_and_a_cool_down_of_its_own(monkeypatch):
    monkeypatch.setattr(asked, "feeds_of", lambda plan, patterns: ())
    boards = [Board("pi5", cool_down="45", power_command="echo 3.5"), Board("jetson")]
    run = plan(boards, power_command="echo 60", cool_down="steady")
    found = {board: options_at(run, board) for board in (None, "pi5", "jetson", "of an alias")}
    assert {board: one.cool_down for board, one in found.items()} == {
        None: "steady",
        "pi5": "45",
        "jetson": "steady",
        "of an alias": "steady",
    }
    assert found["jetson"].power_command is None, "what is drawn here says nothing of a board"
    with asked_of(run) as meters:
        assert set(meters.power) == {None, "pi5"}
        assert meters.power["pi5"].says == "the output of echo, as given by power_command of the board pi5"
    with (
        pytest.raises(UsageError, match="power_command of the board pi5: there is no command"),
        asked_of(plan([Board("pi5", power_command="/nonexistent/meter")])),
    ):
        pass
    with pytest.raises(UsageError, match="is no temperature"), asked_of(plan([Board("pi5", cool_down="cold")])):
        pass


def test_slow_engines_are_prepared_with_fewer_queries():
    assert [fitting(seconds) for seconds in (0.0, 0.01, 0.1, 0.5, 1.0, 60.0)] == [32, 32, 25, 5, 4, 4]

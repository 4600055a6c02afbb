"""Files of a run directory, each read without the rest of the run: that takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import mutators
from fuzz.readers.table import reader
from fuzz.readers.world import in_run, sealed_table, sealed_values, whole_again, world


def _directly(name: str, file: str, **more: Any) -> Callable[[Callable[[Path, Path], Any]], Any]:
    """A reader of one file of a run, without the run: it takes milliseconds."""

    def add(read: Callable[[Path, Path], Any]) -> Any:
        def of_path(path: Path) -> None:
            with whole_again(path) as run:
                read(run, path)

        return reader(name, **{**in_run(file), **more})(of_path)

    return add


@_directly("run's spec", "run.json", mutators=mutators.JSON, seal=sealed_values)
def _read_spec(run: Path, path: Path) -> None:
    from seatrial.harness.records.spec import spec_of_run

    spec_of_run(run)


def _read_listed(run: Path, path: Path) -> None:
    from seatrial.harness.records.listing import runs_in

    runs_in(run.parent)


_directly("runs, by what was asked", "run.json", mutators=mutators.JSON, seal=sealed_values)(_read_listed)
_directly("runs, by their summaries", "summary.json", mutators=mutators.JSON)(_read_listed)


@_directly("damage of a run", "audit.json", mutators=mutators.JSON, seal=sealed_values)
def _drop_damaged(run: Path, path: Path) -> None:
    from seatrial.harness.records.mend import drop_damaged
    from seatrial.harness.records.rundir import RunDirectory

    drop_damaged(RunDirectory(run), lambda sentence: None)


@_directly("timing", "timing.json", mutators=mutators.JSON, seal=sealed_values)
def _read_timing(run: Path, path: Path) -> None:
    from seatrial.harness.records.rundir import RunDirectory
    from seatrial.harness.results.timing.record import TimedRun

    timed = TimedRun.read(RunDirectory(run))
    timed.width, timed.budget_s  # noqa: B018
    for build, key in timed.pairs:
        timed.entry(build, key)
        timed.rounds(None, key)
        timed.stopped(None, key)


@_directly("latencies", "latency.parquet", mutators=mutators.TABLE, seal=sealed_table)
def _read_latencies(run: Path, path: Path) -> None:
    from seatrial.harness.records.latencies import read_latencies, read_samples, timed

    for target, scenario in timed(path):
        read_samples(path, target, scenario)
        read_latencies(path, [target])


@_directly("trials", "trials/*.parquet", mutators=mutators.TABLE, seal=sealed_table)
def _read_trials(run: Path, path: Path) -> None:
    from seatrial.harness.records.trials import is_finished, read_any_trial, read_trial, trials_in

    trials_in(path.parent)
    is_finished(path.parent, path.stem)
    ids, _ = read_any_trial(path)
    read_trial(path.parent, path.stem, ids, 4)


@_directly("attack rows", "attacks/*.parquet", mutators=mutators.TABLE, seal=sealed_table)
def _read_attack_rows(run: Path, path: Path) -> None:
    import pyarrow.parquet as pq

    from seatrial.harness.attacks.rows import chunk_keys, read_attack_rows

    chunk_keys(run, path.stem)
    ids = pq.read_table(run.parent / "whole/attacks" / path.name)["image_id"].to_pylist()
    read_attack_rows(run, path.stem, ids)


def _trial_lines(root: Path) -> list[bytes]:
    from conftest import bench

    return ["\n".join(bench(["trial", "--from", world(root) / "whole"]).stdout.splitlines()[:2]).encode()]


@reader("trial's description", _trial_lines, mutators=mutators.JSON_LINES, suffix=".jsonl", weight=8)
def _read_trial_lines(path: Path) -> None:
    from seatrial.harness.command.trial import _read
    from seatrial.harness.run.trial import _checked
    from seatrial.harness.spec.kept import from_dict
    from seatrial.harness.spec.run import RunSpec

    for description in _read(str(path)):
        _checked(description)
        from_dict(RunSpec, description["spec"])

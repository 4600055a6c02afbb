"""What the page shows beside the summary is read from the run directory, a target and a scenario at a time."""

import numpy as np
import pytest
from timed_runs import NAMES, make_timed, make_timing

from seatrial.errors import SeatrialError
from seatrial.harness.records import latencies
from seatrial.harness.records.latencies import Samples, latency_table, write_latencies
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.timing import scenario_at, write_timing
from seatrial.harness.report import beside
from seatrial.harness.report.beside import shown_of

FP32, INT8, OTHER = NAMES


def samples(taken, kept=True):
    count = len(taken)
    whole = np.ones(count, np.int32)
    taken = np.asarray(taken, np.int64)
    begin = np.cumsum(taken)
    return Samples(begin, taken, taken, whole, whole, np.full(count, kept), np.zeros(count, bool), np.full(count, ""))


@pytest.fixture
def directory(tmp_path):
    found = RunDirectory(tmp_path)
    write_timing(found.timing, make_timing())
    stall = [1_000_000] * 500 + [90_000_000] + [1_000_000] * 500
    tables = [
        latency_table(INT8, "single_stream", samples([1_000_000] * 100)),
        latency_table(FP32, "sustained", samples(stall)),
        latency_table(FP32, "single_stream", samples([2_000_000] * 100)),
        latency_table(FP32, "server", samples([3_000_000] * 100)),
        latency_table(f"{FP32}#2", "single_stream", samples([2_000_000] * 100)),
    ]
    write_latencies(found.latency, tables)
    return found


def test_samples_and_timing_are_read(directory):
    shown = shown_of(directory, make_timed())
    assert {key: list(found) for key, found in shown.tracks.items()} == {
        "single_stream": [FP32, INT8],
        "sustained": [FP32],
    }, "the targets in the order of the summary; the search for a rate is not drawn, nor is a further build"
    assert shown.tracks["sustained"][FP32].high_ms.max() == 90
    assert shown.tracks["single_stream"][FP32].queries == 100
    assert scenario_at(shown.timing, None, "single_stream")["rounds"][1]["kept"] is False


def test_one_target_in_one_scenario_is_in_memory_at_a_time(directory, monkeypatch):
    alive = []

    def read(path, target, scenario):
        alive.append((target, scenario))
        return latencies.read_samples(path, target, scenario)

    monkeypatch.setattr(beside, "read_samples", read)
    shown_of(directory, make_timed())
    assert len(alive) == len(set(alive)) == 3


def test_a_run_that_timed_nothing_shows_nothing(tmp_path):
    shown = shown_of(RunDirectory(tmp_path), make_timed())
    assert shown.tracks == {}
    assert shown.timing["targets"] == {}


def test_a_file_that_is_none_is_named(directory):
    directory.latency.write_bytes(b"no parquet")
    with pytest.raises(SeatrialError, match=r"latency\.parquet"):
        shown_of(directory, make_timed())


def test_millions_of_queries_become_a_drawing_without_losing_their_slowest():
    queries = 2_000_000
    taken = np.random.default_rng(0).integers(400_000, 600_000, queries)
    taken[1_234_567] = 80_000_000
    found = beside.track(np.cumsum(taken), taken, np.ones(queries, bool))
    assert len(found.at_s) + len(found.shares) < 1000
    assert (found.high_ms.max(), found.taken_ms[-1]) == (80, 80)

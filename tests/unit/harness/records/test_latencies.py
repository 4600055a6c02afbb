"""latency.parquet: samples of several targets and scenarios, added one after the other."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.errors import BadInputError, DamagedError
from seatrial.harness.records.checked import write_table, write_values
from seatrial.harness.records.latencies import (
    SCHEMA,
    Samples,
    add_latencies,
    concatenate,
    latency_table,
    read_latencies,
    read_samples,
    timed,
    timed_targets,
    write_latencies,
)
from seatrial.harness.records.timing import at_place, board_of, place_key, read_timing, scenario_at, write_timing

ONE, TWO = ("onnxruntime/int8@cpu", "single_stream"), ("onnxruntime/int8@cpu#2", "single_stream")
SERVER = (ONE[0], "server")


def samples(count, seed=0, setting=""):
    rng = np.random.default_rng(seed)
    return Samples(
        begin=np.cumsum(rng.integers(1, 10**7, count)),
        taken=rng.integers(1, 2**40, count),
        service=rng.integers(1, 2**40, count),
        round=rng.integers(1, 4, count).astype(np.int32),
        block=rng.integers(0, 9, count).astype(np.int32),
        kept=rng.random(count) < 0.7,
        fresh=rng.random(count) < 0.5,
        setting=np.full(count, setting),
    )


def same(found, expected):
    return all(
        np.array_equal(getattr(found, field.name), getattr(expected, field.name))
        and getattr(found, field.name).dtype.kind == getattr(expected, field.name).dtype.kind
        for field in dataclasses.fields(Samples)
    )


def test_samples_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "latency.parquet"
    add_latencies(path, {ONE: samples(100), TWO: samples(50, 1)})
    rates = concatenate([samples(30, 2, "rate=12.5"), samples(40, 3, "rate=25")])
    add_latencies(path, {SERVER: rates})
    assert timed(path) == {ONE, TWO, SERVER}
    assert timed_targets(path) == {ONE[0], TWO[0]}
    assert same(read_samples(path, *ONE), samples(100))
    assert same(read_samples(path, *TWO), samples(50, 1))
    assert same(read_samples(path, *SERVER), rates)
    table = pq.read_table(path)  # any reader of Parquet opens it
    assert table.column_names == SCHEMA.names
    assert len(table) == 220
    assert set(table["setting"].to_pylist()) == {"", "rate=12.5", "rate=25"}


def test_what_is_timed_again_takes_the_place_of_what_was(tmp_path):
    path = tmp_path / "latency.parquet"
    add_latencies(path, {ONE: samples(100), SERVER: samples(10, 5)})
    add_latencies(path, {ONE: samples(20, 7)})
    assert same(read_samples(path, *ONE), samples(20, 7))
    assert same(read_samples(path, *SERVER), samples(10, 5))


def test_latencies_are_those_of_the_rounds_that_are_kept(tmp_path):
    path, found = tmp_path / "latency.parquet", samples(100)
    add_latencies(path, {ONE: found})
    kept = [int(value) for value, keep in zip(found.taken, found.kept, strict=True) if keep]
    assert read_latencies(path, [ONE[0]])[ONE[0]].tolist() == kept
    add_latencies(path, {ONE: dataclasses.replace(found, kept=np.zeros(100, np.bool_))})
    with pytest.raises(BadInputError, match="are kept"):
        read_latencies(path, [ONE[0]])


def test_of_a_generator_one_table_is_in_memory_at_a_time(tmp_path):
    path, alive = tmp_path / "latency.parquet", []

    def tables():
        for seed in range(5):
            before = pa.total_allocated_bytes()
            table = latency_table("a", "sustained", samples(200_000, seed))
            alive.append(before)
            yield table
            del table

    write_latencies(path, tables())
    assert alive[-1] < alive[0] + 200_000 * 40
    assert len(read_samples(path, "a", "sustained")) == 1_000_000


def test_a_file_of_one_scenario_alone_is_timed_again(tmp_path):
    path = tmp_path / "latency.parquet"
    before = {"target": ["a"], "scenario": ["single_stream"], "nanoseconds": [1]}
    write_table(path, pa.table(before))
    assert timed(path) == set()
    add_latencies(path, {ONE: samples(3)})
    assert timed(path) == {ONE}


def test_what_is_no_latency_file_is_refused(tmp_path):
    path = tmp_path / "latency.parquet"
    add_latencies(path, {ONE: samples(3)})
    with pytest.raises(BadInputError, match="no samples of x in single_stream"):
        read_samples(path, "x", "single_stream")
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"?" + content[41:])
    for read in (timed, lambda path: read_samples(path, *ONE), lambda path: add_latencies(path, {})):
        with pytest.raises(DamagedError):
            read(path)
    write_table(path, pa.table({"a": [1]}))
    with pytest.raises(BadInputError, match="its columns are a"):
        timed(path)
    mixed = pa.concat_tables([latency_table("a", "server", samples(1)), latency_table("b", "server", samples(1))])
    write_table(path, mixed.unify_dictionaries().combine_chunks())
    with pytest.raises(BadInputError, match="of several targets"):
        timed(path)


def test_what_was_not_timed_yet_is_empty(tmp_path):
    path = tmp_path / "timing.json"
    assert read_timing(path) == {"schema": 2, "places": {}, "targets": {}}
    write_timing(path, {"targets": {"a": {"device": {"compute_ms": 1.5}}}})
    assert read_timing(path)["targets"]["a"]["device"] == {"compute_ms": 1.5}
    write_values(path, {"schema": 3})
    with pytest.raises(BadInputError, match="schema 3"):
        read_timing(path)


def test_what_was_written_when_a_run_knew_one_place_is_of_this_machine(tmp_path):
    path = tmp_path / "timing.json"
    stream = {"rounds": [{"number": 1, "kept": True}], "asked": {"starts": 3}}
    machine = {"before": {"cores": 2}, "during": [], "after": None}
    old = {"schema": 1, "place": {"name": "this machine"}, "machine": machine, "scenarios": {"single_stream": stream}}
    write_values(path, {**old, "options": {"starts": 3}, "targets": {"a": {}}, "parts": {"sweep": {}}})
    found = read_timing(path)
    assert scenario_at(found, None, "single_stream") == stream
    assert at_place(found, None)["machine"] == machine
    assert at_place(found, "pi5") == scenario_at(found, "pi5", "single_stream") == {}
    assert (found["options"], found["targets"], found["parts"]) == ({"starts": 3}, {"a": {}}, {"sweep": {}})
    write_timing(path, found)
    assert read_timing(path) == found
    write_values(path, {"schema": 1})
    assert read_timing(path) == {"schema": 2, "places": {}, "targets": {}}


def test_a_builds_place_stands_in_its_id():
    assert board_of("onnxruntime/int8@cpu#2") is None
    assert board_of("tensorrt/fp16@orin-nano/cuda:0") == "orin-nano"
    assert (place_key(None), place_key("pi5")) == ("this machine", "pi5")


@pytest.mark.parametrize("column", ["begin", "taken", "service"])
@pytest.mark.parametrize("value", [-1, 2**62])
def test_times_that_no_clock_tells_are_somebody_elses(tmp_path, column, value):
    path, wrong = tmp_path / "latency.parquet", samples(5)
    getattr(wrong, column)[3] = value
    write_latencies(path, [latency_table(*ONE, wrong)])
    with pytest.raises(BadInputError, match=r"is not a latency file \(\w+ from "):
        read_samples(path, *ONE)

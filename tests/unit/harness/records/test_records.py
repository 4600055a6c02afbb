"""Prediction rows, trial files, run directories and the verdict."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.special

from seatrial.errors import BadInputError, DamagedError, UsageError
from seatrial.files import replacing, temporary_beside, write_json
from seatrial.harness.records.checked import read_table, write_table, write_values
from seatrial.harness.records.mend import drop_leftovers
from seatrial.harness.records.predictions import concatenate, rows_of
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import (
    About,
    is_finished,
    read_any_trial,
    read_trial,
    trial_path,
    write_trial,
)

IDS = [f"class/{n}.jpg" for n in range(20)]
KEY = "ab" * 32
ABOUT = About("onnxruntime/int8@cpu", "corruption/pixelate@3")


def logits(count=20, classes=7, seed=0):
    return np.random.default_rng(seed).standard_normal((count, classes)).astype(np.float32) * 3


def test_rows_are_softmax_and_sorted_classes():
    values, labels = logits(), np.arange(20) % 7
    rows = rows_of(values, labels)
    probabilities = scipy.special.softmax(values.astype(np.float64), axis=1)
    ordered = np.sort(probabilities, axis=1)[:, ::-1]
    np.testing.assert_array_equal(rows.top1, values.argmax(axis=1))
    np.testing.assert_allclose(rows.p_top1, ordered[:, 0], rtol=1e-6)
    np.testing.assert_allclose(rows.margin, ordered[:, 0] - ordered[:, 1], rtol=1e-5, atol=1e-7)
    expected5 = [label in np.argsort(-row)[:5] for label, row in zip(labels, values, strict=True)]
    np.testing.assert_array_equal(rows.correct5, expected5)


def test_equal_logits_go_to_the_lower_class():
    rows = rows_of(np.zeros((2, 8), np.float32), np.array([0, 4]))
    assert rows.top.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert rows.correct.tolist() == [True, False]
    assert rows.margin.tolist() == [0, 0]


def test_rows_do_not_depend_on_the_batch():
    values, labels = logits(), np.arange(20) % 7
    whole = rows_of(values, labels)
    parts = concatenate([rows_of(values[i : i + 3], labels[i : i + 3]) for i in range(0, 20, 3)])
    for name in ("label", "top", "p_top1", "margin"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("classes", [1, 2, 4, 1000])
def test_a_trial_comes_back_as_it_was_written(tmp_path, classes):
    rows = rows_of(logits(classes=classes), np.zeros(20, np.int64))
    assert not is_finished(tmp_path, KEY)
    write_trial(tmp_path, KEY, ABOUT, IDS, rows)
    assert is_finished(tmp_path, KEY)
    again = read_trial(tmp_path, KEY, IDS, 1000)
    for name in ("label", "top", "p_top1", "margin"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(again, name))
    table = pq.read_table(trial_path(tmp_path, KEY))
    assert table.column_names == ["target", "condition", "image_id", "label", "top1", "top5", "p_top1", "margin"]
    assert set(table["target"].to_pylist()) == {ABOUT.target}
    assert set(table["condition"].to_pylist()) == {ABOUT.condition}


def test_a_trial_under_another_name_or_a_damaged_one_is_refused(tmp_path):
    write_trial(tmp_path, KEY, ABOUT, IDS, rows_of(logits(), np.zeros(20, np.int64)))
    other = "cd" * 32
    trial_path(tmp_path, KEY).rename(trial_path(tmp_path, other))
    assert not is_finished(tmp_path, other)
    with pytest.raises(BadInputError, match="not hold the rows"):
        read_trial(tmp_path, other, IDS, 1000)
    trial_path(tmp_path, other).rename(trial_path(tmp_path, KEY))
    with pytest.raises(BadInputError, match="not hold the rows"):
        read_trial(tmp_path, KEY, IDS[::-1], 1000)
    path = trial_path(tmp_path, KEY)
    path.write_bytes(path.read_bytes()[:200])
    assert not is_finished(tmp_path, KEY)
    with pytest.raises(DamagedError):
        read_trial(tmp_path, KEY, IDS, 1000)


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "deep" / "file.txt"

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(path.parent.iterdir()) == []
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write"):
        write_json(tmp_path / "file" / "run.json", {})


def description(run=0, targets=("a",), conditions=("clean",), **changes):
    identity = {
        "run": {"seed": run, "model": {"digest": "m"}},
        "targets": {name: {"threads": 1} for name in targets},
        "conditions": {name: {"id": name} for name in conditions},
    }
    return {"identity": identity, "asked": {"targets": list(targets), "conditions": list(conditions)}, **changes}


def test_a_run_directory_takes_more_of_its_own_spec_and_nothing_else(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    assert directory.description() is None
    assert not directory.root.exists()
    directory.begin(description())
    stored = directory.description()
    assert stored == description()
    for more in ({}, {"targets": ("a", "b")}, {"conditions": ("clean", "x")}, {"targets": ("b",)}):
        directory.check(stored, description(**more)["identity"])
    with pytest.raises(UsageError, match=r"differ in: seed\."):
        directory.check(stored, description(run=1)["identity"])
    other = description()["identity"]
    other["targets"]["a"] = {"threads": 2}
    with pytest.raises(UsageError, match=r"differ in: a\.threads\."):
        directory.check(stored, other)


def test_a_run_directory_refuses_what_is_no_run(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="holds files but no run"):
        RunDirectory(tmp_path).description()
    with pytest.raises(UsageError, match="is a file"):
        RunDirectory(tmp_path / "thesis.tex").description()
    asked = {"targets": [1], "conditions": []}
    for text in ("{", "[]", "{}", "[" * 100_000, json.dumps({**description(), "asked": asked})):
        (tmp_path / "run.json").write_text(text)
        if text.startswith('{"i'):
            write_values(tmp_path / "run.json", json.loads(text))
        with pytest.raises(BadInputError, match=r"not a run's description"):
            RunDirectory(tmp_path).description()


def test_begin_brings_the_description_up_to_date(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.begin(description())
    directory.begin(description(targets=("a", "b")))
    assert directory.description() == description(targets=("a", "b"))


def test_a_run_that_was_killed_in_its_first_write_does_not_lock_its_folder(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    directory.root.mkdir()
    for name in (".lock", ".tmp-ab-1-cd-run.json"):
        (directory.root / name).write_text("half")
        assert directory.description() is None
    directory.trials.mkdir()
    mine, others = directory.trials / temporary_beside(Path("x")).name, directory.trials / ".tmp-ab-1-cd-x"
    for path in (mine, others):
        path.write_text("")
    drop_leftovers(directory, alone=False)
    assert mine.exists()
    drop_leftovers(directory, alone=True)
    assert not any(directory.trials.iterdir())


@pytest.mark.parametrize("column", ["label", "top5", "p_top1", "margin", "image_id"])
@pytest.mark.parametrize("values", [[{"a": 1}, {"a": 2}], [[1], [2]], ["x", "y"], [None, None], [b"\xff", b""]])
def test_a_trial_whose_columns_are_of_other_types_is_somebody_elses(tmp_path, column, values):
    rows = rows_of(np.eye(2, 7, dtype=np.float32), np.arange(2))
    write_trial(tmp_path, "0" * 64, About("t", "clean"), ["a", "b"], rows)
    path = trial_path(tmp_path, "0" * 64)
    table = read_table(path)
    write_table(path, table.set_column(table.column_names.index(column), column, pa.array(values)))
    with contextlib.suppress(BadInputError):
        ids, found = read_any_trial(path)
        assert len(ids) == len(found) == 2


@pytest.mark.parametrize("width", [0, 6])
def test_a_trial_of_no_class_or_too_many_in_a_row_is_somebody_elses(tmp_path, width):
    rows = rows_of(np.eye(2, 7, dtype=np.float32), np.arange(2))
    write_trial(tmp_path, "0" * 64, About("t", "clean"), ["a", "b"], rows)
    path = trial_path(tmp_path, "0" * 64)
    table, top = read_table(path), pa.array([[0] * width] * 2, pa.list_(pa.int32()))
    write_table(path, table.set_column(table.column_names.index("top5"), "top5", top))
    with pytest.raises(BadInputError, match=f"{width} classes in a row"):
        read_any_trial(path)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("label", 7, "a label beyond the 7 classes"),
        ("label", -2, "a label beyond"),
        ("top5", [7, 0, 1, 2, 3], "an answer beyond"),
        ("top5", [0, -1, 1, 2, 3], "an answer beyond"),
        ("p_top1", float("nan"), "a probability that is none"),
        ("p_top1", 1.5, "a probability"),
        ("margin", -0.25, "a probability"),
        ("margin", float("inf"), "a probability"),
    ],
)
def test_a_trial_of_values_that_no_run_writes_is_somebody_elses(tmp_path, column, value, says):
    write_trial(tmp_path, KEY, About("t", "clean"), ["a", "b"], rows_of(np.eye(2, 7, dtype=np.float32), np.arange(2)))
    path = trial_path(tmp_path, KEY)
    assert read_trial(tmp_path, KEY, ["a", "b"], 7).label.tolist() == [0, 1]
    table = read_table(path)
    values = pa.array([table[column][0].as_py(), value], table.schema.field(column).type)
    write_table(path, table.set_column(table.column_names.index(column), column, values))
    with pytest.raises(BadInputError, match=says):
        read_trial(tmp_path, KEY, ["a", "b"], 7)

"""Trials on disk: one Parquet file of prediction rows for each finished one, whole or absent."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from seatrial.errors import BadInputError, DamagedError
from seatrial.harness.records.checked import read_table, write_table
from seatrial.harness.records.predictions import TOP_K, Predictions

_KEY = b"seatrial.trial"
# More than any classifier has; where nobody says how many a run's model had.
_MOST_CLASSES = 1 << 20
# Of a softmax in float32.
_ROUNDING = 1e-6


def trial_path(folder: Path, key: str) -> Path:
    """`KEY.parquet`."""
    return folder / f"{key}.parquet"


@dataclasses.dataclass(frozen=True)
class About:
    """Whose answers a trial is: id of the build, id of the condition."""

    target: str
    condition: str


def about_columns(target: str, condition: str, rows: int) -> dict[str, pa.Array]:
    """Columns that say it in every row, so that files can be read together."""
    return {"target": pa.array([target] * rows, pa.string()), "condition": pa.array([condition] * rows, pa.string())}


def write_trial(folder: Path, key: str, about: About, ids: Sequence[str], rows: Predictions) -> None:
    """Writes one finished trial atomically."""
    columns = {
        **about_columns(about.target, about.condition, len(ids)),
        "image_id": pa.array(ids, pa.string()),
        "label": pa.array(rows.label),
        "top1": pa.array(rows.top1),
        "top5": pa.FixedSizeListArray.from_arrays(pa.array(rows.top.reshape(-1)), rows.top.shape[1]),
        "p_top1": pa.array(rows.p_top1),
        "margin": pa.array(rows.margin),
    }
    write_table(trial_path(folder, key), pa.table(columns).replace_schema_metadata({_KEY: key.encode()}))


def is_finished(folder: Path, key: str) -> bool:
    """True where the trial's file is there and holds what was written: the rows of that trial."""
    path = trial_path(folder, key)
    try:
        return path.exists() and _named(read_table(path), key)
    except DamagedError:
        return False


def read_trial(folder: Path, key: str, ids: Sequence[str], classes: int) -> Predictions:
    """Reads a finished trial; DamagedError where its file is not what was written, BadInputError where its rows are not
    those of `ids`, in order, or name a class beyond `classes`.
    """
    path = trial_path(folder, key)
    table = read_table(path)
    stored, rows = _rows(path, table, classes)
    if stored != list(ids) or not _named(table, key):
        raise BadInputError(f"{path} does not hold the rows of this run's images.")
    return rows


def read_any_trial(path: Path) -> tuple[list[str], Predictions]:
    """The image ids of a trial's file, and its rows; DamagedError where it is not what was written."""
    return _rows(path, read_table(path), _MOST_CLASSES)


def _rows(path: Path, table: pa.Table, classes: int) -> tuple[list[str], Predictions]:
    with _as_written(path):
        top = table["top5"].combine_chunks()
        rows = Predictions(
            label=table["label"].to_numpy().astype(np.int32),
            top=top.flatten().to_numpy().astype(np.int32).reshape(len(table), -1),
            p_top1=table["p_top1"].to_numpy().astype(np.float32),
            margin=table["margin"].to_numpy().astype(np.float32),
        )
        if not 1 <= rows.top.shape[1] <= TOP_K:
            raise ValueError(f"{rows.top.shape[1]} classes in a row")
        _check_values(rows, classes)
        return list(map(str, table["image_id"].to_pylist())), rows


def _check_values(rows: Predictions, classes: int) -> None:
    """ValueError for what no run writes: figures are counted by class, and add up."""
    for name, column, least in (("a label", rows.label, -1), ("an answer", rows.top, 0)):
        if column.min() < least or column.max() >= classes:
            raise ValueError(f"{name} beyond the {classes} classes")
    for share in (rows.p_top1, rows.margin):
        if not ((share >= 0) & (share <= 1 + _ROUNDING)).all():
            raise ValueError("a probability that is none")


def trials_in(folder: Path) -> dict[tuple[str, str], Path]:
    """(target, condition) -> the file, of all trials in a folder, by name; DamagedError for one that is not what was
    written.
    """
    found = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        with _as_written(path):
            table = read_table(path).slice(0, 1)
            found[str(table["target"][0]), str(table["condition"][0])] = path
    return found


@contextlib.contextmanager
def _as_written(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise BadInputError(f"{path} is not a trial file ({error}).") from error


def _named(table: pa.Table, key: str) -> bool:
    return bool((table.schema.metadata or {}).get(_KEY) == key.encode())

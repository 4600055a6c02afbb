"""Trials on disk: one Parquet file of prediction rows for each finished one, whole or absent."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.errors import BadInputError
from seatrial.files import replacing
from seatrial.harness.records.predictions import TOP_K, Predictions

_KEY = b"seatrial.trial"


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
    table = pa.table(columns).replace_schema_metadata({_KEY: key.encode()})
    with replacing(trial_path(folder, key)) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")


def is_finished(folder: Path, key: str) -> bool:
    """True where the trial's file is there; BadInputError where it is not what was written."""
    path = trial_path(folder, key)
    if not path.exists():
        return False
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInputError(
            f"{path} is not a trial file ({error}). Remove it, and it will be computed again."
        ) from error
    return bool(metadata.get(_KEY) == key.encode())


def read_trial(folder: Path, key: str, ids: Sequence[str]) -> Predictions:
    """Reads a finished trial; BadInputError where its rows are not those of `ids`, in order."""
    path = trial_path(folder, key)
    stored, rows = read_any_trial(path)
    if stored != list(ids):
        raise BadInputError(
            f"{path} does not hold the rows of this run's images. Remove it, and it will be computed again."
        )
    return rows


def read_any_trial(path: Path) -> tuple[list[str], Predictions]:
    """The image ids of a trial's file, and its rows; BadInputError where it is not what was written."""
    with _as_written(path):
        table = pq.read_table(path)
        top = table["top5"].combine_chunks()
        rows = Predictions(
            label=table["label"].to_numpy().astype(np.int32),
            top=top.flatten().to_numpy().astype(np.int32).reshape(len(table), -1),
            p_top1=table["p_top1"].to_numpy().astype(np.float32),
            margin=table["margin"].to_numpy().astype(np.float32),
        )
        if rows.top.shape[1] > TOP_K:
            raise ValueError(f"{rows.top.shape[1]} classes in a row")
        return list(map(str, table["image_id"].to_pylist())), rows


def trials_in(folder: Path) -> dict[tuple[str, str], Path]:
    """(target, condition) -> the file, of all trials in a folder, by name; BadInputError for a file that is none."""
    found = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        with _as_written(path):
            table = pq.read_table(path, columns=["target", "condition"]).slice(0, 1)
            found[str(table["target"][0]), str(table["condition"][0])] = path
    return found


@contextlib.contextmanager
def _as_written(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, KeyError, IndexError, OSError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"{path} is not a trial file ({error}). Remove it, and it will be computed again."
        ) from error

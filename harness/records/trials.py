"""Trials on disk: one Parquet file of prediction rows for each finished one, whole or absent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.errors import BadInputError
from seatrial.files import replacing
from seatrial.harness.records.predictions import TOP_K, Predictions

_SPEC, _TARGET, _CONDITION = b"seatrial.spec", b"seatrial.target", b"seatrial.condition"


def trial_path(folder: Path, target: str, condition: str) -> Path:
    """`TARGET--CONDITION.parquet`, with every character that is special in some file system turned into a dot."""
    return folder / f"{_safe(target)}--{_safe(condition)}.parquet"


def write_trial(folder: Path, *, spec: str, target: str, condition: str, ids: Sequence[str], rows: Predictions) -> None:
    """Writes one finished trial atomically. spec: the hash of the run's spec, kept in the file with target and
    condition.
    """
    columns = {
        "image_id": pa.array(ids, pa.string()),
        "label": pa.array(rows.label),
        "top1": pa.array(rows.top1),
        "top5": pa.FixedSizeListArray.from_arrays(pa.array(rows.top.reshape(-1)), rows.top.shape[1]),
        "p_top1": pa.array(rows.p_top1),
        "margin": pa.array(rows.margin),
    }
    table = pa.table(columns).replace_schema_metadata(
        {_SPEC: spec.encode(), _TARGET: target.encode(), _CONDITION: condition.encode()}
    )
    with replacing(trial_path(folder, target, condition)) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")


def is_finished(folder: Path, *, spec: str, target: str, condition: str, replaceable: bool = False) -> bool:
    """True where the trial's file is there and belongs to this spec; BadInputError where it is not what was written.

    replaceable: a file of another spec is one that will be written anew, and no error.
    """
    path = trial_path(folder, target, condition)
    if not path.exists():
        return False
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInputError(
            f"{path} is not a trial file ({error}). Remove it, and it will be computed again."
        ) from error
    if (metadata.get(_SPEC), metadata.get(_TARGET), metadata.get(_CONDITION)) != (
        spec.encode(),
        target.encode(),
        condition.encode(),
    ):
        if replaceable:
            return False
        raise BadInputError(f"{path} belongs to another run. Remove it, or choose another --out.")
    return True


def read_trial(folder: Path, target: str, condition: str, ids: Sequence[str]) -> Predictions:
    """Reads a finished trial; BadInputError where its rows are not those of `ids`, in order."""
    path = trial_path(folder, target, condition)
    try:
        table = pq.read_table(path)
        top = table["top5"].combine_chunks()
        rows = Predictions(
            label=table["label"].to_numpy().astype(np.int32),
            top=top.flatten().to_numpy().astype(np.int32).reshape(len(table), -1),
            p_top1=table["p_top1"].to_numpy().astype(np.float32),
            margin=table["margin"].to_numpy().astype(np.float32),
        )
        stored = table["image_id"].to_pylist()
    except (pa.ArrowInvalid, KeyError, OSError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"{path} is not a trial file ({error}). Remove it, and it will be computed again."
        ) from error
    if stored != list(ids) or rows.top.shape[1] > TOP_K:
        raise BadInputError(
            f"{path} does not hold the rows of this run's images. Remove it, and it will be computed again."
        )
    return rows


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_@+=-]", ".", text)

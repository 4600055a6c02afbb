"""What is known of the adversarial images of one condition, beside the targets' answers to them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from seatrial.errors import BadInputError
from seatrial.harness.records.checked import read_table, write_table
from seatrial.harness.records.trials import about_columns, trial_path

_KEY, _CHUNKS = b"seatrial.images", b"seatrial.chunks"
# Who made images that are the same for all targets, in the place of the target.
EVERYONE = "all"


@dataclasses.dataclass(frozen=True)
class AttackRows:
    """Rows as columns, in the order of the run's images.

    clean_correct, correct: bool [N], whether the surrogate (for a black-box attack: the target itself) is right about
    the clean and about the adversarial image, as stored. distance: float32 [N], how far that lies from the clean one,
    in the units of the condition's eps. zero_gradient: bool [N], the surrogate's cross-entropy has no gradient at the
    clean image; False for black-box attacks. queries: int32 [N], images that the attacked model was asked about; 0
    where gradients led.
    """

    clean_correct: npt.NDArray[np.bool_]
    correct: npt.NDArray[np.bool_]
    distance: npt.NDArray[np.float32]
    zero_gradient: npt.NDArray[np.bool_]
    queries: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.correct)


@dataclasses.dataclass(frozen=True)
class AttackedBy:
    """What adversarial images are of. target: id of the build that was asked for them, or EVERYONE. chunks: where in
    the cache they lie.
    """

    condition: str
    target: str
    chunks: Sequence[str]


def rows_path(key: str) -> Path:
    """Where they lie in a run directory. key: of the images."""
    return trial_path(Path("attacks"), key)


def write_attack_rows(root: Path, key: str, about: AttackedBy, ids: Sequence[str], rows: AttackRows) -> None:
    """Writes a file of a run directory atomically. key: of the images."""
    columns = {field.name: pa.array(getattr(rows, field.name)) for field in dataclasses.fields(AttackRows)}
    table = pa.table(
        {**about_columns(about.target, about.condition, len(ids)), "image_id": pa.array(ids, pa.string()), **columns}
    ).replace_schema_metadata({_KEY: key.encode(), _CHUNKS: json.dumps(list(about.chunks)).encode()})
    write_table(root / rows_path(key), table)


def read_attack_rows(root: Path, key: str, ids: Sequence[str]) -> AttackRows:
    """Reads what `write_attack_rows` wrote; DamagedError where its file is not that any more, BadInputError where it is
    not of this run's images.
    """
    path = root / rows_path(key)
    wrong = f"{path} does not hold the rows of this run's adversarial images"
    table = read_table(path)
    try:
        columns = [table[field.name].to_numpy() for field in dataclasses.fields(AttackRows)]
        kinds = (np.bool_, np.bool_, np.float32, np.bool_, np.int32)
        rows = AttackRows(*(column.astype(kind) for column, kind in zip(columns, kinds, strict=True)))
        stored = table["image_id"].to_pylist()
        if not (np.isfinite(rows.distance) & (rows.distance >= 0)).all() or (rows.queries < 0).any():
            raise ValueError("a distance or a count that is none")
    except (pa.ArrowException, KeyError, ValueError, AttributeError, TypeError) as error:
        raise BadInputError(f"{wrong} ({error}).") from error
    if stored != list(ids) or not _named(table, key):
        raise BadInputError(f"{wrong}.")
    return rows


def chunk_keys(root: Path, key: str) -> tuple[str, ...]:
    """Where in the cache the images of a file of rows lie; nothing where the file does not say. key: of the images."""
    path = root / rows_path(key)
    metadata = read_table(path).schema.metadata or {} if path.exists() else {}
    try:
        return tuple(map(str, json.loads(metadata.get(_CHUNKS, b"[]"))))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path} does not name its adversarial images ({error}).") from error


def _named(table: pa.Table, key: str) -> bool:
    return bool((table.schema.metadata or {}).get(_KEY) == key.encode())

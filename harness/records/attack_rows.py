"""What is known of the adversarial images of one condition, beside the targets' answers to them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.errors import BadInputError
from seatrial.files import replacing
from seatrial.harness.records.trials import trial_path

_SPEC, _CHUNKS = b"seatrial.spec", b"seatrial.chunks"
# Who made images that are the same for all targets, in the place of the target in a file's name.
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


def write_attack_rows(
    folder: Path, *, spec: str, target: str, condition: str, ids: Sequence[str], rows: AttackRows, chunks: Sequence[str]
) -> None:
    """Writes a file beside the trials atomically. target: whose images they are, or EVERYONE. chunks: where in the
    cache the images lie.
    """
    columns = {field.name: pa.array(getattr(rows, field.name)) for field in dataclasses.fields(AttackRows)}
    table = pa.table({"image_id": pa.array(ids, pa.string()), **columns}).replace_schema_metadata(
        {_SPEC: spec.encode(), _CHUNKS: json.dumps(list(chunks)).encode()}
    )
    with replacing(trial_path(folder, target, condition)) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")


def read_attack_rows(folder: Path, *, spec: str, target: str, condition: str, ids: Sequence[str]) -> AttackRows:
    """Reads what `write_attack_rows` wrote; BadInputError where it is not there or not of this run's images."""
    path = trial_path(folder, target, condition)
    wrong = (
        f"{path} does not hold the rows of this run's adversarial images. Remove the trials of {condition}, too, and "
    )
    try:
        table = pq.read_table(path)
        columns = [table[field.name].to_numpy() for field in dataclasses.fields(AttackRows)]
        kinds = (np.bool_, np.bool_, np.float32, np.bool_, np.int32)
        rows = AttackRows(*(column.astype(kind) for column, kind in zip(columns, kinds, strict=True)))
        stored, owner = table["image_id"].to_pylist(), (table.schema.metadata or {}).get(_SPEC)
    except (pa.ArrowInvalid, KeyError, OSError, ValueError) as error:
        raise BadInputError(f"{wrong}they will be made again ({error}).") from error
    if stored != list(ids) or owner != spec.encode():
        raise BadInputError(f"{wrong}they will be made again.")
    return rows

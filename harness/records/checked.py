"""Files of a run directory that carry a checksum of their content, and are read only if it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.errors import BadInputError, DamagedError
from seatrial.files import read_json, replacing, value_digest, write_json

# A JSON file's key beside its values.
_SUM = "sha256"
# A Parquet file's key in its footer. In the compact protocol of Thrift (type, length, bytes) the 64 digits follow it.
_FIELD = b"seatrial.sha256"
_MARK, _LENGTH = _FIELD + b"\x18\x40", 64


def write_table(path: Path, table: pa.Table) -> None:
    """Writes Parquet atomically. The SHA-256 in its footer is of the whole file, with zeros in its own place: so any
    reader of Parquet opens the file, and no bit of it changes unseen.
    """
    sink = pa.BufferOutputStream()
    marked = table.replace_schema_metadata({**(table.schema.metadata or {}), _FIELD: b"0" * _LENGTH})
    pq.write_table(marked, sink, compression="zstd")
    content = bytearray(sink.getvalue())
    begin = content.rindex(_MARK) + len(_MARK)
    content[begin : begin + _LENGTH] = hashlib.sha256(content).hexdigest().encode()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_table(path: Path) -> pa.Table:
    """What `write_table` wrote; DamagedError where the file is not that any more."""
    try:
        content = bytearray(path.read_bytes())
        begin = content.rindex(_MARK) + len(_MARK)
        stored = content[begin : begin + _LENGTH]
        content[begin : begin + _LENGTH] = b"0" * _LENGTH
        if hashlib.sha256(content).hexdigest().encode() != stored:
            raise ValueError("its checksum does not hold")
        return pq.read_table(pa.BufferReader(content))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DamagedError(f"{path} is damaged ({error}). Repeat the run, and it is made again.") from error


def is_table(path: Path) -> bool:
    """True for a file that `write_table` wrote, and that is still that."""
    try:
        read_table(path)
    except DamagedError:
        return False
    return True


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON object atomically, with the hash of its values beside them."""
    plain = json.loads(json.dumps(values, allow_nan=False))
    write_json(path, {**plain, _SUM: value_digest(plain)})


def read_values(path: Path) -> dict[str, Any]:
    """What `write_values` wrote; DamagedError where the file is not that any more."""
    try:
        stored = read_json(path)
        if not isinstance(stored, dict) or stored.pop(_SUM, None) != value_digest(stored):
            raise ValueError("its checksum does not hold")
        return stored
    except (BadInputError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged ({error}). Repeat the run, and it is made again.") from error

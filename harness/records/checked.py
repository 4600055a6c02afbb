"""Files of a run directory that carry a checksum of their content, and are read only if it holds."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.errors import BadInputError, DamagedError, UnreadableError
from seatrial.files import open_regular, read_json, refuse_unread, replacing, value_digest, write_json
from seatrial.harness.records.forms import FORMS, Stored, misfit

# A JSON file's key beside its values.
_SUM = "sha256"
# A Parquet file's key in its footer. In the compact protocol of Thrift (type, length, bytes) the 64 digits follow it.
_FIELD = b"seatrial.sha256"
_MARK, _LENGTH = _FIELD + b"\x18\x40", 64
_TAIL, _PIECE = 8, 1 << 20


def write_table(path: Path, table: pa.Table) -> None:
    """Writes Parquet atomically, as `write_tables`."""
    write_tables(path, table.schema, [table])


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Writes Parquet atomically, each table in row groups of its own; only one of them is in memory at a time.

    The SHA-256 in the footer is of the whole file, with zeros in its own place: so any reader of Parquet opens the
    file, and no bit of it changes unseen.
    """
    marked = schema.with_metadata({**(schema.metadata or {}), _FIELD: b"0" * _LENGTH})
    with replacing(path) as temporary:
        with pq.ParquetWriter(temporary, marked, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.cast(marked))
        with temporary.open("r+b") as stream:
            begin = _place(stream)
            digest = _digest(stream, begin)
            stream.seek(begin)
            stream.write(digest)


def read_table(path: Path) -> pa.Table:
    """What `write_table` wrote; DamagedError where the file is not that any more."""
    with open_table(path) as file:
        return file.read()


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[pq.ParquetFile]:
    """What `write_tables` wrote, to be read in parts; DamagedError where the file is not that any more, UnreadableError
    where the system does not give it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(open_regular(path))
            begin = _place(stream)
            stream.seek(begin)
            if stream.read(_LENGTH) != _digest(stream, begin):
                raise ValueError("its checksum does not hold")
            file = stack.enter_context(pq.ParquetFile(stream))
        except (OSError, ValueError, pa.ArrowException) as error:
            if isinstance(error, OSError):
                refuse_unread(path, error)
            raise DamagedError(f"{path} is damaged ({error}). Repeat the run, and it is made again.") from error
        yield file


def _place(stream: IO[bytes]) -> int:
    """Where the checksum stands; ValueError for a file without one. Parquet ends with its footer, the footer's length
    in four bytes, and a mark of four.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read()
    footer = int.from_bytes(tail[:4], "little")
    if len(tail) < _TAIL or not 0 < footer <= size - _TAIL:
        raise ValueError("it has no footer")
    begin = size - _TAIL - footer
    stream.seek(begin)
    return begin + stream.read(footer).rindex(_MARK) + len(_MARK)


def _digest(stream: IO[bytes], begin: int) -> bytes:
    """Of the file, with zeros from `begin` on where the checksum stands; as hex."""
    digest, at = hashlib.sha256(), 0
    stream.seek(0)
    while piece := bytearray(stream.read(_PIECE)):
        for index in range(max(begin, at), min(begin + _LENGTH, at + len(piece))):
            piece[index - at] = ord("0")
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest().encode()


def check_table(path: Path) -> None:
    """DamagedError where the file is not any more what `write_tables` wrote; it may be larger than memory."""
    with open_table(path):
        pass


def is_table(path: Path) -> bool:
    """True for a file that `write_table` wrote, and that is still that."""
    try:
        check_table(path)
    except DamagedError:
        return False
    return True


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON object atomically, with the hash of its values beside them."""
    plain = json.loads(json.dumps(values, allow_nan=False))
    write_json(path, {**plain, _SUM: value_digest(plain)})


def read_values(path: Path) -> dict[str, Any]:
    """What `write_values` wrote; DamagedError where the file is not that any more, UnreadableError where the system
    does not give it.
    """
    try:
        found = read_json(path)
        if not isinstance(found, dict) or found.pop(_SUM, None) != value_digest(found):
            raise ValueError("its checksum does not hold")
        wrong = misfit(found, FORMS.get(path.name, {}))
        if wrong is not None:
            raise ValueError(wrong)
        return Stored.of(str(path), found)
    except UnreadableError:
        raise
    except (BadInputError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged ({error}). Repeat the run, and it is made again.") from error

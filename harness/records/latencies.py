"""Raw latency samples on disk: latency.parquet, one row for each query."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from seatrial.errors import BadInputError
from seatrial.harness.records.checked import open_table, write_tables

SINGLE_STREAM = "single_stream"
Nanoseconds = npt.NDArray[np.int64]

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("target", _WORD),
        ("scenario", _WORD),
        ("setting", _WORD),
        ("round", pa.int32()),
        ("kept", pa.bool_()),
        ("block", pa.int32()),
        ("begin", pa.int64()),
        ("nanoseconds", pa.int64()),
        ("service", pa.int64()),
        ("fresh", pa.bool_()),
    ]
)
# Three years: sums of some thousand of them stay within 64 bits.
_MOST_NS = 10**17
# Of files that were written before there were several scenarios: what they hold is timed again.
_BEFORE = ["target", "scenario", "nanoseconds"]


@dataclasses.dataclass(frozen=True)
class Samples:
    """Queries of a target in a scenario, in the order asked: arrays of one length.

    begin: int64 nanoseconds since the scenario began. taken: int64 nanoseconds from the query, or its arrival, to its
    answer. service: int64, of the engine's call alone. round: int32, from 1. block: int32, from 0, over all rounds.
    kept: bool, False for rounds that were disturbed. fresh: bool, its input was never asked before. setting: str, as in
    "rate=120.5"; "" where a scenario has one setting.
    """

    begin: Nanoseconds
    taken: Nanoseconds
    service: Nanoseconds
    round: npt.NDArray[np.int32]
    block: npt.NDArray[np.int32]
    kept: npt.NDArray[np.bool_]
    fresh: npt.NDArray[np.bool_]
    setting: npt.NDArray[np.str_]

    def __len__(self) -> int:
        """Queries."""
        return len(self.taken)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Samples:
        """Those of `chosen`, bool of the same length."""
        return Samples(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def concatenate(parts: Sequence[Samples]) -> Samples:
    """Joins samples in their order; ValueError for none."""
    names = [field.name for field in dataclasses.fields(Samples)]
    return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def latency_table(target: str, scenario: str, samples: Samples) -> pa.Table:
    """The rows of one target in one scenario, by its key."""
    count = len(samples)
    return pa.table(
        [
            _repeated(target, count),
            _repeated(scenario, count),
            pa.array(samples.setting, pa.string()).dictionary_encode(),
            pa.array(samples.round, pa.int32()),
            pa.array(samples.kept),
            pa.array(samples.block, pa.int32()),
            pa.array(samples.begin, pa.int64()),
            pa.array(samples.taken, pa.int64()),
            pa.array(samples.service, pa.int64()),
            pa.array(samples.fresh),
        ],
        schema=SCHEMA,
    )


def write_latencies(path: Path, tables: Iterable[pa.Table]) -> None:
    """Writes tables of `latency_table`, one after the other: those of a generator are never in memory together."""
    write_tables(path, SCHEMA, (table for table in tables if len(table)))


def add_latencies(path: Path, found: Mapping[tuple[str, str], Samples]) -> None:
    """Puts samples, by target and scenario, beside those that are there; the same target's of the same scenario are
    replaced.
    """
    new = (latency_table(*key, samples) for key, samples in found.items())
    if not path.exists():
        write_latencies(path, new)
        return
    with open_table(path) as file, _as_written(path):
        write_latencies(path, _chain(_others(file, set(found)), new))


def timed(path: Path) -> set[tuple[str, str]]:
    """(target, scenario) of all that has samples; BadInputError where the file is not what was written."""
    with open_table(path) as file, _as_written(path):
        return {key for key, _ in _groups(file)}


def timed_targets(path: Path) -> set[str]:
    """The targets that have single queries; BadInputError where the file is not what was written."""
    return {target for target, scenario in timed(path) if scenario == SINGLE_STREAM}


def read_samples(path: Path, target: str, scenario: str) -> Samples:
    """Of one target in one scenario; BadInputError where the file is not what was written, or has none."""
    with open_table(path) as file, _as_written(path):
        groups = [number for key, number in _groups(file) if key == (target, scenario)]
        if not groups:
            raise ValueError(f"no samples of {target} in {scenario}")
        table = file.read_row_groups(groups)
        return Samples(
            begin=_int64(table, "begin"),
            taken=_int64(table, "nanoseconds"),
            service=_int64(table, "service"),
            round=table["round"].to_numpy().astype(np.int32),
            block=table["block"].to_numpy().astype(np.int32),
            kept=table["kept"].to_numpy().astype(np.bool_),
            fresh=table["fresh"].to_numpy().astype(np.bool_),
            setting=np.asarray(table["setting"].cast(pa.string()).to_pylist(), np.str_),
        )


def read_latencies(path: Path, targets: Sequence[str]) -> dict[str, Nanoseconds]:
    """target -> int64 nanoseconds of its single queries, of the rounds that are kept; BadInputError where the file is
    not what was written.
    """
    found = {}
    for target in targets:
        samples = read_samples(path, target, SINGLE_STREAM)
        found[target] = samples.taken[samples.kept]
        if not len(found[target]):
            raise BadInputError(f"{path} is not a latency file (no samples of {target} are kept).")
    return found


def _groups(file: pq.ParquetFile) -> Iterator[tuple[tuple[str, str], int]]:
    """((target, scenario), number) of each row group: a group has one of each."""
    names = file.schema_arrow.names
    if names == _BEFORE:
        return
    if names != SCHEMA.names:
        raise ValueError(f"its columns are {', '.join(names)}")
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        found = []
        for column in (0, 1):
            statistics = group.column(column).statistics
            if statistics is None or statistics.min != statistics.max:
                raise ValueError(f"its row group {number} is of several targets or scenarios")
            found.append(str(statistics.min))
        yield (found[0], found[1]), number


def _others(file: pq.ParquetFile, replaced: set[tuple[str, str]]) -> Iterator[pa.Table]:
    for key, number in _groups(file):
        if key not in replaced:
            yield file.read_row_group(number)


def _chain(*parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for part in parts:
        yield from part


def _repeated(word: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([word], pa.string()))


def _int64(table: pa.Table, name: str) -> Nanoseconds:
    found: Nanoseconds = table[name].to_numpy().astype(np.int64)
    if len(found) and not 0 <= found.min() <= found.max() <= _MOST_NS:
        raise ValueError(f"{name} from {found.min()} to {found.max()}")
    return found


@contextlib.contextmanager
def _as_written(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
        raise BadInputError(f"{path} is not a latency file ({error}).") from error

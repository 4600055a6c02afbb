"""Raw latency samples on disk."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from seatrial.errors import BadInputError
from seatrial.harness.records.checked import read_table, write_table

SINGLE_STREAM = "single_stream"
Samples = Mapping[str, npt.NDArray[np.int64]]
Phases = Mapping[str, Mapping[str, float]]
_PHASES = b"seatrial.phases"


def write_latencies(path: Path, samples: Samples, phases: Phases | None = None) -> None:
    """Writes target, scenario, nanoseconds: one row per sample, in the order taken within a target.

    phases: target -> median milliseconds of an inference's parts by the device's clock; kept in the file's metadata.
    """
    target = [name for name, values in samples.items() for _ in values]
    table = pa.table(
        {
            "target": pa.array(target, pa.string()),
            "scenario": pa.array([SINGLE_STREAM] * len(target), pa.string()),
            "nanoseconds": pa.array(np.concatenate(list(samples.values()))),
        }
    )
    write_table(path, table.replace_schema_metadata({_PHASES: json.dumps(phases or {}).encode()}))


def timed_targets(path: Path) -> set[str]:
    """The targets that have samples; BadInputError where the file is not what was written."""
    with _as_written(path):
        return set(read_table(path)["target"].to_pylist())


def read_phases(path: Path) -> Phases:
    """Target -> median milliseconds of h2d, compute, d2h, where a device's clock told."""
    with _as_written(path):
        found: Phases = json.loads((read_table(path).schema.metadata or {}).get(_PHASES, b"{}"))
        return {str(name): {str(part): float(ms) for part, ms in parts.items()} for name, parts in found.items()}


@contextlib.contextmanager
def _as_written(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, ValueError, AttributeError, TypeError) as error:
        raise BadInputError(f"{path} is not a latency file ({error}).") from error


def read_latencies(path: Path, targets: list[str]) -> dict[str, npt.NDArray[np.int64]]:
    """target -> int64 nanoseconds; BadInputError where the file is not what was written."""
    with _as_written(path):
        table = read_table(path)
        samples = {}
        for target in targets:
            values = table.filter(pc.equal(table["target"], target))["nanoseconds"]
            samples[target] = values.to_numpy().astype(np.int64)
            if not len(samples[target]):
                raise ValueError(f"no samples of {target}")
        return samples

"""Raw latency samples on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shipcheck.errors import BadInputError
from shipcheck.files import replacing

SINGLE_STREAM = "single_stream"
Samples = Mapping[str, npt.NDArray[np.int64]]


def write_latencies(path: Path, samples: Samples) -> None:
    """Writes target, scenario, nanoseconds: one row per sample, in the order taken within a target."""
    target = [name for name, values in samples.items() for _ in values]
    table = pa.table(
        {
            "target": pa.array(target, pa.string()),
            "scenario": pa.array([SINGLE_STREAM] * len(target), pa.string()),
            "nanoseconds": pa.array(np.concatenate(list(samples.values()))),
        }
    )
    with replacing(path) as temporary, temporary.open("wb") as stream:
        pq.write_table(table, stream, compression="zstd")


def read_latencies(path: Path, targets: list[str]) -> dict[str, npt.NDArray[np.int64]]:
    """target -> int64 nanoseconds; BadInputError where the file is not what was written."""
    try:
        table = pq.read_table(path)
        samples = {}
        for target in targets:
            values = table.filter(pc.equal(table["target"], target))["nanoseconds"]
            samples[target] = values.to_numpy().astype(np.int64)
            if not len(samples[target]):
                raise ValueError(f"no samples of {target}")
    except (pa.ArrowInvalid, KeyError, OSError, ValueError) as error:
        raise BadInputError(
            f"{path} is not a latency file ({error}). Remove it, and it will be measured again."
        ) from error
    return samples

"""The trial files of a run directory, found by what they say of themselves."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def trial_files(run: Path, folder: str = "trials") -> dict[tuple[str, str], Path]:
    """(target, condition) -> file."""
    found = {}
    for path in sorted((run / folder).glob("[!.]*.parquet")):
        table = pq.read_table(path, columns=["target", "condition"])
        ((target,), (condition,)) = (set(table[name].to_pylist()) for name in ("target", "condition"))
        assert (target, condition) not in found
        found[target, condition] = path
    return found


def trials(run: Path, folder: str = "trials") -> dict[tuple[str, str], pa.Table]:
    """(target, condition) -> its rows."""
    return {key: pq.read_table(path) for key, path in trial_files(run, folder).items()}

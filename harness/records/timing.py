"""timing.json: how the samples were taken, on what a machine, and what else was measured of time, memory and energy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError
from seatrial.harness.records.checked import read_values, write_values

SCHEMA = 1


def read_timing(path: Path) -> dict[str, Any]:
    """JSON values, with empty `scenarios` and `targets` where nothing was timed yet; DamagedError for a damaged file,
    BadInputError for one of another schema.
    """
    found = read_values(path) if path.exists() else {"schema": SCHEMA}
    if found.get("schema") != SCHEMA:
        raise BadInputError(f"{path} has schema {found.get('schema')!r}; this version of seatrial reads {SCHEMA}.")
    return {"scenarios": {}, "targets": {}, **found}


def write_timing(path: Path, values: Mapping[str, Any]) -> None:
    """Writes them atomically."""
    write_values(path, {**values, "schema": SCHEMA})

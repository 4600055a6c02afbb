"""timing.json: how the samples were taken, on what machines, and what else was measured of time, memory and energy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.engines.places import LOCAL
from seatrial.errors import BadInputError
from seatrial.harness.records.checked import read_values, write_values

SCHEMA = 2
# The run's own machine among the places; no board can be called so.
HERE = LOCAL.name
# Of schema 1, which knew one place: what stands with each place now.
_OF_A_PLACE = ("place", "machine", "cool_down", "scenarios")

Values = Mapping[str, Any]


def read_timing(path: Path) -> dict[str, Any]:
    """JSON values, with empty `places` and `targets` where nothing was timed yet; DamagedError for a damaged file,
    BadInputError for one of another schema. What an older version wrote is read as this one would have written it.
    """
    found = read_values(path) if path.exists() else {"schema": SCHEMA}
    schema = found.get("schema")
    if schema == 1:
        found = _placed(found)
    elif schema != SCHEMA:
        raise BadInputError(f"{path} has schema {schema!r}; this version of seatrial reads 1 and {SCHEMA}.")
    return {"places": {}, "targets": {}, **found}


def write_timing(path: Path, values: Values) -> None:
    """Writes them atomically."""
    write_values(path, {**values, "schema": SCHEMA})


def place_key(board: str | None) -> str:
    """The name of a place in timing.json: a board's own, HERE for None."""
    return HERE if board is None else board


def at_place(timing: Values, board: str | None) -> Values:
    """`place`, `machine`, `cool_down` and `scenarios` of a place; empty where timing.json says nothing of it."""
    found: Values = timing.get("places", {}).get(place_key(board), {})
    return found


def scenario_at(timing: Values, board: str | None, key: str) -> Values:
    """The same of one scenario there: `rounds`, `spent_s`, `stopped`, `asked`."""
    found: Values = at_place(timing, board).get("scenarios", {}).get(key, {})
    return found


def board_of(build: str) -> str | None:
    """Where a build of that id runs; None for this machine.

    >>> board_of("onnxruntime/int8@pi5/cpu#2")
    'pi5'
    """
    where = build.partition("#")[0].rpartition("@")[2]
    return where.rpartition("/")[0] or None


def _placed(found: Values) -> dict[str, Any]:
    here = {name: found[name] for name in _OF_A_PLACE if name in found}
    rest = {name: value for name, value in found.items() if name not in _OF_A_PLACE}
    return {**rest, "schema": SCHEMA, "places": {HERE: here} if here else {}}

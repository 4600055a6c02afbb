"""boards.yaml: how the boards of this user are reached, by the names that `--board` gives them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seatrial.engines.boards import Board
from seatrial.errors import BadInputError, UsageError
from seatrial.harness.spec.kept import SCHEMA, from_dict
from seatrial.harness.spec.yaml_file import read_yaml
from seatrial.text import choices

FILE = "boards.yaml"
_FIELDS = tuple(field.name for field in dataclasses.fields(Board) if field.name != "name")


def boards_file() -> Path | None:
    """The file that is read where none is named: that of the current folder, else the user's; None without one."""
    found = (path for path in (Path(FILE), Path.home() / ".config" / "seatrial" / FILE) if path.is_file())
    return next(found, None)


def read_boards(path: Path | None = None) -> dict[str, Board]:
    """The boards that a file describes, by name: of each the fields of `Board`; None for `boards_file()`.

    UsageError, with the place, for a file that cannot be read, an unknown field, and a value that none can be.
    """
    path = path or boards_file()
    if path is None:
        return {}
    where = f"--boards {path}"
    content = read_yaml(path, "--boards", "a list of boards")
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"{where} is not a mapping of boards to what they are, as in `pi5: {{alias: pi5.local}}`.")
    return {name: _board(name, fields, where) for name, fields in content.items()}


def described(names: Iterable[str], *known: Mapping[str, Board]) -> dict[str, Board]:
    """Each of the named boards as the first of `known` that has it says; as its alias of ssh where none does.

    UsageError for a name that is none.
    """
    return {
        name: next((boards[name] for boards in known if name in boards), None) or Board(name)
        for name in dict.fromkeys(names)
    }


def _board(name: Any, fields: Any, where: str) -> Board:
    if not isinstance(name, str):
        raise UsageError(f"{where}: {name!r} is no board's name; put it in quotes.")
    where = f"{where}, {name}"
    if not isinstance(fields, dict | None):
        raise UsageError(f"{where}: what a board is, is a mapping, as in `{{alias: pi5.local}}`.")
    given = {str(field).replace("-", "_"): value for field, value in (fields or {}).items()}
    for field in given:
        if field not in _FIELDS:
            raise UsageError(f"{where}: a board has no {field!r}. {choices(field, _FIELDS)}")
    try:
        return from_dict(Board, {"schema": SCHEMA, "name": name, **given})
    except (BadInputError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from error

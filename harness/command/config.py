"""A YAML file of flags, as if they had been typed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from seatrial.errors import UsageError

_MAX_BYTES = 1 << 20
_NOT_IN_FILES = ("config", "help", "version")


def read_config(path: Path, known: Collection[str], switches: Collection[str] = ()) -> list[str]:
    """`flag: value` pairs -> arguments; a list repeats the flag, except for mean and std, whose numbers it gives.

    switches: flags without a value, for which the file says true or false. Raises UsageError for a missing file,
    another layout and unknown flags.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path} is above 1 MiB: not a configuration.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"--config {path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"--config {path} is not a mapping of flags to values, as in `bits: 8`.")
    arguments: list[str] = []
    for name, value in content.items():
        flag = str(name).replace("_", "-")
        if flag not in known or flag in _NOT_IN_FILES:
            raise UsageError(f"--config {path} has {name!r}, which is no flag. See `bench.py --help`.")
        if flag in switches and isinstance(value, bool):
            arguments.extend([f"--{flag}"] if value else [])
        else:
            arguments.extend(_arguments(flag, value, path))
    return arguments


def _arguments(flag: str, value: Any, path: Path) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in values):
        raise UsageError(f"--config {path}: {flag} is {value!r}; expected a word, a number or a list of them.")
    if flag in ("mean", "std"):
        return [f"--{flag}", *map(str, values)]
    return [f"--{flag}={item}" for item in values]

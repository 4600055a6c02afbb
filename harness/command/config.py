"""Flags as a mapping, in a YAML file or a call from Python, as if they had been typed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.harness.command.flags.parser import program
from seatrial.harness.spec.yaml_file import read_yaml
from seatrial.text import meant

_NOT_AMONG = ("config", "help", "help-all", "version")


def read_config(path: Path) -> dict[str, Any]:
    """The pairs of a YAML file, flag -> value; UsageError for a missing file and another layout."""
    content = read_yaml(path, "--config", "a configuration")
    if not isinstance(content, dict):
        raise UsageError(f"--config {path} is not a mapping of flags to values, as in `bits: 8`.")
    return content


def arguments_of(flags: Mapping[Any, Any], known: Collection[str], switches: Collection[str], where: str) -> list[str]:
    """`flag: value` pairs -> arguments; a list repeats the flag, except for mean and std, whose numbers it gives.

    switches: flags without a value, for which true or false is said. where: names the pairs in errors. UsageError for
    unknown flags, and values that none can be.
    """
    arguments: list[str] = []
    for name, value in flags.items():
        flag = str(name).replace("_", "-")
        if flag not in known or flag in _NOT_AMONG:
            raise UsageError(f"{where} has {name!r}, which is no flag.{meant(flag, known)} See `{program()} --help`.")
        if flag in switches and isinstance(value, bool):
            arguments.extend([f"--{flag}"] if value else [])
        else:
            arguments.extend(_arguments(flag, value, where))
    return arguments


def _arguments(flag: str, value: Any, where: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, (str, int, float)) and not isinstance(item, bool) for item in values):
        raise UsageError(f"{where}: {flag} is {value!r}; expected a word, a number or a list of them.")
    if any("\0" in str(item) for item in values):
        raise UsageError(f"{where}: {flag} is {value!r}, in which there is a NUL: no name and no path has one.")
    if flag in ("mean", "std"):
        return [f"--{flag}", *map(str, values)]
    return [f"--{flag}={item}" for item in values]

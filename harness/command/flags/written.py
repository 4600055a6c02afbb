"""What a command writes is not what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError

_WRITTEN = ("out", "json")


def refuse_overwriting(flags: Mapping[str, Any]) -> None:
    """UsageError where a file that is to be written is one that another flag names: a model would be lost.

    flags: as they are given, by their names in Python.
    """
    written = {name: path for name in _WRITTEN if isinstance(path := flags.get(name), Path)}
    for flag, path in written.items():
        for name, value in flags.items():
            if name not in written and any(_same(path, file) for file in _files(value)):
                raise UsageError(
                    f"--{flag} {path} is the file of --{name.replace('_', '-')}, which would be lost. Name another."
                )
    if len({path.resolve() for path in written.values()}) < len(written):
        raise UsageError(f"--out and --json are both {flags['out']}. Name two files.")


def _files(value: Any) -> Iterator[str]:
    """Where a flag's value may be or hold a file's path: PATH, NAME=PATH, PATH:FACTORY."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _files(one)
    elif isinstance(value, str | Path):
        text = str(value)
        yield from (text, text.rpartition(":")[0])
        yield from (text.partition("=")[2],) if "=" in text else ()


def _same(path: Path, other: str) -> bool:
    """Whether both are one file; a folder is none."""
    try:
        return path.is_file() and path.samefile(other)
    except (OSError, ValueError):  # the other is no name of a file
        return False

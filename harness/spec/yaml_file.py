"""YAML files that people write: small, plain values, and no key twice."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import yaml

from seatrial.errors import UsageError

_MAX_BYTES = 1 << 20


def read_yaml(path: Path, flag: str, kind: str) -> Any:
    """What stands in the file. UsageError, which begins with `flag` and says that it is no `kind`, for a file that
    cannot be read, a large one, and one with the same key twice.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{flag} {path} is no file.")
        if found.st_size > _MAX_BYTES:
            raise UsageError(f"{flag} {path} is above 1 MiB: not {kind}.")
        return yaml.load(path.read_text(encoding="utf-8"), _Once)  # noqa: S506  (a safe loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{flag} {path} cannot be read: {error}.") from error


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice: of two values, one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As it stands in the file."""
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)

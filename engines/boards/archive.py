"""What runs on a board, as one file: the same bytes on every machine that has the same seatrial."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import seatrial

# What engines and the agent import: the folders, and of the files beside them all but those of the command.
_ROOMS = ("agent", "engines")
_NOT_THERE = ("api.py", "__main__.py")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclasses.dataclass(frozen=True)
class Archive:
    """content: a zip of Python sources. digest: its SHA-256, as hex."""

    content: bytes
    digest: str


@functools.cache
def archive() -> Archive:
    """Of the seatrial that runs here; read once."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, source in sorted(_sources(Path(seatrial.__path__[0]))):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            packed.writestr(entry, source.read_bytes())
    return Archive(content.getvalue(), hashlib.sha256(content.getvalue()).hexdigest())


def _sources(root: Path) -> Iterator[tuple[str, Path]]:
    for file in root.glob("*.py"):
        if file.name not in _NOT_THERE:
            yield f"seatrial/{file.name}", file
    for room in _ROOMS:
        folder = root / room  # a link, in a checkout
        for file in folder.rglob("*.py"):
            yield f"seatrial/{room}/{file.relative_to(folder).as_posix()}", file

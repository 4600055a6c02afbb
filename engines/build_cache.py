"""Built engines on disk, by the hash of everything that shaped them: no engine is ever served to another model."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from seatrial.artefacts import read_as, write_artefact
from seatrial.cache import remove
from seatrial.engines.base import BuildRequest
from seatrial.files import value_digest


@dataclasses.dataclass(frozen=True)
class Entry:
    """A runtime's own file of a built engine, the seconds that compiling took, and whether it was taken from disk."""

    compiled: bytes
    build_s: float
    from_cache: bool


def entry_key(engine: str, request: BuildRequest, compiler: dict[str, Any]) -> str:
    """The hash of the engine's name, all of the request (the graph's bytes among it) and the compiler's description."""
    asked = {
        field.name: getattr(request, field.name)
        for field in dataclasses.fields(request)
        if field.name not in ("onnx_bytes", "builder", "cache", "prepared")
    }
    return value_digest(
        {
            "engine": engine,
            "graph": hashlib.sha256(request.onnx_bytes).hexdigest(),
            "request": {**asked, "input_shape": list(request.input_shape)},
            "builder": dataclasses.asdict(request.builder),
            "compiler": compiler,
        }
    )


def read_entry(folder: Path, key: str) -> Entry | None:
    """What was written under the key; None where nothing was, or where the file is damaged."""
    path = _path(folder, key)
    found = read_as(path, lambda kept: Entry(kept.content, float(kept.facts["build_s"]), True))
    with contextlib.suppress(OSError):
        os.utime(path)  # `keep_within` goes by it
    return found


def write_entry(folder: Path, key: str, entry: Entry) -> None:
    """Writes it whole or not at all."""
    write_artefact(_path(folder, key), entry.compiled, {"build_s": entry.build_s})


def keep_within(folder: Path, most: int) -> None:
    """Removes what was not used for the longest time, until the folder has no more than so many bytes. What was used
    last stays.
    """
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):  # another process removes, too
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_mtime, status.st_size, path))
    found.sort(key=lambda one: one[:2])
    left = sum(size for _, size, _ in found)
    for _, size, path in found[:-1]:
        if left <= most:
            return
        remove(path)
        left -= size


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.engine"

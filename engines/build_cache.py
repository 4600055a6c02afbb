"""Built engines on disk, by the hash of everything that shaped them: no engine is ever served to another model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from seatrial.engines.base import BuildRequest
from seatrial.files import replacing, value_digest

_MAGIC = b"seatrial engine 1\n"


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
        if field.name not in ("onnx_bytes", "builder", "cache")
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
    try:
        content = (folder / f"{key}.engine").read_bytes()
    except OSError:
        return None
    head, _, compiled = content.removeprefix(_MAGIC).partition(b"\n")
    try:
        header = json.loads(head)
        if not content.startswith(_MAGIC) or hashlib.sha256(compiled).hexdigest() != header["sha256"]:
            return None
        return Entry(compiled, float(header["build_s"]), True)
    except (ValueError, KeyError, TypeError):
        return None


def write_entry(folder: Path, key: str, entry: Entry) -> None:
    """Writes it whole or not at all."""
    header = {"sha256": hashlib.sha256(entry.compiled).hexdigest(), "build_s": entry.build_s}
    with replacing(folder / f"{key}.engine") as temporary:
        temporary.write_bytes(_MAGIC + json.dumps(header).encode() + b"\n" + entry.compiled)

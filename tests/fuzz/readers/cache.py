"""Entries of the cache."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import mutators
from fuzz.readers.models import models
from fuzz.readers.table import NAME, READERS, reader
from seatrial.artefacts import write_artefact


def sealed_artefact(path: Path, content: bytes) -> bytes:
    """An entry of the cache with the checksum of what it holds now."""
    from seatrial.artefacts import _MAGIC, _checksum

    body = content.partition(b"\n")[2]
    return _MAGIC + _checksum(path, body) + b"\n" + body


def _entry(name: str, suffix: str, content: Callable[[Path], bytes], facts: dict[str, Any]) -> dict[str, Any]:
    def samples(root: Path) -> list[bytes]:
        path = READERS[name].path(root)
        write_artefact(path, content(root), facts)
        return [path.read_bytes()]

    return {"samples": samples, "suffix": suffix, "seal": sealed_artefact}


def _facts(rng: random.Random, content: bytes) -> bytes:
    """The facts of an entry, or its content, are others."""
    head, _, body = content.partition(b"\n")
    facts, _, inner = body.partition(b"\n")
    if rng.random() < 0.5:
        facts = mutators.json_text(rng, facts)
    else:
        inner = rng.choice((mutators.json_text, mutators.members, mutators.deep, *mutators.BYTES))(rng, inner)
    return b"\n".join((head, facts, inner))


_CACHED = (*mutators.BYTES, *([_facts] * 12))


@reader(
    "engine in the cache",
    mutators=_CACHED,
    **_entry("engine in the cache", ".engine", lambda root: b"x" * 99, {"build_s": 1.5}),
)
def _read_entry(path: Path) -> None:
    from seatrial.engines.build_cache import read_entry

    read_entry(path.parent, path.stem)


@reader(
    "quantized model in the cache",
    mutators=_CACHED,
    **_entry("quantized model in the cache", ".model", lambda root: models(root)[0], {"precision": "int8"}),
)
def _read_quantized(path: Path) -> None:
    from seatrial.calib.cache import find

    find(path.parent, path.stem, _small(path.parent))


@functools.cache
def _small(folder: Path) -> Any:
    from conftest import make_model

    from seatrial import exporters

    return exporters.load(make_model(folder / "small.onnx"), contract=exporters.ContractOptions(size=(16, 16)))


def _verdict(root: Path) -> bytes:
    from seatrial.harness.guard.verdict import Piece, Verdict

    piece = Piece("a", ("a", "b"), "k", 0.1, 3.0)
    return json.dumps(
        Verdict(8, "calibration", 12.0, 1, (piece,), "basic", False, (1, 2), 0.1, (("a", "b"),)).to_dict()
    ).encode()


@reader("verdict in the cache", mutators=_CACHED, **_entry("verdict in the cache", ".verdict", _verdict, {}))
def _read_verdict(path: Path) -> None:
    from seatrial.harness.guard.look import stored_verdict

    stored_verdict(path)


def _chunk(root: Path) -> bytes:
    from seatrial.harness.attacks.rows import AttackRows

    flags = np.zeros(3, np.bool_)
    rows = AttackRows(flags, flags, np.zeros(3, np.float32), flags, np.zeros(3, np.int32))
    stream = io.BytesIO()
    np.savez_compressed(stream, change=np.zeros((3, 4, 4, 3), np.uint8), **dataclasses.asdict(rows))
    return stream.getvalue()


@reader(
    "adversarial images in the cache",
    mutators=_CACHED,
    place=lambda root: _made(root / "chunks" / NAME[:2]) / f"{NAME}.chunk",
    **dict(_entry("adversarial images in the cache", ".chunk", _chunk, {}).items()),
)
def _read_chunk(path: Path) -> None:
    from seatrial.harness.attacks.store import ChunkStore

    ChunkStore(path.parent.parent).read(path.stem, np.zeros((3, 4, 4, 3), np.uint8))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder

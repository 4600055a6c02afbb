"""Measured kernel times on disk: the next build of a similar network need not measure them again."""

from __future__ import annotations

from pathlib import Path

from seatrial.artefacts import read_artefact, write_artefact
from seatrial.engines.tensorrt.bindings import Bindings


def attach(config: Bindings.IBuilderConfig, path: Path) -> None:
    """Gives the build what earlier ones have measured; an empty cache where there is none, or one that TensorRT
    does not take.
    """
    kept = read_artefact(path)
    known = b"" if kept is None else kept.content
    for content in dict.fromkeys((known, b"")):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def save(config: Bindings.IBuilderConfig, path: Path) -> None:
    """Writes what the build knows now, whole or not at all; nothing where TensorRT has kept none."""
    cache = config.get_timing_cache()
    content = None if cache is None else cache.serialize()
    if content is not None:
        write_artefact(path, bytes(content))

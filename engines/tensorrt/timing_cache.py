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
    if not config.set_timing_cache(config.create_timing_cache(known), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def save(config: Bindings.IBuilderConfig, path: Path) -> None:
    """Writes what the build knows now, whole or not at all."""
    write_artefact(path, bytes(config.get_timing_cache().serialize()))

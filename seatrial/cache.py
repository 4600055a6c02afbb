"""Where artefacts live between runs: a folder of files keyed by the hash of everything that shaped them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from seatrial.files import TEMPORARY_PREFIX, is_leftover, is_old

CACHE_VARIABLE = "SEATRIAL_CACHE"


def cache_root() -> Path:
    """`$SEATRIAL_CACHE`, else the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`) + `/seatrial`.

    Never the shared temporary folder: there, another user could plant an artefact.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "seatrial"


def sweep_cache() -> None:
    """Removes what killed processes left: half-written artefacts, and scratch files that kept a name."""
    root = cache_root()
    for leftover in filter(is_leftover, list(root.rglob(f"{TEMPORARY_PREFIX}*"))):
        remove(leftover)
    for scratch in filter(is_old, list((root / "scratch").glob("*"))):
        remove(scratch)


def remove(path: Path) -> None:
    """Removes a file or a folder, if that is allowed and nobody else has."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

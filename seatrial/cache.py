"""Where artefacts live between runs: a folder of files keyed by the hash of everything that shaped them."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "SEATRIAL_CACHE"


def cache_root() -> Path:
    """`$SEATRIAL_CACHE`, else the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`) + `/seatrial`.

    Never the shared temporary folder: there, another user could plant an artefact.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "seatrial"

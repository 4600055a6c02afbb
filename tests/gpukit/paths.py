"""Where things lie: the checkout, the Pythons of the steps, and the names of their files."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from gpukit.steps import MAIN

ROOT = Path(__file__).resolve().parents[2]


def python_of(environment: str) -> Path:
    """The main one is this; the others lie below it, and may not be there yet."""
    return Path(sys.executable) if environment == MAIN else folder_of(environment) / "bin/python"


def folder_of(environment: str) -> Path:
    """Where it lies."""
    return Path(sys.prefix) / "providers" / environment


def slug(name: str) -> str:
    """Of a step, for the names of its files."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

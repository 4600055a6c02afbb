"""The virtual environment that setup makes on a board, and what is in it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What was asked of it lies in it, so that the same again has nothing to do.
_ASKED = "seatrial.json"
# Of every environment, and of no runtime's.
_TOOLS = ("pip", "setuptools", "wheel")


def home() -> Path:
    """The folder of all that setup makes."""
    return Path.home() / ".local" / "share" / "seatrial"


def folder() -> Path:
    """The environment's."""
    return home() / "venv"


def python() -> Path:
    """Its interpreter; `agent.command` looks for it there."""
    return folder() / "bin" / "python"


def describe() -> dict[str, Any] | None:
    """path, packages (name -> version), bytes, and what was asked of it; None where there is none, or one whose Python
    the system has no more.
    """
    if not python().exists():  # false for a link to what is gone, too
        return None
    asked: Any = {}
    with contextlib.suppress(OSError, ValueError):
        asked = json.loads((folder() / _ASKED).read_text(encoding="utf-8"))
    return {
        "path": str(folder()),
        "packages": packages(),
        "bytes": sizes(folder())["bytes"],
        "asked": asked if isinstance(asked, dict) else {},
    }


def remember(asked: Mapping[str, Any]) -> None:
    """Writes down what it holds now, once all of it is there."""
    path = folder() / _ASKED
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(asked), encoding="utf-8")
    part.replace(path)


def forget() -> None:
    """Until it is remembered again, it holds nothing for certain."""
    (folder() / _ASKED).unlink(missing_ok=True)


def packages() -> dict[str, str]:
    """Name -> version, of its own ones: not the system's."""
    found: dict[str, str] = {}
    for where in (folder() / "lib").glob("python3*/site-packages"):
        for one in importlib.metadata.distributions(path=[str(where)]):
            name = one.metadata["Name"]
            if name and name not in _TOOLS:
                found[str(name)] = one.version
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def sizes(where: Path) -> dict[str, int]:
    """files and bytes below a folder; links are not followed."""
    files, total = 0, 0
    for within, _, names in os.walk(where):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(within, name)).st_size  # noqa: PTH118  (many files: no Path for each)
                files += 1
    return {"files": files, "bytes": total}

"""A place whose Python finds NumPy, the packages that are named, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from seatrial.engines.places import PipedPlace

_ROOT = Path(__file__).resolve().parent.parent


def bare(folder: Path, *packages: str) -> PipedPlace:
    """folder: an empty one. Skips where a package is not installed. What its Python finds beside its own library is
    links in there: a package, its libraries, and what tells its version.
    """
    for package in ("numpy", *packages):
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            pytest.skip(f"{package} is not installed")
        site = Path(found.origin).parent.parent
        for part in site.glob(f"{package}*"):
            if part.suffix == ".dist-info" or part.name.removeprefix(package) in ("", ".libs", "_libs", "_bindings"):
                (folder / part.name).symlink_to(part)
    (folder / "seatrial").symlink_to(_ROOT / "seatrial")
    lines = [
        f"import sys; sys.path[:] = [path for path in sys.path if 'site-packages' not in path] + [{str(folder)!r}]",
        "from seatrial.engines.places import server",
        "server.over_pipes()",
    ]
    return PipedPlace("a bare place", [sys.executable, "-I", "-S", "-c", "\n".join(lines)])

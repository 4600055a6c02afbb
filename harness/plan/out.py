"""Where a run directory may not lie."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.errors import UsageError

DEFAULT = Path("runs")


def refuse_among_images(out: Path | None, *images: Path | str | None) -> None:
    """UsageError for a run directory in a folder of images, where the next run would take it for a class.

    out: as asked for, None for the default. images: where images lie; what is no folder has nothing in it.
    """
    where = (out or DEFAULT).resolve()
    for one in images:
        if one is None or not os.path.isdir(one):  # noqa: PTH112  (a scheme of another package's is text)
            continue
        folder = Path(one).resolve()
        if folder in (where, *where.parents):
            raise UsageError(
                f"The run directory {out or DEFAULT} would lie in {one}, among the images: the next run would take it "
                "for a class. Choose another --out."
            )

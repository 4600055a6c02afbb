"""Data behind names: `--data SCHEME:WHERE` of other packages, URLs, or paths that another package knows to open."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seatrial.harness.data.labels import LabelOf
from seatrial.harness.data.remote import is_url, open_url
from seatrial.harness.data.source import DataSource
from seatrial.registry import Registry


@dataclasses.dataclass(frozen=True)
class Opener:
    """open: what stands behind the colon, or the path; the number of the model's outputs; how class folders' names
    become labels (`harness.data.labeller`) -> the images. claims: of a path that is no folder and no .npz archive,
    whether it is one of these.
    """

    open: Callable[[str, int, LabelOf], DataSource]
    claims: Callable[[Path], bool] = lambda path: False


def _accept(name: str, named: Any) -> Opener:
    opener = named if isinstance(named, Opener) else Opener(named)
    if not callable(opener.open) or not callable(opener.claims):
        raise TypeError("a data source is a function that opens it, or a seatrial.harness.data.outside.Opener")
    if len(name) < 2 or not name.replace("-", "").isalnum():
        raise ValueError(f"{name!r} is no scheme: at least two letters, digits or -")  # C: is a drive
    return opener


SOURCES: Registry[Opener] = Registry("data source", group="seatrial.data_sources", accept=_accept)


def names_source(where: str) -> bool:
    """True for a URL, and for `SCHEME:WHERE` of a source that another package declares; UsageError where that is
    broken.
    """
    scheme, colon, _ = where.partition(":")
    if not colon:
        return False
    SOURCES.refuse_broken(scheme)
    return scheme in SOURCES or is_url(where)


def open_outside(where: str | Path, classes: int, label_of: LabelOf) -> DataSource | None:
    """The images; None where no other package claims a path."""
    if isinstance(where, str):
        scheme, _, rest = where.partition(":")
        if scheme not in SOURCES:
            return open_url(where, classes, label_of)
        return SOURCES[scheme].open(rest, classes, label_of)
    for opener in SOURCES.values():
        if opener.claims(where):
            return opener.open(str(where), classes, label_of)
    return None

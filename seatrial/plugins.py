"""Parts of other people's packages, found by the entry points that these declare."""

from __future__ import annotations

import dataclasses
from collections import Counter
from importlib.metadata import EntryPoint, entry_points
from typing import Any

_LONGEST = 240


@dataclasses.dataclass(frozen=True)
class Plugin:
    """One entry point. package, version: of the distribution that declares it. error: why it is not used, None for one
    that is.
    """

    group: str
    name: str
    package: str
    version: str
    error: str | None = None

    @property
    def origin(self) -> str:
        """`PACKAGE VERSION`."""
        return f"{self.package} {self.version}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**dataclasses.asdict(self), "state": "usable" if self.error is None else "broken"}


def find_plugins(group: str) -> list[tuple[Plugin, Any]]:
    """Every entry point of a group and what it names, None for one that is broken; by name.

    Whatever importing it raises, `sys.exit` included, is its error. Of two packages that declare one name, neither is
    taken.
    """
    found = sorted(entry_points(group=group), key=lambda entry: (entry.name, *_distribution(entry)))
    count = Counter(entry.name for entry in found)
    return [_loaded(entry, group, twice=count[entry.name] > 1) for entry in found]


def broken(plugin: Plugin, error: BaseException) -> Plugin:
    """The same, with what is wrong in one line."""
    says = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST].rstrip(": ")
    return dataclasses.replace(plugin, error=says)


def _loaded(entry: EntryPoint, group: str, *, twice: bool) -> tuple[Plugin, Any]:
    plugin = Plugin(group, entry.name, *_distribution(entry))
    if twice:
        return dataclasses.replace(plugin, error="several entry points declare this name"), None
    try:
        return plugin, entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package does what it likes when it is imported
        return broken(plugin, error), None


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    try:
        assert entry.dist is not None
        return str(entry.dist.metadata["Name"]), str(entry.dist.version)
    except Exception:  # damaged metadata
        return "?", "?"

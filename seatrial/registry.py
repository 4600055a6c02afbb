"""A registry of named parts: filled by decorator, refuses duplicates, and lists what it knows when a name is
unknown.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from seatrial.errors import UsageError

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Maps names to parts of one kind (`kind` is the word used in error messages, e.g. "engine")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[T], T]:
        """Decorator that files a part under `name` and its short names; ValueError if one is taken."""

        def add(part: T) -> T:
            for key in (name, *aliases):
                if key in self._parts or key in self._aliases:
                    raise ValueError(f"{self.kind} {key!r} is registered twice")
            self._parts[name] = part
            self._aliases.update(dict.fromkeys(aliases, name))
            return part

        return add

    def canonical(self, name: str) -> str:
        """The full name behind a name or an alias; UsageError that lists the known ones otherwise."""
        name = self._aliases.get(name, name)
        if name in self._parts:
            return name
        known = sorted(self._parts)
        near = difflib.get_close_matches(name, [*known, *self._aliases], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"Unknown {self.kind} {name!r}. Known: {', '.join(known)}.{hint}")

    def __getitem__(self, name: str) -> T:
        return self._parts[self.canonical(name)]

    def __contains__(self, name: object) -> bool:
        return name in self._parts or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

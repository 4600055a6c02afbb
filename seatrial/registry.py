"""A registry of named parts: filled by decorator and by other packages' entry points, refuses duplicates, and lists
what it knows when a name is unknown.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from seatrial.errors import UsageError
from seatrial.plugins import Plugin, broken, find_plugins
from seatrial.text import meant

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Maps names to parts of one kind (`kind` is the word used in error messages, e.g. "engine").

    Ours stand first. What other packages declare follows when the registry is first looked at; a part of theirs that is
    broken, or bears a name that is taken, is not in it, and who asks for it is told why.
    """

    def __init__(
        self,
        kind: str,
        *,
        modules: Sequence[str] = (),
        group: str | None = None,
        accept: Callable[[str, Any], T] | None = None,
    ) -> None:
        """modules: that register our parts, imported when it is first looked at. group: of entry points. accept: their
        name and what they name -> a part; raises TypeError or ValueError with what is wrong.
        """
        self.kind = kind
        self._modules, self._group, self._accept = modules, group, accept
        self._parts: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._plugins: dict[str, Plugin] = {}
        self._broken: list[Plugin] = []
        self._lock = threading.RLock()
        self._filled = self._filling = False

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
        self._fill()
        name = self._aliases.get(name, name)
        if name in self._parts:
            return name
        self.refuse_broken(name)
        known = sorted(self._parts)
        hint = meant(name, (*known, *self._aliases))
        raise UsageError(f"Unknown {self.kind} {name!r}. Known: {', '.join(known)}.{hint}")

    def refuse_broken(self, name: str) -> None:
        """UsageError for the name of another package's part that is broken."""
        self._fill()
        for plugin in self._broken:
            if plugin.name == name and name not in self._parts:
                says = f"{self.kind.capitalize()} {name!r} of {plugin.origin} is broken: {plugin.error}"
                raise UsageError(f"{says}. Mend or uninstall that package.")

    def provenance(self, name: str) -> dict[str, str]:
        """The package and version that a part of another package comes from, as JSON values; empty for one of ours."""
        plugin = self._plugins.get(self.canonical(name))
        return {} if plugin is None else {"plugin": plugin.origin}

    def plugins(self) -> list[Plugin]:
        """What other packages declare, broken ones included."""
        self._fill()
        return sorted([*self._plugins.values(), *self._broken], key=lambda plugin: (plugin.name, plugin.package))

    def __getitem__(self, name: str) -> T:
        name = self.canonical(name)
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._parts or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return iter(self._parts)

    def __len__(self) -> int:
        self._fill()
        return len(self._parts)

    def _fill(self) -> None:
        if self._filled:
            return
        with self._lock:
            if self._filled or self._filling:  # what is imported meanwhile may look, too
                return
            self._filling = True
            try:
                for module in self._modules:
                    importlib.import_module(module)
                # One of them may have been imported before, for itself.
                for name in sorted(self._parts, key=lambda name: self._position(self._parts[name])):
                    self._parts[name] = self._parts.pop(name)
                self._add_plugins()
                self._filled = True
            finally:
                self._filling = False

    def _position(self, part: T) -> int:
        where = f"{getattr(part, '__module__', '')}."
        return next((i for i, name in enumerate(self._modules) if where.startswith(f"{name}.")), len(self._modules))

    def _add_plugins(self) -> None:
        if self._group is None or self._accept is None:
            return
        ours = {**self._parts, **self._aliases}
        for plugin, named in find_plugins(self._group):
            if plugin.error is not None:
                self._broken.append(plugin)
                continue
            try:
                part = self._accept(plugin.name, named)
                if plugin.name in ours:
                    raise ValueError(f"there is a {self.kind} {plugin.name!r} already")
                if self._parts.get(plugin.name) is not part:  # its module may register it, too
                    self.register(plugin.name)(part)
            except Exception as error:
                self._broken.append(broken(plugin, error))
            else:
                self._plugins[plugin.name] = plugin

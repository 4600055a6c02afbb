"""Engines whose built form is a file, as TensorRT's plan or OpenVINO's blob: kept by content, loaded instead of built
again.
"""

from __future__ import annotations

import abc
import time
from typing import Any

from seatrial.engines.base import BuildRequest, Engine
from seatrial.engines.build_cache import Entry, entry_key, read_entry, write_entry


class CompiledEngine(Engine):
    """Builds in two steps: the graph to bytes (`_compile`), the bytes to something that runs (`_load`).

    The first may not need the device that the second does. With `request.cache`, bytes that were compiled from the same
    graph, with the same options, by the same runtime for the same device are loaded and not compiled again; `build_s`
    is then the time that their compiling took, and `from_cache` is true.
    """

    def __init__(self, request: BuildRequest) -> None:
        """Builds; `build_s` is the wall time of compiling, in seconds, without loading."""
        super().__init__(request)
        self.build_s = self._entry.build_s

    @classmethod
    @abc.abstractmethod
    def _compile(cls, request: BuildRequest) -> bytes:
        """The runtime's own file for the request; BuildError with the runtime's own words if it refuses."""

    @classmethod
    @abc.abstractmethod
    def compiler(cls, request: BuildRequest) -> dict[str, Any]:
        """What shapes the file beside the request, as JSON values: versions of runtime and driver, device name."""

    @abc.abstractmethod
    def _load(self, compiled: bytes) -> None:
        """Makes the file of `self.request` ready to run; BuildError where it cannot be loaded."""

    @classmethod
    def check_compile(cls, precision: str, device: str, compute_capability: str | None) -> None:
        """UnsupportedError where the file cannot be made here; as `check_support`, unless that needs no device."""
        cls.check_support(precision, device)

    @classmethod
    def compile(cls, request: BuildRequest) -> Entry:
        """The built file and the seconds that it took, from the cache where it is there."""
        request = cls.prepare(request)
        key = entry_key(cls.name, request, cls.compiler(request))
        if request.cache is not None:
            found = read_entry(request.cache, key)
            if found is not None:
                return found
        begin = time.perf_counter()
        entry = Entry(cls._compile(request), 0.0, False)
        entry = Entry(entry.compiled, time.perf_counter() - begin, False)
        if request.cache is not None:
            write_entry(request.cache, key, entry)
        return entry

    def _build(self) -> None:
        self._entry = self.compile(self.request)
        self.from_cache = self._entry.from_cache
        self.engine_bytes = len(self._entry.compiled)
        self._load(self._entry.compiled)

    def save(self) -> bytes:
        """What was compiled."""
        return self._entry.compiled

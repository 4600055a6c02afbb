"""Engines whose process needs NumPy and its runtime alone: what takes the onnx package is done on the host."""

from __future__ import annotations

import abc
from collections.abc import Collection
from typing import Any

import numpy.typing as npt

from seatrial.engines.audit import Audit
from seatrial.engines.base import Batch, BuildRequest, Engine
from seatrial.engines.evidence import Ask, Evidence
from seatrial.engines.graph import Shown, with_every_output


class AidedEngine(Engine):
    """`_shown` and `_judged` run on the host, `_show` and `_evidence` beside the runtime.

    A class derived from one of these may override `_read_audit` or `_intermediates` alone, as one of `Engine` does: it
    is then asked in its own process, as if there were no host.
    """

    @classmethod
    def shown(cls, request: BuildRequest, names: Collection[str] | None) -> Shown | None:
        """As for every engine."""
        return cls._shown(request, names) if cls._intermediates is AidedEngine._intermediates else None

    @classmethod
    def _shown(cls, request: BuildRequest, names: Collection[str] | None) -> Shown:
        return with_every_output(request.onnx_bytes, names)

    @abc.abstractmethod
    def _show(self, batch: Batch, shown: Shown) -> dict[str, npt.NDArray[Any]]:
        """Name -> value, of the floats among what is shown, for a checked batch."""

    def _intermediates(self, batch: Batch, names: frozenset[str] | None) -> dict[str, npt.NDArray[Any]]:
        return self._show(batch, self._shown(self.request, names))

    def evidence(self, part: str) -> Evidence:
        """As for every engine."""
        return self._evidence(part) if self._judges_evidence() else super().evidence(part)

    @classmethod
    def judge(cls, request: BuildRequest, ask: Ask) -> Audit:
        """As for every engine."""
        return cls._judged(request, ask) if cls._judges_evidence() else super().judge(request, ask)

    @classmethod
    def _judges_evidence(cls) -> bool:
        return cls._read_audit is AidedEngine._read_audit

    def _evidence(self, part: str) -> Evidence:
        """As `evidence`; ValueError for a part that there is none of."""
        return super().evidence(part)

    @classmethod
    def _judged(cls, request: BuildRequest, ask: Ask) -> Audit:
        """As `judge`."""
        return super().judge(request, ask)

    def _read_audit(self) -> Audit:
        return self._judged(self.request, self._evidence)

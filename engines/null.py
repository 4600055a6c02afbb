"""An engine that does nothing: what a run costs with it is the harness itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from seatrial.engines.audit import Audit
from seatrial.engines.base import Batch, Engine, Logits
from seatrial.engines.precision import PRECISIONS
from seatrial.engines.registry import ENGINES


@ENGINES.register("null")
class NullEngine(Engine):
    """Answers every image with zero logits, whatever precision was asked for; its audit has no layers."""

    name: ClassVar[str] = "null"
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {"cpu": tuple(PRECISIONS)}
    executes_graph: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = True

    def _build(self) -> None:
        self.engine_bytes = 0

    def _infer(self, batch: Batch) -> Logits:
        return np.zeros((len(batch), self.request.columns), np.float32)

    def _read_audit(self) -> Audit:
        return Audit((), {})

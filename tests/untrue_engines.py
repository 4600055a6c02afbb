"""Engines that are not what they seem while they are timed: ONNX Runtime, and on top what bad runtimes, caches and warm
devices do. Importing this registers them. Batches of several images are answered as they should be, so that the run
around them is that of a good engine.
"""

from __future__ import annotations

import os
import threading
import time
from typing import ClassVar

import numpy as np

from seatrial.engines.onnxruntime import OnnxRuntimeEngine
from seatrial.engines.registry import ENGINES

NAMES = ("stale", "remembers-inputs", "remembers-addresses", "hasty", "stalls", "drifts", "strains")


class Untrue(OnnxRuntimeEngine):
    """Single images are answered by `alone`."""

    @classmethod
    def recipe(cls, device):
        return "onnxruntime"

    def _build(self):
        super()._build()
        self._lock = threading.Lock()
        self._calls = 0

    def _infer(self, batch):
        if len(batch) > 1:
            return super()._infer(batch)
        with self._lock:
            self._calls += 1
        return self.alone(batch)

    def true(self, batch):
        return super()._infer(batch)

    def alone(self, batch):
        raise NotImplementedError


@ENGINES.register("stale")
class Stale(Untrue):
    """Answers the query before."""

    name = "stale"
    thread_safe = False
    _before = None

    def alone(self, batch):
        answer = self.true(batch)
        before, self._before = self._before, answer
        return answer if before is None else before


@ENGINES.register("remembers-inputs")
class RemembersInputs(Untrue):
    """Answers at once what it was asked before; what is new takes 2 ms more."""

    name = "remembers-inputs"
    most: ClassVar[int] = 1 << 12

    def _build(self):
        super()._build()
        self._known = {}

    def alone(self, batch):
        key = batch.tobytes()
        if key not in self._known:
            answer = self.true(batch)
            time.sleep(0.002)
            if len(self._known) >= self.most:
                return answer
            self._known[key] = answer
        return self._known[key]


@ENGINES.register("remembers-addresses")
class RemembersAddresses(Untrue):
    """Answers what lay at that address when it was first asked."""

    name = "remembers-addresses"

    def _build(self):
        super()._build()
        self._known = {}

    def alone(self, batch):
        address = batch.ctypes.data
        if address not in self._known:
            self._known[address] = self.true(batch)
        return self._known[address]


@ENGINES.register("hasty")
class Hasty(Untrue):
    """Once it was asked often, it answers zeros, and does not compute."""

    name = "hasty"
    patience: ClassVar[int] = 200

    def alone(self, batch):
        if self._calls > self.patience:
            return np.zeros((len(batch), self.request.columns), np.float32)
        return self.true(batch)


@ENGINES.register("stalls")
class Stalls(Untrue):
    """Sleeps for 20 ms in each hundredth query."""

    name = "stalls"

    def alone(self, batch):
        if self._calls % 100 == 0:
            time.sleep(0.02)
        return self.true(batch)


class Slower(Untrue):
    """Takes `times` as long."""

    def times(self):
        raise NotImplementedError

    def alone(self, batch):
        begin = time.perf_counter()
        answer = self.true(batch)
        end = begin + self.times() * (time.perf_counter() - begin)
        while time.perf_counter() < end:
            pass
        return answer


@ENGINES.register("drifts")
class Drifts(Slower):
    """Becomes slower, evenly, by a fifth within UNTRUE_DRIFT_S seconds from the first query on (unset: 10)."""

    name = "drifts"
    _first = None

    def times(self):
        now = time.perf_counter()
        if self._first is None:
            self._first = now
        return 1 + 0.2 * min(1, (now - self._first) / float(os.environ.get("UNTRUE_DRIFT_S", "10")))


@ENGINES.register("strains")
class Strains(Slower):
    """Takes three times as long while another query is computed, too."""

    name = "strains"

    def _build(self):
        super()._build()
        self._inside = 0

    def times(self):
        return 3 if self._inside > 1 else 1

    def alone(self, batch):
        with self._lock:
            self._inside += 1
        try:
            return super().alone(batch)
        finally:
            with self._lock:
                self._inside -= 1

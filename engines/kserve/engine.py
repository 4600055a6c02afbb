"""A served model as an engine: it is asked over the network, and what it executes there nobody tells."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from seatrial.engines.audit import UNKNOWN, Audit, Layer
from seatrial.engines.base import Batch, Engine, Logits, filled
from seatrial.engines.kserve.client import Client, Query
from seatrial.engines.kserve.credentials import ENDPOINT, credentials_here
from seatrial.engines.kserve.described import Described, described_of
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.kserve.fit import fitted
from seatrial.engines.kserve.grpc import INSTALL, GrpcClient
from seatrial.engines.kserve.http import HttpClient
from seatrial.engines.kserve.retries import Retries, UnavailableError
from seatrial.engines.kserve.statistics import Statistics, statistics_of
from seatrial.engines.precision import PRECISIONS
from seatrial.engines.registry import ENGINES
from seatrial.errors import DeviceError, UnsupportedError
from seatrial.text import shown

_CLIENTS: dict[str, type[Client]] = {"http": HttpClient, "grpc": GrpcClient}
# Connections over which a server is asked who it is: several may stand behind one address.
_ASKED = 3
# Queries under way: what a client sends that does not want to be the bottleneck.
_AT_ONCE = 8
_LONGEST = 100
# Seconds between looks at the statistics, until they have the query.
_COUNTED_S = (0.001, 0.01, 0.1, 0.0)


@ENGINES.register("kserve")
class KserveEngine(Engine):
    """Asks an endpoint of the Open Inference Protocol v2. Its device is the protocol, `http` or `grpc`; its precision
    is what the user says is served, and its audit says `unknown`.

    The endpoint stands in the environment of its process: `engines.kserve.place` puts it there.
    """

    name: ClassVar[str] = "kserve"
    install: ClassVar[str] = INSTALL
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {name: tuple(PRECISIONS) for name in _CLIENTS}
    executes_graph: ClassVar[bool] = False
    thread_safe: ClassVar[bool] = True
    served: ClassVar[bool] = True

    @classmethod
    def packaged_version(cls) -> str | None:
        """Of the server, where there is one; nothing is installed here."""
        return None if ENDPOINT not in os.environ else cls.version()

    @classmethod
    def version(cls) -> str | None:
        """Server, model and the hash of what it tells of both; DeviceError where those behind the address differ."""
        if ENDPOINT not in os.environ:
            return None
        asking = _Asking()
        try:
            return asking.identity()
        finally:
            asking.client.close()

    @classmethod
    def check_device(cls, device: str) -> None:
        """UnsupportedError without an endpoint, or one of another protocol; DeviceError where its model is not
        ready.
        """
        if ENDPOINT not in os.environ:
            raise UnsupportedError(
                f"Engine {cls.name!r} asks a served model: give --place http://HOST:8000/v2/models/NAME, or "
                "grpc://HOST:8001/NAME."
            )
        asking = _Asking()
        try:
            if asking.client.address.protocol != device:
                raise UnsupportedError(f"{asking.client.where} is not asked over {device}.")
            asking.retries.run(asking.client.check_ready)
        finally:
            asking.client.close()

    def _build(self) -> None:
        self._asking = asking = _Asking()
        self.engine_bytes = 0
        self._lock = threading.Lock()
        self._answered_by: tuple[str, str] | None = None
        self._statistics = True
        self._described = asking.described()
        self._fit = fitted(self.request, self._described, asking.client.where)
        size = self._fit.batch or self.request.fixed_batch or 1
        self._run(np.zeros((size, *self.request.input_shape), self.request.input_dtype))

    def _infer(self, batch: Batch) -> Logits:
        most, held = self._fit.most, self._fit.batch
        parts = []
        for start in range(0, len(batch), most):
            part = batch[start : start + most]
            parts.append(self._ask(part if held is None else filled(part, held))[: len(part)])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _ask(self, images: Batch) -> Logits:
        query = Query(self._fit.input, self._fit.datatype, images, self._fit.output, self.request.columns)
        answer = self._asking.retries.run(lambda: self._asking.client.infer(query))
        who = (answer.model, answer.version)
        with self._lock:
            known = self._answered_by = self._answered_by or who
        if who != known and any(who):  # some tell nothing
            raise DeviceError(
                f"{self._asking.client.where} is answered by {_spelled(who)}, and was by {_spelled(known)}: name the "
                "version (/versions/V)."
            )
        if not answer.scores.ndim or len(answer.scores) != len(images):
            raise DeviceError(f"The server answered {list(answer.scores.shape)} to {len(images)} images.")
        scores: Logits = answer.scores
        return scores

    def _at_once(self) -> int:
        return _AT_ONCE

    def _read_audit(self) -> Audit:
        # How much it multiplies does not matter where there is but one part.
        served = Layer("served", "served model", 1, self.request.precision, UNKNOWN)
        return Audit((served,), {})

    def phases(self, batch: Batch) -> dict[str, float]:
        """As for every engine, by the server's clock: queue, h2d, compute, d2h; empty where it tells none, and where
        others ask it meanwhile.
        """
        before = self._told()
        if before is None:
            return {}
        self.infer(batch)
        for pause in _COUNTED_S:  # Triton answers before it counts
            after = self._told()
            if after is None or after.count > before.count:
                break
            time.sleep(pause)
        return {} if after is None else after.since(before)

    def standing(self) -> dict[str, Any]:
        """As for every engine: who answers now, and how often it was asked again."""
        found = self.version()  # over connections of its own: others may be asked over meanwhile
        by = self._answered_by or ("", "")
        return {"version": found, "answered_by": _spelled(by), "asked_again": self._asking.retries.count}

    def describe(self) -> dict[str, Any]:
        """Endpoint, server, and how images travel."""
        client = self._asking.client
        return {
            "endpoint": client.endpoint.url,
            "server": self._described.server,
            "metadata": self._described.digest,
            "answered_by": _spelled(self._answered_by or ("", "")),
            "data": client.data,
            "encrypted": client.address.encrypted,
            "most_images": self._fit.most,
        }

    def _told(self) -> Statistics | None:
        found = None
        if self._statistics:
            with contextlib.suppress(DeviceError, UnavailableError):  # some keep it for their administrators
                found = self._asking.client.statistics()
        told = statistics_of(found)
        self._statistics = told is not None
        return told

    def _release(self) -> None:
        self._asking.client.close()


class _Asking:
    """A client of this process's endpoint, and its retries."""

    def __init__(self) -> None:
        endpoint = Endpoint("endpoint", os.environ[ENDPOINT])
        self.client = _CLIENTS[endpoint.address.protocol](endpoint, credentials_here())
        self.retries = Retries(self.client.where)

    def described(self) -> Described:
        server, model, config = self.retries.run(self.client.described)
        return described_of(server, model, config, self.client.address)

    def identity(self) -> str:
        """The same over every connection; DeviceError where it is not."""
        found: dict[str, None] = {}
        for _ in range(_ASKED):
            self.client.connect_anew()
            found[self.described().identity(self.client.address)] = None
        if len(found) > 1:
            raise DeviceError(
                f"{self.client.where} is answered by several that tell otherwise of themselves: {' | '.join(found)}. "
                "Wait until a rollout is over, or give the address of one of them."
            )
        return next(iter(found))


def _spelled(who: tuple[str, str]) -> str:
    model, version = (shown(word[:_LONGEST]) for word in who)
    return f"{model or 'a model'} version {version}" if version else model or "a model without a name"

"""An ask for the lease, until it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seatrial.agent.lease import NOBODY, Holder, Lease
from seatrial.agent.refusals import RefusedError

_EVERY_S = 0.25
# Until a holder that was put out, and its engines, are gone.
_GONE_S = 5.0


class Waiting:
    """wait_s: how long, None for ever."""

    def __init__(
        self, lease: Lease, guardian: int, wait_s: float | None, answer: Callable[[dict[str, Any]], None]
    ) -> None:
        self._lease, self._guardian, self._answer = lease, guardian, answer
        self._next = time.monotonic()
        self._end = None if wait_s is None else self._next + wait_s
        self._told: tuple[int, int] | None = None
        self._put_out: Holder | None = None

    def look(self) -> bool:
        """Looks whether the lease can be had, now and then; True once the ask is answered."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _EVERY_S
        try:
            if self._lease.is_held or self._lease.take(self._guardian):
                self._answer({"held": True, "put_out": self._put_out.owner if self._put_out else None})
                return True
        except RefusedError as refusal:
            self._answer({"error": refusal.kind, "says": str(refusal)})
            return True
        holder = self._lease.holder()
        if holder is not None and self._lease.put_out(holder):
            self._put_out = holder
            self._end = None if self._end is None else max(self._end, now + _GONE_S)
        words = NOBODY if holder is None else holder.told()
        if self._end is not None and now >= self._end:
            self._answer({"held": False, **words})
            return True
        who = (0, 0) if holder is None else (holder.pid, holder.begun)
        if who != self._told:
            self._told = who
            self._answer({"more": True, "held": False, **words})
        return False

"""How the work is done: it changes no result."""

from __future__ import annotations

import dataclasses
import os
import re

from seatrial.bounds import MOST_BATCH, MOST_THREADS, at_least
from seatrial.errors import UsageError

THREADS, RAY = "threads", "ray"
# What Ray itself finds: the cluster that this machine is part of.
AUTO = "auto"
_ADDRESS = re.compile(r"[A-Za-z0-9._\-]+:\d{1,5}|\[[0-9A-Fa-f:.]+\]:\d{1,5}")


def default_workers() -> int:
    """One thread per core."""
    return os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class WorkOptions:
    """workers: threads that decode and corrupt. batch_size: images a call. executor: where trials run: `threads` of
    this process, `ray` for a Ray cluster that is started here, `ray:ADDRESS` for one that runs.
    """

    workers: int = dataclasses.field(default_factory=default_workers)
    batch_size: int = 32
    executor: str = THREADS

    def __post_init__(self) -> None:
        """UsageError for numbers that none can be, and for what is no executor."""
        at_least(1, MOST_THREADS, workers=self.workers)
        at_least(1, MOST_BATCH, batch_size=self.batch_size)
        ray_address(self.executor)


def ray_address(executor: str) -> str | None:
    """Where the Ray cluster is, "" for one to be started here; None for threads. UsageError for what is neither.

    >>> ray_address("threads"), ray_address("ray"), ray_address("ray:auto"), ray_address("ray:10.0.0.1:6379")
    (None, '', 'auto', '10.0.0.1:6379')
    """
    if executor == THREADS:
        return None
    name, colon, address = executor.partition(":")
    if name != RAY:
        raise UsageError(f"--executor {executor!r} is unknown. Known: threads, ray, ray:ADDRESS.")
    if colon and address != AUTO and not _ADDRESS.fullmatch(address):
        raise UsageError(
            f"--executor {executor!r} names no Ray cluster: behind ray: stands HOST:PORT of its head, as "
            "`ray start --head` tells it, or auto for the cluster that this machine is part of."
        )
    return address

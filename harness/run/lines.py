"""Engines that share no memory with the run, asked beside the others: while a batch is on its way, others are made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Found = TypeVar("Found")


class Lines:
    """For each engine as many threads as it takes calls at once; their answers come later."""

    def __init__(self, pools: Mapping[str, ThreadPoolExecutor], ahead: int) -> None:
        self._pools, self.ahead = pools, ahead

    def submit(self, target: str, ask: Callable[[], Found]) -> Future[Found]:
        """Asks it once those that were asked before have been answered."""
        return self._pools[target].submit(ask)


@contextlib.contextmanager
def lines(lanes: Mapping[str, int], abandon: Callable[[], None]) -> Iterator[Lines]:
    """lanes: id of a build -> calls at once; none for those that are asked in place. abandon: what makes the asked come
    to an end, called where the body fails.

    `ahead`: batches that may be out beside the one that is waited for, so that no engine waits for the run.
    """
    pools = {
        name: ThreadPoolExecutor(max_workers=count, thread_name_prefix="seatrial-line") for name, count in lanes.items()
    }
    try:
        yield Lines(pools, max(lanes.values(), default=0))
    except BaseException:
        abandon()
        raise
    finally:
        for pool in pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

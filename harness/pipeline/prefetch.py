"""Work done in threads ahead of whoever consumes it, in order and within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def held_back(items: Iterable[Result], count: int) -> Iterator[Result]:
    """The same items, each once `count` more have been drawn."""
    waiting: deque[Result] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def ordered_map(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int,
    ahead: int = 2,
    abandon: Callable[[], None] = lambda: None,
) -> Generator[Result, None, None]:
    """Yields work(task) in the order of the tasks, computed by `workers` threads.

    At most workers * ahead results exist that nobody has taken yet, so that memory stays bounded; tasks are drawn only
    as needed. Decoding, resizing, noise and file access all leave Python's lock, which is why threads serve. An
    exception of a task is raised in its place; whatever ends the consumer also ends the work. abandon: called when it
    ends early, before the tasks that have begun are waited for: what makes them come to an end.
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="seatrial")
    pending: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            pending.append(pool.submit(work, task))
            if len(pending) >= workers * ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BaseException:
        abandon()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

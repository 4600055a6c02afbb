"""How a long run tells what it does; the harness knows no terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Update(Protocol):
    """Reports how far a stage is."""

    def __call__(self, done: int, note: str = "", total: int | None = None) -> None:
        """done: units finished so far; note: what is at work; total: of units, where that is another by now."""


# Units of which each takes about as long as the next: of others, no time left is told.
ALIKE = ("images", "answers", "steps", "pipelines")


class Progress(Protocol):
    """Opens one stage of a run after the other, or within another."""

    def stage(self, name: str, total: int, unit: str = "images") -> AbstractContextManager[Update]:
        """A context in which `total` units of work are done; yields the function that reports them."""

    def tell(self, sentence: str) -> None:
        """Says at once what nobody should read a figure without."""


class Silent:
    """Shows nothing."""

    @contextlib.contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator[Update]:
        """A stage that nobody sees."""

        def update(done: int, note: str = "", total: int | None = None) -> None:
            pass

        yield update

    def tell(self, sentence: str) -> None:
        """Tells nobody."""


@contextlib.contextmanager
def telling(progress: Progress) -> Iterator[None]:
    """Meanwhile, what the layers below warn of in the log of `seatrial` is told."""
    handler = _Telling(progress)
    log = logging.getLogger("seatrial")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Telling(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.tell(record.getMessage())

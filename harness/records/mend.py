"""What a run directory holds and should not: files that are not any more what was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from seatrial.cache import remove
from seatrial.errors import DamagedError
from seatrial.files import TEMPORARY_PREFIX, is_leftover
from seatrial.harness.records.checked import check_table, read_values
from seatrial.harness.records.rundir import RunDirectory

_KEY = re.compile("[0-9a-f]{64}")


def drop_damaged(directory: RunDirectory, tell: Callable[[str], None]) -> None:
    """Removes each damaged file of a run, so that it is made again, and tells what follows. DamagedError where run.json
    is damaged, and nothing else says that the folder is a run's.
    """
    for path, read, follows in _records(directory):
        if not path.exists():
            continue
        try:
            read(path)
        except DamagedError:
            if path == directory.run_json and not directory.is_begun():
                raise
            path.unlink(missing_ok=True)
            tell(f"{path} is damaged: {follows}.")


def drop_leftovers(directory: RunDirectory, *, alone: bool) -> None:
    """Removes what killed processes left half written. alone: no other process can be writing there."""
    for pattern in (f"{TEMPORARY_PREFIX}*", f"*/{TEMPORARY_PREFIX}*"):
        for leftover in list(directory.root.glob(pattern)):
            if alone or is_leftover(leftover):
                remove(leftover)


def _records(directory: RunDirectory) -> Iterator[tuple[Path, Callable[[Path], object], str]]:
    """Path, what reads it, what follows where it does not."""
    yield directory.run_json, read_values, "it is written again, from what is asked now"
    yield directory.audit, read_values, "all targets are built and looked at again"
    yield directory.findings, read_values, "what may be wrong is looked at again"
    yield directory.nodes, read_values, "which nodes answered earlier trials is not known any more"
    yield directory.failures, read_values, "the targets that it named are tried again"
    yield directory.spent, read_values, "how long earlier trials took is not known any more"
    yield directory.flips, read_values, "it is made again"
    yield directory.latency, check_table, "all targets are timed again"
    yield directory.timing, read_values, "all targets are timed again"
    for path in sorted(directory.root.glob("*/*.parquet")):
        if _KEY.fullmatch(path.stem):
            yield path, check_table, "the trials that it belongs to are run again"

"""The runs of a folder, each as far as it can be read: what lies there may be unfinished, damaged or no run at all."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError, UsageError
from seatrial.files import read_json
from seatrial.harness.records.checked import read_values
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.shards import shard_in

# The state of a run that has a verdict, is under way or was cut off, or cannot be read.
FINISHED, UNFINISHED, DAMAGED = "finished", "unfinished", "damaged"
# No run of ours describes itself in more.
_MOST_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class ListedRun:
    """path: as it can be given to other commands. state: one of those above, or `shard K/N`. started: in UTC, None if
    it is not known. verdict: None of a run without one. targets, conditions: ids that were asked. images: None before
    the end. problem: why it cannot be read.
    """

    path: Path
    state: str
    started: datetime.datetime | None = None
    verdict: str | None = None
    model: str | None = None
    targets: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    images: int | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        started = None if self.started is None else self.started.isoformat(timespec="seconds")
        return {**vars(self), "path": os.fspath(self.path), "started": started}


def runs_in(folder: Path) -> list[ListedRun]:
    """The run that the folder is, else those directly in it, the newest first; UsageError where it cannot be read."""
    try:
        found = [folder] if _is_run(folder) else sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be listed: {error.strerror}. Give the folder that holds the runs."
        ) from error
    runs = [_listed(one) for one in found if _is_run(one)]
    return sorted(runs, key=lambda run: (run.started is None, -run.started.timestamp() if run.started else 0.0))


def _is_run(folder: Path) -> bool:
    return os.path.lexists(folder / "run.json")


def _listed(root: Path) -> ListedRun:
    directory = RunDirectory(root)
    try:
        _check_size(directory.run_json)
        description = read_values(directory.run_json)
        asked = description["asked"]
        run = ListedRun(
            root,
            UNFINISHED,
            _started(description.get("started")),
            model=_text(_at(description, "spec", "source", "model")),
            targets=_texts(asked["targets"]),
            conditions=_texts(asked["conditions"]),
        )
        shard = shard_in(description)
        if shard is not None:
            return dataclasses.replace(run, state=f"shard {shard}")
        return _judged(run, directory.summary) if os.path.lexists(directory.summary) else run
    except (SeatrialError, OSError, LookupError, TypeError, ValueError) as error:
        return ListedRun(root, DAMAGED, problem=str(error) or type(error).__name__)


def _judged(run: ListedRun, path: Path) -> ListedRun:
    _check_size(path)
    summary = read_json(path)
    verdict, images = _text(_at(summary, "gate", "verdict")), _at(summary, "data", "images")
    if verdict is None:
        raise ValueError("there is no verdict")
    return dataclasses.replace(
        run,
        state=FINISHED,
        verdict=verdict,
        model=_text(_at(summary, "model", "name")) or run.model,
        images=images if isinstance(images, int) else None,
    )


def _check_size(path: Path) -> None:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("no run describes itself at such length")


def _started(text: Any) -> datetime.datetime | None:
    if not isinstance(text, str):
        return None
    try:
        when = datetime.datetime.fromisoformat(text)
        return when.astimezone(datetime.timezone.utc) if when.tzinfo else when.replace(tzinfo=datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None


def _at(values: Any, *names: str) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, list) else ()

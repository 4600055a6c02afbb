"""The rows of trials on their way to their files, in whatever order they come."""

from __future__ import annotations

from seatrial.harness.conditions import Condition
from seatrial.harness.records.predictions import Predictions, concatenate
from seatrial.harness.run.executors.batches import Rows
from seatrial.harness.run.session import Session


class Filing:
    """Gathers rows, and files each trial once all its images are answered."""

    def __init__(self, session: Session, conditions: list[Condition]) -> None:
        """conditions: those that are asked."""
        self._session, self._images = session, len(session.plan.data.ids)
        self._conditions = {one.id: one for one in conditions}
        self._parts: dict[tuple[str, str], dict[int, Predictions]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, start: int, rows: Rows) -> None:
        """rows: of images in a row, from `start` on; of each image once."""
        for key, found in rows.items():
            parts = self._parts.setdefault(key, {})
            parts[start] = found
            self._counts[key] = self._counts.get(key, 0) + len(found)
            if self._counts[key] == self._images:
                condition, target = key
                whole = concatenate([parts[begin] for begin in sorted(parts)])
                self._session.file_trial(target, self._conditions[condition], whole)
                del self._parts[key]

"""A served model can change while it is asked: it is looked at before and after, and what it answered between stands
only where it did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines import ENGINES
from seatrial.errors import DeviceError
from seatrial.harness.alike.answers import IMAGES, LIMIT, LIMIT_ROUNDED
from seatrial.harness.records.checked import read_values, write_values
from seatrial.harness.records.trials import trial_path
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.session import Session

_STAGE = "trials"
# Of what is kept of the sample: a label, and the share of its score of the largest.
_Answered = list[list[float]]


class Served:
    """The served targets of a session. Nothing is asked where there are none."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: dict[str, npt.NDArray[np.float32]] = {}
        self._standing: dict[str, dict[str, Any]] = {}
        self._there: dict[str, set[Path]] = {}
        self._held = _held(session)

    def begin(self) -> None:
        """Asks each once, and compares with the beginning of the run where it goes on: one that answers otherwise now
        is lost, and what it answered then is its last word.
        """
        for target in self._targets():
            with self._session.noting(target.id, "build"):
                scores, standing = self._asked(target)
                kept = self._held.get(target.id)
                self._compare(target, kept, standing["version"], _answered(scores))
                self._before[target.id], self._standing[target.id] = scores, standing
                self._there[target.id] = {path for path in self._paths(target) if path.exists()}

    def described(self) -> dict[str, dict[str, Any]]:
        """Target id -> what is kept in audit.json: the beginning, of this run or of the one that it goes on with."""
        return {
            name: self._held.get(name)
            or {"version": standing["version"], "sample": _answered(self._before[name]), "changed": None}
            for name, standing in self._standing.items()
        }

    def end(self) -> None:
        """Asks each again. One that has changed is lost, with all that it answered since `begin`. How often it was
        asked again is told, and kept.
        """
        found: dict[str, dict[str, Any]] = {}
        for target in self._targets():
            if target.id not in self._before:
                continue
            with self._session.noting(target.id, _STAGE):
                changed: str | None = None
                try:
                    scores, standing = self._asked(target)
                    begun = {
                        "version": self._standing[target.id]["version"],
                        "sample": _answered(self._before[target.id]),
                    }
                    self._compare(target, begun, standing["version"], _answered(scores))
                except DeviceError as error:
                    changed = str(error)
                    for path in set(self._paths(target)) - self._there[target.id]:
                        path.unlink(missing_ok=True)
                    raise
                finally:
                    found[target.id] = {"changed": changed}
                found[target.id] |= {"asked_again": standing["asked_again"], "answered_by": standing["answered_by"]}
                if standing["asked_again"]:
                    self._session.progress.tell(
                        f"{target.id} did not answer {standing['asked_again']} queries at once, and was asked again."
                    )
        if found:
            _keep(self._session, found)

    def _targets(self) -> list[BuiltTarget]:
        return [one for one in self._session.alive() if ENGINES[one.build.target.engine].served]

    def _asked(self, target: BuiltTarget) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        reader = self._session.first_images()
        pixels = reader.read(0, min(IMAGES, len(reader)))
        scores = target.engine.infer(target.model.contract.normalise(pixels))
        return scores, {"asked_again": 0, "answered_by": "", **target.engine.standing()}

    def _compare(self, target: BuiltTarget, kept: Mapping[str, Any] | None, version: str, answered: _Answered) -> None:
        known = self._session.plan.there[target.build.target].version
        if version != known:
            raise DeviceError(_says(target, f"it was {known}, and is {version} now"))
        if kept is None:
            return
        differing = _differing(kept["sample"], answered, _limit(target))
        if differing:
            raise DeviceError(
                _says(
                    target,
                    f"{differing} of {len(answered)} images are answered otherwise, and it tells the same of itself",
                )
            )

    def _paths(self, target: BuiltTarget) -> list[Path]:
        plan, folder = self._session.plan, self._session.directory.trials
        return [trial_path(folder, plan.key(target.build, condition)) for condition in plan.conditions]


def _says(target: BuiltTarget, what: str) -> str:
    return (
        f"{target.id}: the served model changed while it was asked: {what}. Nothing that it answered since can be "
        "told apart: begin a run of its own (--out) once it stays."
    )


def _limit(target: BuiltTarget) -> float:
    """Kernels of other batches may round otherwise; in 8 bits, that shows."""
    return LIMIT if target.build.target.precision == "fp32" else LIMIT_ROUNDED


def _answered(scores: npt.NDArray[np.float32]) -> _Answered:
    """Of each image its label and the score of that, rounded to what is compared."""
    scale = float(np.abs(scores).max()) or 1.0
    return [[int(row.argmax()), round(float(row.max()) / scale, 6)] for row in scores]


def _differing(before: _Answered, now: _Answered, limit: float) -> int:
    if len(before) != len(now):
        return len(now)
    return sum(abs(one[1] - other[1]) > limit or (one[0] != other[0]) for one, other in zip(before, now, strict=True))


def _held(session: Session) -> dict[str, dict[str, Any]]:
    """Of the run that is gone on with."""
    if not session.directory.audit.exists():
        return {}
    targets = read_values(session.directory.audit)["targets"]
    return {name: dict(one["served"]) for name, one in targets.items() if one.get("served")}


def _keep(session: Session, found: Mapping[str, Mapping[str, Any]]) -> None:
    audits = read_values(session.directory.audit)
    targets = {
        name: {**one, "served": {**one["served"], **found[name]}} if name in found and one.get("served") else one
        for name, one in audits["targets"].items()
    }
    write_values(session.directory.audit, {**audits, "targets": targets})

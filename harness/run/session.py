"""What a run works with from its start to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator

from seatrial.engines.places import Arena
from seatrial.errors import SeatrialError
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Elsewhere, LoadedWorld
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import About, write_trial
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.images import RunImages
from seatrial.harness.run.processes import Fleet
from seatrial.harness.spec.targets import Build


@dataclasses.dataclass
class Session:
    """A plan at work. targets: what is built. failures: of targets that came to no end, each noted once; it is asked
    nothing more; error: the first of theirs. begun: the directory is a run's, which must stay where it is, and not that
    of single trials. elsewhere: as the kinds' `Session.elsewhere`. Safe from several threads.
    """

    plan: Plan
    directory: RunDirectory
    images: RunImages
    calibration: CalibrationSet | None
    fleet: Fleet
    progress: Progress
    targets: list[BuiltTarget] = dataclasses.field(default_factory=list)
    failures: list[Failure] = dataclasses.field(default_factory=list)
    error: SeatrialError | None = None
    begun: bool = False
    elsewhere: Elsewhere | None = None
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False)

    @property
    def world(self) -> LoadedWorld:
        """What the kinds of conditions know of the run."""
        return self.plan.world

    def key(self, condition_id: str, build: Build | None) -> str:
        """As `Plan.key_of`."""
        return self.plan.key_of(condition_id, build)

    @property
    def arena(self) -> Arena:
        """Memory that the run shares with its engines."""
        return self.fleet.arena

    def first_images(self) -> ImageReader:
        """The images of the first condition, which every build answers."""
        return self.images.reader(self.plan.conditions[0].id)

    def alive(self) -> list[BuiltTarget]:
        """The targets that have not failed."""
        return [target for target in self.targets if not self.lost(target.id)]

    def lost(self, target: str) -> bool:
        """True for the id of a build that has failed."""
        return any(failure.target == target for failure in self.failures)

    def lose(self, target: str, stage: str, error: SeatrialError) -> None:
        """Notes a target's end; raises the error again where it is the reference's."""
        with self._lock:
            if not self.lost(target):
                self.error = self.error or error
                self.failures.append(failure(target, stage, error))

    @contextlib.contextmanager
    def noting(self, target: str, stage: str) -> Iterator[None]:
        """Ends quietly where the body fails as a target may, and notes it."""
        try:
            yield
        except TARGET_ERRORS as error:
            self.lose(target, stage, error)

    def file_trial(self, target: str, condition: Condition, rows: Predictions) -> None:
        """Writes the rows of a finished trial. target: id of the build. UsageError where the run's folder is gone."""
        build = next(build for build in self.plan.builds if build.id == target)
        about, key = About(target, condition.id), self.plan.key(build, condition)
        if self.begun:
            self.directory.check_there()
        write_trial(self.directory.trials, key, about, self.plan.data.ids, rows)

    def tell_failures(self) -> None:
        """Files them in the run directory."""
        self.directory.tell_failures([one.to_dict() for one in self.failures])

"""From a plan to built engines: quantize where a target asks for it, build, look, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial.cache import cache_root
from seatrial.engines.places import PlacedEngine
from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.harness.guard import IMAGES, Guard, Guarded, Sample, guarded, sample_for, sample_of
from seatrial.harness.guard.keep import Says
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.files import makes_own_file, target_file
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.left import needed
from seatrial.harness.run.processes import Fleet
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec


def build_targets(session: Session, *, audits: bool = True) -> None:
    """Builds all engines of the plan, in its order, one at a time: build times are measured. audits: whether each is
    asked how it was built, which takes as long again.

    A target that cannot be built is a failure of the session; the error is raised where it is the reference's, or where
    nothing but the reference is left to test. What a board that cannot be had has finished before stands.
    """
    plan, fleet = session.plan, session.fleet
    first: SeatrialError | None = None
    maker = _Maker(session)
    missed = needed(plan, session.directory, fleet.lost)
    for name, error in _lost(plan, fleet, missed).items():
        session.lose(name, "build", error)
        first = first or error
    begun = [build for build in plan.builds if build not in fleet.lost]
    with session.progress.stage("Building engines", len(begun), "engines") as update:
        for done, build in enumerate(begun):
            update(done, build.id)
            try:
                made = maker.make(build, lambda phase: update(done, f"{build.id}, {phase}"))  # noqa: B023
                if audits:
                    update(done, f"{build.id}, asking what it executes")
                    made.engine.audit()
            except TARGET_ERRORS as error:
                session.lose(build.id, "build", error)
                fleet.processes[build].close()
                first = first or error
            else:
                session.targets.append(BuiltTarget(build, made.engine, made.model, made.verdict))
                if made.verdict is not None and made.verdict.changed_by_optimiser:
                    session.progress.tell(made.verdict.would_ship(build.id))
        update(len(begun))
    stand = [build for build in fleet.lost if build not in missed]
    if first is not None and not stand and all(target.build.target == REFERENCE for target in session.targets):
        raise first


def check_reached(plan: Plan, directory: RunDirectory, fleet: Fleet) -> None:
    """Raises why, where no board can be had and nothing but the reference would be left to test."""
    missed = needed(plan, directory, fleet.lost)
    lost = _lost(plan, fleet, missed)
    if lost and all(build.target == REFERENCE or build in missed for build in plan.builds):
        raise next(iter(lost.values()))


def _lost(plan: Plan, fleet: Fleet, missed: Sequence[Build]) -> dict[str, SeatrialError]:
    """Ids of the builds that cannot begin, and why."""
    unknown = {target.id: error for target, error in plan.lost.items() if target not in plan.targets}
    return {**{build.id: fleet.lost[build] for build in missed}, **unknown}


class _Maker:
    """Makes each target's file once, for all its builds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files: dict[TargetSpec, DeployableModel] = {}
        self._guards: dict[bool, Guard] = {}

    def make(self, build: Build, says: Says) -> Guarded:
        """The engine, on a file that it computes as it is written (`harness.guard`)."""
        plan, target = self._session.plan, build.target
        images = self._session.calibration if plan.calibrates(target) else None
        known = self._files.get(target)

        def file(leave: Mapping[str, str]) -> DeployableModel:
            saturates = plan.saturates(target)
            return known or target_file(
                plan.source(target), target, images, plan.spec.quantization, leave, saturates=saturates
            )

        def start(model: DeployableModel) -> PlacedEngine:
            return PlacedEngine(self._session.fleet.processes[build], plan.request(target, model))

        ours = known is None and makes_own_file(plan.model_of(target), target, plan.spec.quantization)
        made = guarded(file, start, self._guard(images), ours=ours, says=says)
        self._files[target] = made.model
        return made

    def _guard(self, images: CalibrationSet | None) -> Guard:
        """Looks on what the file was made on, else on test images: what other targets need changes nothing."""
        calibrated = images is not None
        if calibrated not in self._guards:
            plan = self._session.plan
            sample = _test_images(self._session) if images is None else sample_for(images, plan.model)
            self._guards[calibrated] = Guard(sample, plan.spec.limits, cache_root() / "guard")
        return self._guards[calibrated]


def _test_images(session: Session) -> Sample:
    reader = session.first_images()
    return sample_of(reader.read(0, min(IMAGES, len(reader))), "test")

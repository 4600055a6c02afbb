"""From a plan to built engines: quantize where a target asks for it, build, look, audit."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.cache import cache_root
from seatrial.engines.places import PlacedEngine
from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.harness.guard import IMAGES, Guard, Guarded, Sample, guarded, sample_for, sample_of
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.files import makes_own_file, target_file
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec


def build_targets(session: Session) -> None:
    """Builds all engines of the plan, in its order, one at a time: build times are measured.

    A target that cannot be built is a failure of the session; the error is raised where it is the reference's, or where
    nothing but the reference is left to test.
    """
    plan, fleet = session.plan, session.fleet
    first: SeatrialError | None = None
    maker = _Maker(session)
    with session.progress.stage("Building engines", len(plan.builds), "engines") as update:
        for done, build in enumerate(plan.builds):
            update(done, build.id)
            try:
                made = maker.make(build)
                made.engine.audit()
            except TARGET_ERRORS as error:
                session.lose(build.id, "build", error)
                fleet.processes[build].close()
                first = first or error
            else:
                session.targets.append(BuiltTarget(build, made.engine, made.model, made.verdict))
        update(len(plan.builds))
    if first is not None and all(target.build.target == REFERENCE for target in session.targets):
        raise first


class _Maker:
    """Makes each target's file once, for all its builds."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files: dict[TargetSpec, DeployableModel] = {}
        self._guards: dict[bool, Guard] = {}

    def make(self, build: Build) -> Guarded:
        """The engine, on a file that it computes as it is written (`harness.guard`)."""
        plan, target = self._session.plan, build.target
        images = self._session.calibration if plan.calibrates(target) else None
        known = self._files.get(target)

        def file(leave: Mapping[str, str]) -> DeployableModel:
            return known or target_file(plan.source(target), target, images, plan.spec.quantization, leave)

        def start(model: DeployableModel) -> PlacedEngine:
            return PlacedEngine(self._session.fleet.processes[build], plan.request(target, model))

        ours = known is None and makes_own_file(plan.model, target, plan.spec.quantization)
        made = guarded(file, start, self._guard(images), ours=ours)
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

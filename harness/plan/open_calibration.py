"""Calibration images for commands that make files without a run."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Protocol

from seatrial.cache import cache_root
from seatrial.exporters import DeployableModel
from seatrial.harness.conditions import CorruptionOptions, make_condition
from seatrial.harness.data import labeller
from seatrial.harness.pipeline import spool
from seatrial.harness.plan.calibration import CalibrationSet, of_one_class
from seatrial.harness.plan.plan import calibration_images
from seatrial.harness.progress import Progress
from seatrial.harness.spec.run import DEMO


class Calibrated(Protocol):
    """The fields of a spec that say which images calibrate; as in RunSpec."""

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def calib(self) -> str | None: ...  # noqa: D102
    @property
    def classes(self) -> Path | None: ...  # noqa: D102
    @property
    def calib_condition(self) -> str: ...  # noqa: D102
    @property
    def calib_limit(self) -> int | None: ...  # noqa: D102
    @property
    def calib_seed(self) -> int | None: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def workers(self) -> int: ...  # noqa: D102


def open_calibration(
    spec: Calibrated, model: DeployableModel, progress: Progress, stack: contextlib.ExitStack
) -> tuple[CalibrationSet, bool]:
    """The images that a spec names, decoded until `stack` closes; and whether all of them are of one class.

    UsageError where it names none.
    """
    seed = spec.seed if spec.calib_seed is None else spec.calib_seed
    label_of = labeller(model.classes, model.class_names, spec.classes)
    source = spec.calib or (DEMO if spec.model == DEMO else None)
    chosen = calibration_images(source, model, label_of, seed=seed, limit=spec.calib_limit, progress=progress)
    with progress.stage("Decoding calibration images", len(chosen)) as update:
        store = spool(chosen, model.contract, folder=cache_root() / "scratch", workers=spec.workers, progress=update)
    stack.enter_context(store)
    condition = make_condition(spec.calib_condition, CorruptionOptions(None, None))
    return CalibrationSet(store, chosen.ids, condition, seed), of_one_class(chosen.labels)

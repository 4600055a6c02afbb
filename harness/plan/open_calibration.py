"""Calibration images for commands that make files without a run."""

from __future__ import annotations

import contextlib

from seatrial.cache import cache_root
from seatrial.exporters import DeployableModel
from seatrial.harness.conditions import make_condition
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.data import labeller
from seatrial.harness.pipeline import spool
from seatrial.harness.plan.calibration import CalibrationSet, of_one_class
from seatrial.harness.plan.making import calibration_images
from seatrial.harness.progress import Progress
from seatrial.harness.spec.files import FilesSpec
from seatrial.harness.spec.model import DEMO


def open_calibration(
    spec: FilesSpec, model: DeployableModel, progress: Progress, stack: contextlib.ExitStack
) -> tuple[CalibrationSet, bool]:
    """The images that a spec names, decoded until `stack` closes; and whether all of them are of one class.

    UsageError where it names none.
    """
    seed = spec.calib_seed
    label_of = labeller(model.classes, model.class_names, spec.source.classes)
    source = spec.calibration.data or (DEMO if spec.source.model == DEMO else None)
    chosen = calibration_images(spec, source, model, label_of, progress)
    with progress.stage("Decoding calibration images", len(chosen)) as update:
        store = spool(
            chosen, model.contract, folder=cache_root() / "scratch", workers=spec.work.workers, progress=update
        )
    stack.enter_context(store)
    condition = make_condition(spec.calibration.condition, World())
    return CalibrationSet(store, chosen.ids, condition, seed, progress), of_one_class(chosen.labels)

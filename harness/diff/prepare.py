"""From a DiffSpec to two sides that can be built: files, requests, images."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from seatrial.cache import cache_root
from seatrial.calib.options import OURS
from seatrial.engines import places
from seatrial.engines.base import BuildRequest
from seatrial.engines.boards.places import Places
from seatrial.engines.places import EngineProcess, Limits, Place, PlacedEngine
from seatrial.engines.precision import is_quantized
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters import DeployableModel
from seatrial.exporters.float_view import float_view
from seatrial.harness.alike import IMAGES, Findings, settle
from seatrial.harness.guard.faithful import faithful
from seatrial.harness.pipeline import ImageReader, spool
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.files import makes_own_file, needs_quantizing, target_file
from seatrial.harness.plan.making import make_plan
from seatrial.harness.plan.plan import Plan
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Progress
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.diff import DiffSpec
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import AS_WRITTEN, REFERENCE_ENGINE, TargetSpec


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the two. id: for people. request: what the engine is built from; model: the file in it. place: where."""

    id: str
    engine: str
    request: BuildRequest
    model: DeployableModel
    place: Place


@dataclasses.dataclass(frozen=True)
class Prepared:
    """original: the graph whose layers are compared. images, ids, labels: in the same order; the first `compared` are
    looked at layer by layer. findings: whether the model answers alike. calibration: what files are made from.
    """

    plan: Plan
    original: DeployableModel
    reference: Side
    target: Side
    images: ImageReader
    ids: Sequence[str]
    labels: npt.NDArray[np.int64]
    findings: Findings
    compared: int
    calibration: CalibrationSet | None

    @property
    def nodes(self) -> frozenset[str]:
        """What --keep-float may name: seatrial's own quantizer folds some nodes away first, and names those that have
        no name; others know the nodes of the original.
        """
        ours = self.plan.spec.quantization.quantizer == OURS
        graph = (self.target.model if ours else self.original).proto.graph
        return frozenset(node.name for node in graph.node if node.name)


@contextlib.contextmanager
def prepared(spec: DiffSpec, progress: Progress) -> Iterator[Prepared]:
    """Loads, calibrates and quantizes as a run of the same flags would, and decodes the images.

    Raises what that raises, and BadInputError where --float-model is of another kind than the model.
    """
    with contextlib.ExitStack() as stack:
        places = stack.enter_context(Places(spec.run.boards, spec.run.wait_s))
        plan = _plan(spec, progress, places)
        calibration = None
        if plan.calib is not None:
            with progress.stage("Decoding calibration images", len(plan.calib)) as update:
                store = stack.enter_context(
                    spool(
                        plan.calib,
                        plan.model.contract,
                        folder=cache_root() / "scratch",
                        workers=spec.run.work.workers,
                        progress=update,
                    )
                )
            calibration = CalibrationSet(store, plan.calib.ids, plan.calib_condition, plan.spec.calib_seed, progress)
        with progress.stage("Decoding images", len(plan.data)) as update:
            images = stack.enter_context(
                spool(
                    plan.data,
                    plan.model.contract,
                    folder=cache_root() / "scratch",
                    workers=spec.run.work.workers,
                    progress=update,
                )
            )
        declared = plan.model.fixed_batch
        model, findings = settle(plan.model, images.read(0, min(IMAGES, len(images))), progress)
        variants = {} if spec.target.variant is None else {spec.target.variant: model}
        plan = dataclasses.replace(plan, model=model, variants=variants)
        with progress.stage("Preparing files", 2, "files") as update:
            update(0, spec.target.id)
            target = _side(plan, spec.target, _file(plan, spec.target, calibration))
            update(1, spec.reference.id)
            settled = findings.batch if declared is None else None
            reference, original = _reference(spec, plan, target, calibration, settled)
            update(2)
        yield Prepared(
            plan=plan,
            original=original,
            reference=reference,
            target=target,
            images=images,
            ids=plan.data.ids,
            labels=plan.data.labels,
            findings=findings,
            compared=min(len(images), spec.run.images.limit or len(images)),
            calibration=calibration,
        )


def with_float(made: Prepared, target: TargetSpec, nodes: tuple[str, ...]) -> Side:
    """The target with these nodes in float, too; raises what making the file raises."""
    plan = made.plan
    options = plan.spec.quantization
    options = dataclasses.replace(options, keep_float=tuple(dict.fromkeys((*options.keep_float, *nodes))))
    plan = dataclasses.replace(plan, spec=dataclasses.replace(plan.spec, quantization=options))
    return _side(plan, target, _file(plan, target, made.calibration))


def open_engine(side: Side, limits: Limits) -> PlacedEngine:
    """Builds the side's engine, in a process of its own."""
    return places.build(side.engine, side.request, limits, place=side.place)


def _plan(spec: DiffSpec, progress: Progress, places: Places) -> Plan:
    others = () if spec.same_file or spec.against is None else (spec.reference,)
    plan = make_plan(_planned(spec, (spec.target, *others)), progress, places=places, floats=True)
    for error in plan.lost.values():
        raise error
    if spec.target.variant is not None:  # from here on it is the model that is looked at
        plan = dataclasses.replace(plan, model=plan.model_of(spec.target))
    if plan.released is not None:
        raise UsageError("diff takes clean images: give --data a folder of class folders, or an .npz archive.")
    if spec.remedy and not needs_quantizing(plan.model, spec.target):
        raise UsageError(f"--remedy needs the float model that {plan.model.name} was quantized from.")
    return plan


def _planned(spec: DiffSpec, targets: tuple[TargetSpec, ...]) -> RunSpec:
    run, limit = spec.run, spec.run.images.limit
    if spec.remedy and limit is not None:
        limit = max(limit, spec.remedy_limit)
    return dataclasses.replace(
        run,
        images=dataclasses.replace(run.images, limit=limit),
        targets=dataclasses.replace(run.targets, asked=targets),
        conditions=ConditionsAsked(globs=("clean",)),
    )


def _file(plan: Plan, target: TargetSpec, calibration: CalibrationSet | None) -> DeployableModel:
    options = plan.spec.quantization
    if not makes_own_file(plan.model, target, options) or not is_quantized(target.precision):
        return target_file(plan.model, target, calibration, options, saturates=plan.saturates(target))
    with EngineProcess(
        target.engine, plan.spec.limits, place=plan.place(target)
    ) as process:  # the file that a run would test
        found = faithful(plan.model, target, calibration, options, lambda made: plan.request(target, made), process)
    return found.model


def _side(plan: Plan, target: TargetSpec, model: DeployableModel) -> Side:
    return Side(target.id, target.engine, plan.request(target, model), model, plan.place(target))


def _reference(
    spec: DiffSpec, plan: Plan, target: Side, calibration: CalibrationSet | None, settled: int | None
) -> tuple[Side, DeployableModel]:
    """The other side, and the graph whose layers are compared.

    settled: the batch that the model is run at although its file leaves it free.
    """
    other = spec.reference
    if spec.same_file:
        plan.place(other).check_offered(other.engine, other.precision, other.device)
        literal = other.engine == REFERENCE_ENGINE
        request = build_request(
            target.model,
            precision=other.precision,
            device=other.device,
            threads=spec.run.targets.threads,
            optimization=AS_WRITTEN if literal else spec.run.targets.level(other.precision),
            builder=spec.run.builder,
        )
        words = f"{other.id}, the same file{' node by node' if literal else ''}"
        return Side(words, other.engine, request, target.model, plan.place(other)), target.model
    if plan.origin is not None:
        model = plan.origin
        if model.fixed_batch is None:
            model = dataclasses.replace(model, fixed_batch=settled)
        if model.fixed_batch != plan.model.fixed_batch:
            raise BadInputError(
                f"--float-model {model.name} and --model {plan.model.name} differ in their batch: {model.fixed_batch} "
                f"and {plan.model.fixed_batch}. Give the model that the file was quantized from."
            )
        return _side(plan, other, model), model
    return _side(plan, other, _file(plan, other, calibration)), float_view(plan.model)

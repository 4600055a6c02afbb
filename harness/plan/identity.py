"""What shapes an answer, as JSON values: a trial's key is their hash, and of nothing else.

Three parts: what all trials of a run share, what makes the target, what makes the condition. So a run can be extended
by targets and conditions, and a trial found again under another run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial import __version__
from seatrial.calib.cache import versions_of
from seatrial.engines import ENGINES
from seatrial.engines.device import device_kind
from seatrial.exporters import DeployableModel
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import LoadedWorld
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of
from seatrial.harness.data import Selection
from seatrial.harness.pipeline.libraries import LIBRARIES
from seatrial.harness.plan.files import needs_quantizing
from seatrial.harness.plan.keys import Digests, Identity
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress, Update
from seatrial.harness.spec.targets import TargetSpec
from seatrial.packages import installed_versions

_PACKAGES = ("numpy", "pillow", "onnx", "opencv-python-headless")


def with_hashed_images(plan: Plan, progress: Progress, told: Mapping[str, Sequence[str]] | None = None) -> Plan:
    """Reads every image's bytes once; what the run reads later must be the same.

    told: as `digests_of` another plan of the same images: what is told of files is not read here, but held against each
    of them when it is.
    """
    asked = {"": plan.data} if plan.released is None else plan.released
    known = {name: _told(one, (told or {}).get(name)) for name, one in asked.items()}
    found = _hashed([*known.values(), *([] if plan.calib is None else [plan.calib])], progress)
    calib = None if plan.calib is None else found[-1]
    calib_digest = None if calib is None else calib.digest
    if plan.released is None:
        return dataclasses.replace(plan, data=found[0], calib=calib, digests=Digests(found[0].digest, calib_digest))
    released = dict(zip(plan.released, found, strict=False))
    digests = Digests({name: one.digest for name, one in released.items()}, calib_digest)
    return dataclasses.replace(plan, released=released, calib=calib, digests=digests)


def digests_of(plan: Plan) -> dict[str, list[str]]:
    """Of the plan's images, by the condition that they are for; "" where all conditions have the same."""
    asked = {"": plan.data} if plan.released is None else plan.released
    return {name: list(one.digests or ()) for name, one in asked.items() if one.source.encoded}


def _told(selection: Selection, digests: Sequence[str] | None) -> Selection:
    # What is no file, as an archive of arrays, is compared with a checksum of its own, which hashing notes.
    if digests is None or not selection.source.encoded or len(digests) != len(selection):
        return selection
    return dataclasses.replace(selection, digests=tuple(digests))


def identity_of(plan: Plan) -> Identity:
    """The identity of a plan's targets and conditions; its images are hashed."""
    targets = {target.id: _target(plan, target) for target in plan.targets}
    identity = Identity(_run(plan), targets, {})
    return with_conditions(dataclasses.replace(plan, identity=identity), plan.conditions)


def with_conditions(plan: Plan, conditions: Sequence[Condition]) -> Identity:
    """The plan's identity with further conditions."""
    world, data = plan.world, plan.digests.data
    made = {one.id: _condition(one, world) for one in conditions}
    if not isinstance(data, str):
        made = {name: {**shape, "images": data[name]} for name, shape in made.items()}
    return dataclasses.replace(plan.identity, conditions={**plan.identity.conditions, **made})


def _condition(condition: Condition, world: LoadedWorld) -> dict[str, Any]:
    kind = kind_of(condition.id)
    return {**kind.shape(condition, world), **KINDS.provenance(kind.name)}


def _run(plan: Plan) -> dict[str, Any]:
    model, images = plan.model, plan.digests.data
    contract = model.contract
    packages = list(_PACKAGES)
    if not {contract.decoder, contract.interpolation.partition("-")[0]} <= {"pillow", "opencv"}:
        packages.extend(LIBRARIES)
    return {
        "model": model_values(model),
        "images": images if isinstance(images, str) else None,
        "seed": plan.spec.seed,
        "versions": {"seatrial": __version__, **installed_versions(packages)},
    }


def model_values(model: DeployableModel) -> dict[str, Any]:
    """What a model is, and how it is fed."""
    return {
        "digest": model.digest,
        "contract": model.contract.to_dict(),
        "precision": model.precision,
        "scores": model.scores,
    }


def _target(plan: Plan, target: TargetSpec) -> dict[str, Any]:
    spec = plan.spec
    on_processor = device_kind(target.device) == "cpu"
    there = plan.there[target]
    model, source = plan.model_of(target), plan.source(target)
    quantized = needs_quantizing(model, target)
    return {
        **({} if source is model else {"float_model": source.digest}),
        **({} if target.variant is None else {"model": model_values(model)}),
        **{name: value for name, value in dataclasses.asdict(target).items() if value is not None},
        **ENGINES.provenance(target.engine),
        "version": there.version,
        "processor": there.processor,
        "threads": spec.targets.threads,
        "optimization": spec.targets.level(target.precision),
        "builder": None if on_processor else dataclasses.asdict(spec.builder),
        "quantization": _quantization(plan) if quantized else None,
        "calibration": _calibration(plan) if plan.calibrates(target) else None,
    }


def _quantization(plan: Plan) -> dict[str, Any]:
    options = plan.spec.quantization
    return {
        **dataclasses.asdict(options),
        "keep_float": list(options.keep_float),
        "versions": versions_of(options.quantizer),
    }


def _calibration(plan: Plan) -> dict[str, Any]:
    return {
        "digest": plan.digests.calib,
        "condition": kind_of(plan.calib_condition.id).shape(plan.calib_condition, plan.world),
        "seed": plan.spec.calib_seed,
    }


def _hashed(selections: Sequence[Selection], progress: Progress) -> list[Selection]:
    before = 0
    found = []
    with progress.stage("Hashing images", sum(map(len, selections))) as update:
        for selection in selections:
            found.append(selection if selection.digests is not None else selection.hashed(_after(update, before)))
            before += len(selection)
    return found


def _after(update: Update, before: int) -> Callable[[int], None]:
    return lambda done: update(before + done)

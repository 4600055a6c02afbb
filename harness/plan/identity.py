"""What shapes a run's results, as JSON values whose hash names it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from seatrial import __version__
from seatrial.engines import ENGINES
from seatrial.engines.cpu import processor
from seatrial.engines.device import device_kind
from seatrial.files import value_digest
from seatrial.harness.conditions import CORRUPTION, parse_corruption
from seatrial.harness.conditions.corruptions import describe_textures, scale_for, using_frost_textures
from seatrial.harness.conditions.pipeline import COMBINED, PREFIX
from seatrial.harness.data import Selection
from seatrial.harness.plan.files import needs_quantizing
from seatrial.harness.progress import Progress, Update

if TYPE_CHECKING:
    from seatrial.harness.plan.plan import Plan

_PACKAGES = ("numpy", "pillow", "onnx", "opencv-python-headless")
# What only pipeline conditions, or a contract that names them, may use.
_PIPELINE_PACKAGES = ("av", "simplejpeg", "torch", "torchvision", "nvidia-dali-cuda120", "nvidia-nvimgcodec-cu12")


def identity_of(plan: Plan, data_name: str, progress: Progress) -> dict[str, Any]:
    """Model, contract, images, targets, conditions, settings and versions; reads every image's bytes once."""
    spec, model = plan.spec, plan.model
    tested = [plan.data] if plan.released is None else list(plan.released.values())
    digests = _digests([*tested, plan.calib] if plan.calib is not None else tested, progress)
    calibration = None
    if plan.calib is not None:
        calibration = {
            "name": plan.calib.source.name,
            "images": len(plan.calib),
            "condition": plan.calib_condition.id,
            "seed": spec.seed if spec.calib_seed is None else spec.calib_seed,
            "digest": digests.pop(),
        }
    return {
        "schema": 1,
        "model": {
            "name": model.name,
            "digest": model.digest,
            "contract": model.contract.to_dict(),
            "precision": model.precision,
            "scores": model.scores,
        },
        "data": {
            "name": data_name,
            "images": len(plan.data),
            "digest": digests[0] if plan.released is None else value_digest(digests),
            "released": plan.released is not None,
        },
        "calibration": calibration,
        "quantization": _quantization(plan),
        "targets": [target.id for target in plan.targets],
        "conditions": [*(condition.id for condition in plan.conditions), *([COMBINED] if plan.combined else [])],
        "corruptions": _corruptions(plan),
        "attacks": _attacks(plan),
        "seed": spec.seed,
        "threads": spec.threads,
        "optimization": spec.optimization,
        "builder": dataclasses.asdict(spec.builder),
        "rebuilds": spec.rebuilds,
        "processor": processor().to_dict(),
        "versions": _versions(plan),
    }


def _quantization(plan: Plan) -> dict[str, Any] | None:
    if not any(needs_quantizing(plan.model, target) for target in plan.targets):
        return None
    options = plan.spec.quantization
    return {**dataclasses.asdict(options), "keep_float": list(options.keep_float)}


def _corruptions(plan: Plan) -> dict[str, Any] | None:
    used = [*plan.conditions, plan.calib_condition]
    made = [condition.id for condition in used if condition.id.startswith(CORRUPTION)]
    if not made:
        return None
    frost = None
    if any(parse_corruption(condition_id)[0] == "frost" for condition_id in made):
        with using_frost_textures(plan.spec.frost_textures):
            frost = describe_textures()
    return {"constants_px": plan.spec.corruption_scale or scale_for(*plan.model.contract.size), "frost_textures": frost}


def _attacks(plan: Plan) -> dict[str, Any] | None:
    if not plan.attacks:
        return None
    options = plan.spec.attacks
    return {
        "restarts": options.restarts,
        "queries": options.queries,
        "device": device_kind(options.device),
        "networks": {name: network.model.digest for name, network in plan.networks.items()},
    }


def _digests(selections: Sequence[Selection], progress: Progress) -> list[str]:
    before = 0
    digests = []
    with progress.stage("Hashing images", sum(map(len, selections))) as update:
        for selection in selections:
            digests.append(selection.digest(_after(update, before)))
            before += len(selection)
    return digests


def _after(update: Update, before: int) -> Callable[[int], None]:
    return lambda done: update(before + done)


def _versions(plan: Plan) -> dict[str, str | None]:
    packages = list(_PACKAGES)
    contract = plan.model.contract
    libraries = {contract.decoder, contract.interpolation.partition("-")[0]}
    if any(condition.id.startswith(PREFIX) for condition in plan.conditions) or not libraries <= {"pillow", "opencv"}:
        packages.extend(_PIPELINE_PACKAGES)
    if plan.attacks and "torch" not in packages:
        packages.append("torch")
    found: dict[str, str | None] = {"seatrial": __version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    for target in plan.targets:
        found[target.engine] = ENGINES[target.engine].version()
    return found

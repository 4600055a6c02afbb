"""What shapes an answer, as JSON values: a trial's key is their hash, and of nothing else.

Three parts: what all trials of a run share, what makes the target, what makes the condition. So a run can be extended
by targets and conditions, and a trial found again under another run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from seatrial import __version__
from seatrial.calib.cache import versions_of
from seatrial.engines import ENGINES
from seatrial.engines.cpu import processor
from seatrial.engines.device import device_kind
from seatrial.files import value_digest
from seatrial.harness.attacks.ids import SOURCE
from seatrial.harness.conditions import CORRUPTION, Condition, parse_corruption
from seatrial.harness.conditions.corruptions import describe_textures, scale_for, using_frost_textures
from seatrial.harness.conditions.pipeline import PREFIX
from seatrial.harness.data import Selection
from seatrial.harness.plan.files import needs_quantizing
from seatrial.harness.progress import Progress, Update
from seatrial.harness.spec.targets import Build, TargetSpec

if TYPE_CHECKING:
    from seatrial.harness.plan.plan import Plan

SCHEMA = 1
_PACKAGES = ("numpy", "pillow", "onnx", "opencv-python-headless")
# What only pipeline conditions, or a contract that names them, may use.
_PIPELINE_PACKAGES = ("av", "simplejpeg", "torch", "torchvision", "nvidia-dali-cuda120", "nvidia-nvimgcodec-cu12")


@dataclasses.dataclass(frozen=True)
class Identity:
    """run: shared by all trials. targets, conditions: what makes each, by id. All of it JSON values."""

    run: Mapping[str, Any]
    targets: Mapping[str, Any]
    conditions: Mapping[str, Any]

    def material(self, build: Build, condition_id: str) -> dict[str, Any]:
        """All that shapes the answers of one trial."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "target": self.targets[build.target.id],
            "build": build.number,
            "condition": self.conditions[condition_id],
        }

    def key(self, build: Build, condition_id: str) -> str:
        """The name of one trial: the hash of its material."""
        return value_digest(self.material(build, condition_id))

    def images_key(self, condition_id: str, build: Build | None) -> str:
        """The name of adversarial images: the same for all targets, or found by asking one build."""
        if build is not None:
            return self.key(build, condition_id)
        return value_digest({"schema": SCHEMA, "run": self.run, "condition": self.conditions[condition_id]})

    def to_dict(self) -> dict[str, Any]:
        """As in run.json."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Digests:
    """Hashes of images as they are stored. data: of all conditions together, or by condition id where each has images
    of its own. calib: of those that files are made on.
    """

    data: str | Mapping[str, str]
    calib: str | None


def hash_images(plan: Plan, progress: Progress) -> Digests:
    """Reads every image's bytes once."""
    tested = {"": plan.data} if plan.released is None else dict(plan.released)
    found = _digests([*tested.values(), *([] if plan.calib is None else [plan.calib])], progress)
    by_name = dict(zip(tested, found, strict=False))
    return Digests(by_name[""] if plan.released is None else by_name, None if plan.calib is None else found[-1])


def identity_of(plan: Plan, digests: Digests) -> Identity:
    """The identity of a plan's targets and conditions."""
    targets = {target.id: _target(plan, target, digests) for target in plan.targets}
    conditions: dict[str, Any] = {}
    for condition in plan.conditions:
        conditions[condition.id] = _condition(plan, condition, digests, targets)
    return Identity(_run(plan, digests), targets, conditions)


def with_stacked(identity: Identity, steps: Sequence[Condition]) -> Identity:
    """With conditions that stack others, which are there."""
    made = {step.id: {"id": step.id, "parts": [identity.conditions[part] for part in step.parts]} for step in steps}
    return dataclasses.replace(identity, conditions={**identity.conditions, **made})


def _run(plan: Plan, digests: Digests) -> dict[str, Any]:
    model = plan.model
    packages = list(_PACKAGES)
    contract = model.contract
    if not {contract.decoder, contract.interpolation.partition("-")[0]} <= {"pillow", "opencv"}:
        packages.extend(_PIPELINE_PACKAGES)
    return {
        "model": {
            "digest": model.digest,
            "contract": contract.to_dict(),
            "precision": model.precision,
            "scores": model.scores,
        },
        "images": digests.data if isinstance(digests.data, str) else None,
        "seed": plan.spec.seed,
        "versions": {"seatrial": __version__, **_versions(packages)},
    }


def _target(plan: Plan, target: TargetSpec, digests: Digests) -> dict[str, Any]:
    spec = plan.spec
    on_processor = device_kind(target.device) == "cpu"
    quantized = needs_quantizing(plan.model, target)
    return {
        **dataclasses.asdict(target),
        "version": ENGINES[target.engine].version(),
        "processor": processor().to_dict() if on_processor else None,
        "threads": spec.targets.threads,
        "optimization": spec.targets.optimization,
        "builder": None if on_processor else dataclasses.asdict(spec.builder),
        "quantization": _quantization(plan) if quantized else None,
        "calibration": _calibration(plan, digests) if plan.calibrates(target) else None,
    }


def _quantization(plan: Plan) -> dict[str, Any]:
    options = plan.spec.quantization
    return {
        **dataclasses.asdict(options),
        "keep_float": list(options.keep_float),
        "versions": versions_of(options.quantizer),
    }


def _calibration(plan: Plan, digests: Digests) -> dict[str, Any]:
    return {
        "digest": digests.calib,
        "condition": _constants(plan, plan.calib_condition),
        "seed": plan.spec.calib_seed,
    }


def _condition(plan: Plan, condition: Condition, digests: Digests, targets: Mapping[str, Any]) -> dict[str, Any]:
    found = _constants(plan, condition)
    if not isinstance(digests.data, str):
        return {**found, "images": digests.data[condition.id]}
    if condition.id.startswith(PREFIX):
        return {**found, "versions": _versions(_PIPELINE_PACKAGES)}
    attack = condition.attack
    if attack is None:
        return found
    options = plan.spec.attacks
    if attack.kind.blackbox:
        return {**found, "queries": options.queries}
    return {
        **found,
        "restarts": options.restarts,
        "device": device_kind(options.device),
        "surrogate": _surrogate(plan, str(attack.surrogate), targets),
        "versions": _versions(["torch"]),
    }


def _constants(plan: Plan, condition: Condition) -> dict[str, Any]:
    """The id of a condition, and the constants behind that of a corruption."""
    if not condition.id.startswith(CORRUPTION):
        return {"id": condition.id}
    frost = None
    if parse_corruption(condition.id)[0] == "frost":
        with using_frost_textures(plan.spec.conditions.frost_textures):
            frost = describe_textures()
    scale = plan.spec.conditions.corruption_scale or scale_for(*plan.model.contract.size)
    return {"id": condition.id, "constants_px": scale, "frost_textures": frost}


def _surrogate(plan: Plan, name: str, targets: Mapping[str, Any]) -> Any:
    """What the images are made on: the source (None), another network, or the file of a target."""
    if name in plan.networks:
        return {"digest": plan.networks[name].model.digest}
    owners = [target for target, file in plan.files.items() if file == name]
    return None if name == SOURCE or not owners else targets[owners[0].id]


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


def _versions(packages: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found

"""A spec resolved against the world: model loaded, images listed and hashed, names checked. Nothing heavy yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import exporters
from calib import QuantizeOptions, has_recipe, needs_images
from engines import ENGINES
from engines.base import BuildRequest
from engines.precision import is_quantized
from exporters import DeployableModel
from harness.conditions import Condition, CorruptionOptions, choose, make_condition, parse_corruption
from harness.conditions.asked import Asked, resolve
from harness.conditions.corruptions import describe_textures, scale_for, using_frost_textures
from harness.conditions.pipeline import COMBINED
from harness.data import Selection, labeller, open_source, select
from harness.data.demo import demo_folders
from harness.data.labels import LabelOf
from harness.data.released import find_released
from harness.demo import demo_model_path
from harness.progress import Progress, Update
from harness.request import build_request
from harness.spec import DEMO, REFERENCE, Build, RunSpec, TargetSpec
from shipcheck import __version__
from shipcheck.cache import cache_root
from shipcheck.errors import UnsupportedError, UsageError
from shipcheck.files import value_digest


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run needs to start.

    data: the images, in their order. released: for data that are corrupted already, the same images under each
    condition. targets: the reference first. identity: what shapes the results. notes: what was left out, and why.
    combined: whether the worst of the pipeline conditions are stacked once they are known; stack: then their ids, in
    the order in which they were put on top of each other.
    """

    spec: RunSpec
    model: DeployableModel
    data: Selection
    released: dict[str, Selection] | None
    calib: Selection | None
    calib_condition: Condition
    targets: tuple[TargetSpec, ...]
    conditions: tuple[Condition, ...]
    identity: dict[str, Any]
    notes: tuple[str, ...] = ()
    combined: bool = False
    stack: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The hash of the identity: runs of the same digest give the same predictions."""
        return value_digest(self.identity)

    @property
    def out(self) -> Path:
        """The run directory: as asked for, else `runs/MODEL-HASH`."""
        return self.spec.out or Path("runs") / f"{self.model.name}-{self.digest[:8]}"

    @property
    def builds(self) -> tuple[Build, ...]:
        """The engines: one for the reference, `rebuilds` for every other target, the first builds first."""
        first = tuple(Build(target) for target in self.targets)
        further = range(2, self.spec.rebuilds + 1)
        return first + tuple(Build(target, n) for target in self.targets if target != REFERENCE for n in further)

    def answers(self, build: Build, condition: Condition) -> bool:
        """True where that engine is asked under that condition: further builds only under the first."""
        return build.number == 1 or condition == self.conditions[0]

    def request(self, target: TargetSpec, model: DeployableModel) -> BuildRequest:
        """What the target's engine is built from; `model` is at the target's precision.

        Independent builds do without the cache of built engines.
        """
        return build_request(
            model,
            precision=target.precision,
            device=target.device,
            threads=self.spec.threads,
            optimization=self.spec.optimization,
            builder=self.spec.builder,
            cache=cache_root() / "engines" if self.spec.rebuilds == 1 else None,
        )


def make_plan(spec: RunSpec, progress: Progress) -> Plan:
    """Checks all that can be checked without decoding or building; raises a ShipcheckError that says what to do."""
    _check_numbers(spec)
    targets = _targets(spec)
    options = CorruptionOptions(spec.corruption_scale, spec.frost_textures)
    choose(spec.suite, spec.conditions, spec.severities)  # a wrong name is told before anything is loaded
    source = demo_model_path() if spec.model == DEMO else spec.model
    model = exporters.load(source, contract=spec.contract, weights=spec.weights, output=spec.output)
    for target in targets:
        _check_reachable(model, target)
    label_of = labeller(model.classes, model.class_names, spec.classes)
    path = _data_path(spec, progress)
    released = find_released(path, model.classes, label_of)
    if released is None:
        ids = choose(spec.suite, spec.conditions, spec.severities)
        data = select(open_source(path, model.classes, label_of), seed=spec.seed, limit=spec.limit)
        selections = None
        # Whether all images have the model's size is known of arrays, and of files that the contract does not resize.
        sized = model.contract.resize == "none" or data.source.image_size == model.contract.size
        asked = resolve(ids, spec.conditions, model, options, encoded=data.source.encoded, sized=sized)
    else:
        ids = choose(spec.suite, spec.conditions, spec.severities, released.conditions)
        released.check_alike(ids)
        data = select(released.source(ids[0]), seed=spec.seed, limit=spec.limit)
        selections = {name: Selection(released.source(name), data.indices) for name in ids}
        asked = Asked(tuple(Condition(condition_id) for condition_id in ids), False, ())
    calib = None
    if any(needs_calibration(model, target, spec.quantization) for target in targets):
        of_demo = spec.data == DEMO or (spec.data is None and spec.model == DEMO)
        calib = calibration_images(
            spec.calib or (DEMO if of_demo else None),
            model,
            label_of,
            seed=spec.seed if spec.calib_seed is None else spec.calib_seed,
            limit=spec.calib_limit,
            progress=progress,
        )
    degraded = make_condition(spec.calib_condition, options)
    plan = Plan(
        spec,
        model,
        data,
        selections,
        calib,
        degraded,
        targets,
        asked.conditions,
        {},
        notes=asked.notes,
        combined=asked.combined,
    )
    return dataclasses.replace(plan, identity=_identity(plan, path.resolve().name, progress))


def needs_quantizing(model: DeployableModel, target: TargetSpec) -> bool:
    """True where another file must be made of the model before the target's engine can be built.

    A model that is quantized by itself runs as it is, at that precision; an engine without a recipe for a float
    precision casts by itself.
    """
    if not ENGINES[target.engine].executes_graph or target.precision in ("fp32", model.precision):
        return False
    return is_quantized(target.precision) or has_recipe(recipe_of(target), target.precision)


def recipe_of(target: TargetSpec) -> str:
    """Whose recipe makes the file of the target."""
    return ENGINES[target.engine].recipe(target.device)


def needs_calibration(model: DeployableModel, target: TargetSpec, options: QuantizeOptions) -> bool:
    """True where that file is made by looking at calibration images."""
    return needs_quantizing(model, target) and needs_images(target.precision, options)


def _check_reachable(model: DeployableModel, target: TargetSpec) -> None:
    if not is_quantized(model.precision) or not ENGINES[target.engine].executes_graph:
        return
    if target.precision not in (model.precision, "fp32"):
        raise UnsupportedError(
            f"{model.name} is quantized by itself, to {model.precision}, and cannot be tested at {target.precision}. "
            "Ask "
            f"for --precision {model.precision}, or give the float model that it was made from."
        )


def _check_numbers(spec: RunSpec) -> None:
    for flag, seed in (("--seed", spec.seed), ("--calib-seed", spec.calib_seed)):
        if seed is not None and not 0 <= seed < 2**63:
            raise UsageError(f"{flag} is {seed}; it must be from 0 to 2**63 - 1.")
    for flag, value in (
        ("--limit", spec.limit),
        ("--calib-limit", spec.calib_limit),
        ("--threads", spec.threads),
        ("--workers", spec.workers),
        ("--batch-size", spec.batch_size),
        ("--rebuilds", spec.rebuilds),
    ):
        if value is not None and value < 1:
            raise UsageError(f"{flag} is {value}; it must be at least 1.")


def _targets(spec: RunSpec) -> tuple[TargetSpec, ...]:
    if not spec.targets:
        raise UsageError("A run needs at least one target: give --engine and --bits.")
    targets = [dataclasses.replace(target, engine=ENGINES.canonical(target.engine)) for target in spec.targets]
    unique = tuple(dict.fromkeys((REFERENCE, *targets)))
    for target in unique:
        ENGINES[target.engine].check_offered(target.precision, target.device)
    return unique


def _data_path(spec: RunSpec, progress: Progress) -> Path:
    source = spec.data or (DEMO if spec.model == DEMO else None)
    if source is None:
        raise UsageError("Which images? Give --data: a folder of class folders, or an .npz archive.")
    return demo_folders(cache_root(), progress)[0] if source == DEMO else Path(source)


def calibration_images(
    source: str | None, model: DeployableModel, label_of: LabelOf, *, seed: int, limit: int | None, progress: Progress
) -> Selection:
    """The images of --calib (DEMO for the demo's); UsageError where none are named."""
    if source is None:
        raise UsageError("A quantized target needs calibration images: give --calib (not the test images).")
    path = demo_folders(cache_root(), progress)[1] if source == DEMO else Path(source)
    return select(open_source(path, model.classes, label_of), seed=seed, limit=limit)


def _identity(plan: Plan, data_name: str, progress: Progress) -> dict[str, Any]:
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
        "seed": spec.seed,
        "threads": spec.threads,
        "optimization": spec.optimization,
        "builder": dataclasses.asdict(spec.builder),
        "rebuilds": spec.rebuilds,
        "versions": _versions(plan.targets),
    }


def _quantization(plan: Plan) -> dict[str, Any] | None:
    if not any(needs_quantizing(plan.model, target) for target in plan.targets):
        return None
    options = plan.spec.quantization
    return {**dataclasses.asdict(options), "keep_float": list(options.keep_float)}


def _corruptions(plan: Plan) -> dict[str, Any] | None:
    used = [*plan.conditions, plan.calib_condition]
    made = [condition.id for condition in used if condition.id.startswith("corruption/")]
    if not made:
        return None
    frost = None
    if any(parse_corruption(condition_id)[0] == "frost" for condition_id in made):
        with using_frost_textures(plan.spec.frost_textures):
            frost = describe_textures()
    return {"constants_px": plan.spec.corruption_scale or scale_for(*plan.model.contract.size), "frost_textures": frost}


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


def _versions(targets: tuple[TargetSpec, ...]) -> dict[str, str | None]:
    found: dict[str, str | None] = {"shipcheck": __version__}
    for package in ("numpy", "pillow", "onnx", "opencv-python-headless"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    for target in targets:
        found[target.engine] = ENGINES[target.engine].version()
    return found

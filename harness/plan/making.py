"""From a spec to a plan: model loaded, images listed and hashed, names checked. Nothing heavy yet."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.cache import cache_root
from seatrial.calib import recipe_for
from seatrial.engines import ENGINES
from seatrial.engines.boards.places import Places
from seatrial.engines.places import LOCAL
from seatrial.engines.precision import is_quantized, is_simulated
from seatrial.errors import UnsupportedError, UsageError, of_which
from seatrial.exporters import DeployableModel
from seatrial.harness.conditions import Condition, choose, make_condition, resolve
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Resolved, World
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.conditions.released import ReleasedSet
from seatrial.harness.data import Selection, labeller, open_data, open_unlabelled, select, without_labels
from seatrial.harness.data.demo import demo_folders
from seatrial.harness.data.labels import LabelOf, table_names
from seatrial.harness.plan.files import needs_quantizing, recipe_of
from seatrial.harness.plan.identity import identity_of, with_hashed_images
from seatrial.harness.plan.load import images_path, opening, where_of
from seatrial.harness.plan.origin import load_models
from seatrial.harness.plan.out import refuse_among_images
from seatrial.harness.plan.parts import part_of
from seatrial.harness.plan.plan import Plan, calibrates, calibration_source
from seatrial.harness.plan.reaching import Nowhere, reach
from seatrial.harness.plan.variants import about_variants, load_variants, targets_with_variants
from seatrial.harness.progress import Progress
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.files import FilesSpec
from seatrial.harness.spec.model import DEMO
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.shard import Shard
from seatrial.harness.spec.targets import REFERENCE, TargetSpec, target_of
from seatrial.harness.spec.variants import with_variants

UNLABELLED = (
    "The images have no labels: how often a target is right is not known, only how often it answers as the reference. "
    "Not judged: recovery, corrupted recovery, conditions, classes, negative flips, implausible gain, reference."
)


@dataclasses.dataclass(frozen=True)
class Held:
    """What a run directory holds already, and goes on with: targets, ids of conditions, variants, and globs of images
    that are for every target (`ConditionsAsked.for_all`). identity: of the
    targets, by id; it stands where a board cannot be had.
    """

    targets: tuple[TargetSpec, ...] = ()
    conditions: tuple[str, ...] = ()
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    variants: tuple[str, ...] = ()
    across: tuple[str, ...] = ()

    @classmethod
    def of(cls, description: Mapping[str, Any] | None) -> Held:
        """From run.json; None where there is none yet."""
        if description is None:
            return cls()
        asked, identity = description["asked"], description["identity"]
        variants = tuple(description["spec"]["source"].get("variants", ()))
        conditions = description["spec"]["conditions"]
        globs, earlier, own = (tuple(conditions.get(name, ())) for name in ("globs", "across", "own"))
        across = ConditionsAsked(globs=globs, across=earlier, own=own).for_all
        return cls(
            tuple(map(target_of, asked["targets"])), tuple(asked["conditions"]), identity["targets"], variants, across
        )


def make_plan(
    spec: RunSpec,
    progress: Progress,
    held: Held = Held(),
    places: Places | None = None,
    told: Mapping[str, Sequence[str]] | None = None,
    *,
    floats: bool = False,
) -> Plan:
    """Checks all that can be checked without decoding or building; raises a SeatrialError that says what to do.

    held: what the plan asks for besides. places: that the plan goes on with; None where no board is to be reached. A
    board that cannot be had ends its targets alone (`Plan.lost`). told: as `with_hashed_images` takes it.
    floats: as `load_models` takes it.
    """
    places = places or Nowhere()
    spec = _with_held_targets(spec, held)
    targets = _targets(spec)
    asked = spec.conditions
    # A wrong name is told before anything is loaded.
    choose(asked.suite, World(spec, targets), asked.globs, asked.severities)
    degraded = make_condition(spec.calibration.condition, World(spec, targets))
    with opening(spec.source, progress):
        model, origin = load_models(spec.source, floats=floats)
        variants = load_variants(spec.source, model)
    targets = targets_with_variants(targets, variants)
    spec = _asking_for(spec, targets)
    for target in targets:
        _check_offered(target)
        _check_reachable(model if target.variant is None else variants[target.variant], target)
    label_of = labeller(model.classes, model.class_names, spec.source.classes)
    path = images_path(spec.images, spec.source, progress)
    unseen = calibration_source(spec)
    refuse_among_images(spec.out, path, None if unseen == DEMO else unseen)  # the demo's is no folder of that name
    reached = reach(targets, places, held.identity, progress)
    targets = tuple(reached.there)
    released = _released(path, model, label_of)
    world = World(spec, targets, model, variants)
    if released is None:
        ids = _with_held(choose(asked.suite, world, asked.globs, asked.severities), held, world)
        data = _selected(path, model, label_of, spec)
        selections = None
        loaded = LoadedWorld(spec=spec, targets=targets, model=model, variants=variants, data=data, path=path)
        resolved = resolve(ids, asked.globs, loaded)
    else:
        if spec.images.unlabelled:
            raise UsageError("--unlabelled is for images that are clean; released corrupted sets have labels.")
        ids = choose(asked.suite, world, asked.globs, asked.severities, released.conditions)
        ids = _with_held(ids, held, world, released.conditions)
        released.check_alike(ids)
        data = select(released.source(ids[0]), seed=spec.seed, limit=spec.images.limit)
        selections = {name: Selection(released.source(name), data.indices) for name in ids}
        resolved = Resolved(tuple(Condition(condition_id) for condition_id in ids))
    calib = None
    if any(calibrates(spec, model if one.variant is None else variants[one.variant], one) for one in targets):
        calib = calibration_images(spec, unseen, model, label_of, progress)
    plan = Plan(
        spec,
        model,
        data,
        selections,
        calib,
        degraded,
        targets,
        resolved.conditions,
        path,
        notes=(
            *model.notes,
            *_about(origin),
            *about_variants(variants),
            *(() if data.labelled else (UNLABELLED,)),
            *resolved.notes,
        ),
        later=resolved.later,
        networks=resolved.networks,
        variants=variants,
        origin=origin,
        class_names=table_names(label_of) or _folder_names(data, model.classes),
        places=places,
        there=reached.there,
        lost=reached.lost,
    )
    plan = with_hashed_images(plan, progress, told)
    plan = dataclasses.replace(plan, identity=identity_of(plan))
    return plan if spec.shard is None else with_part(plan, spec.shard)


def with_part(plan: Plan, shard: Shard) -> Plan:
    """The plan of one shard, which asks under its own conditions alone."""
    part = part_of(plan.conditions, plan.model.contract, plan.world, shard)
    return dataclasses.replace(plan, spec=dataclasses.replace(plan.spec, shard=shard), part=part)


def _about(origin: DeployableModel | None) -> list[str]:
    return [] if origin is None else [f"fp32 is the float model {origin.name}, which the tested file was made from."]


def _selected(path: Path | str, model: DeployableModel, label_of: LabelOf, spec: RunSpec) -> Selection:
    source = open_data(path, model.classes, label_of, unlabelled=spec.images.unlabelled)
    data = select(source, seed=spec.seed, limit=spec.images.limit)
    return without_labels(data) if spec.images.unlabelled or source.labels.max() < 0 else data


def _folder_names(data: Selection, classes: int) -> tuple[str, ...] | None:
    """Names of the classes after their folders, the index for those without one; None of arrays, and without labels."""
    if not data.source.encoded or data.labels.min() < 0:
        return None
    folders = {label: name.partition("/")[0] for name, label in zip(data.ids, data.labels.tolist(), strict=True)}
    return tuple(folders.get(index, str(index)) for index in range(classes))


def _released(path: Path | str, model: DeployableModel, label_of: LabelOf) -> ReleasedSet | None:
    if isinstance(path, str):
        return None
    found = (kind.released(path, model.classes, label_of) for kind in KINDS.values())
    return next((one for one in found if one is not None), None)


def _with_held_targets(spec: RunSpec, held: Held) -> RunSpec:
    asked = (*held.targets, *spec.targets.asked)
    variants = with_variants(held.variants, spec.source.variants)
    return dataclasses.replace(
        spec,
        targets=dataclasses.replace(spec.targets, asked=asked),
        source=dataclasses.replace(spec.source, variants=variants),
        conditions=dataclasses.replace(
            spec.conditions, across=tuple(dict.fromkeys((*held.across, *spec.conditions.across)))
        ),
    )


def _asking_for(spec: RunSpec, targets: Sequence[TargetSpec]) -> RunSpec:
    """The spec with what its variants are asked at: whoever goes on from it knows that without opening their files."""
    asked = tuple(dict.fromkeys((*spec.targets.asked, *(target for target in targets if target.variant is not None))))
    return dataclasses.replace(spec, targets=dataclasses.replace(spec.targets, asked=asked))


def _with_held(ids: list[str], held: Held, world: World, available: Sequence[str] | None = None) -> list[str]:
    more = [name for name in held.conditions if name not in ids]
    return choose(world.spec.conditions.suite, world, (*ids, *more), (), available) if more else ids


def _check_reachable(model: DeployableModel, target: TargetSpec) -> None:
    if ENGINES[target.engine].as_written and needs_quantizing(model, target) and not is_quantized(model.precision):
        recipe_for(recipe_of(target), target.precision)
    if not is_quantized(model.precision) or not ENGINES[target.engine].executes_graph:
        return
    if target.precision not in (model.precision, "fp32"):
        simulated = " (simulated: no engine multiplies in so few bits)" if is_simulated(model.precision) else ""
        raise UnsupportedError(
            f"{model.name} is quantized by itself, to {model.precision}{simulated}, and cannot be tested at "
            f"{target.precision}. Ask for --precision {model.precision}, or give the float model that it was made from."
        )


def _targets(spec: RunSpec) -> tuple[TargetSpec, ...]:
    targets = [dataclasses.replace(target, engine=ENGINES.canonical(target.engine)) for target in spec.targets.asked]
    unique = tuple(dict.fromkeys((REFERENCE, *targets)))
    for target in unique:
        _check_offered(target)
    return unique


def _check_offered(target: TargetSpec) -> None:
    if ENGINES[target.engine].served and target.board is None:
        raise UsageError(
            f"Engine {target.engine} asks a served model. Which? Give --place http://HOST:8000/v2/models/NAME, or "
            "grpc://HOST:8001/NAME."
        )
    # A file brings a precision that nobody asked for by name.
    with contextlib.nullcontext() if target.variant is None else of_which(target.id):
        if target.board is None:
            LOCAL.check_offered(target.engine, target.precision, target.device)
        else:  # what no board can; the rest is asked there
            ENGINES[target.engine].check_offered(target.precision, target.device)


def calibration_images(
    spec: FilesSpec, source: str | None, model: DeployableModel, label_of: LabelOf, progress: Progress
) -> Selection:
    """As many images of `source` (DEMO for the demo's) as the spec says; UsageError where none are named."""
    if source is None:
        raise UsageError("A quantized target needs calibration images: give --calib (not the test images).")
    path = demo_folders(cache_root(), progress)[1] if source == DEMO else where_of(source)
    return select(open_unlabelled(path, model.classes, label_of), seed=spec.calib_seed, limit=spec.calibration.limit)

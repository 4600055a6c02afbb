"""A spec resolved against the world: model loaded, images listed and hashed, names checked. Nothing heavy yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from seatrial.cache import cache_root
from seatrial.engines import ENGINES
from seatrial.engines.base import BuildRequest
from seatrial.engines.places import place_of
from seatrial.engines.precision import is_quantized
from seatrial.errors import UnsupportedError, UsageError
from seatrial.exporters import DeployableModel
from seatrial.files import value_digest
from seatrial.harness.conditions import Condition, choose, make_condition, resolve
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Network, Resolved, World
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.conditions.released import ReleasedSet
from seatrial.harness.data import Selection, labeller, open_source, open_unlabelled, select
from seatrial.harness.data.demo import demo_folders
from seatrial.harness.data.labels import LabelOf
from seatrial.harness.plan.files import needs_calibration
from seatrial.harness.plan.identity import Digests, Identity, identity_of, with_hashed_images
from seatrial.harness.plan.load import data_name, images_path, load_model, where_of
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Progress
from seatrial.harness.spec.model import DEMO
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, Build, TargetSpec


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run needs to start.

    data: the images, in their order; data_path: where they lie. released: for data that are corrupted already, the same
    images under each condition. targets: the reference first. notes: what was left out, and why. later: ids of
    conditions that hang on the answers to the others. networks: other models that conditions need, by name. digests: of
    the images. identity: what shapes the answers. only: the builds that take part, None for all.
    """

    spec: RunSpec
    model: DeployableModel
    data: Selection
    released: dict[str, Selection] | None
    calib: Selection | None
    calib_condition: Condition
    targets: tuple[TargetSpec, ...]
    conditions: tuple[Condition, ...]
    data_path: Path | str
    notes: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    networks: Mapping[str, Network] = dataclasses.field(default_factory=dict)
    digests: Digests = dataclasses.field(default_factory=lambda: Digests("", None))
    identity: Identity = dataclasses.field(default_factory=lambda: Identity({}, {}, {}))
    only: tuple[Build, ...] | None = None

    @property
    def data_name(self) -> str:
        """The images', for people."""
        return data_name(self.data_path)

    @property
    def world(self) -> LoadedWorld:
        """What the kinds of conditions know of the run."""
        return LoadedWorld(
            spec=self.spec,
            targets=self.targets,
            model=self.model,
            data=self.data,
            path=self.data_path,
            networks=self.networks,
            shared=self.identity.run,
            of_targets=self.identity.targets,
        )

    @property
    def digest(self) -> str:
        """The hash of the identity: runs of the same digest give the same predictions."""
        return value_digest(self.identity.to_dict())

    @property
    def asked_ids(self) -> tuple[str, ...]:
        """The ids that ask for the plan's conditions; of stacked ones, what they are stacked for."""
        return (*(one.id for one in self.conditions if not one.parts), *self.later)

    def key(self, build: Build, condition: Condition) -> str:
        """The name of a trial."""
        return self.identity.key(build, condition.id)

    def key_of(self, condition_id: str, build: Build | None) -> str:
        """The name of a trial; without a build, of the condition's images, where all targets get the same."""
        return self.identity.images_key(condition_id) if build is None else self.identity.key(build, condition_id)

    @property
    def out(self) -> Path:
        """The run directory: as asked for, else `runs/MODEL-HASH`."""
        return self.spec.out or Path("runs") / f"{self.model.name}-{self.digest[:8]}"

    @property
    def builds(self) -> tuple[Build, ...]:
        """The engines: one for the reference, `rebuilds` for every other target, the first builds first."""
        if self.only is not None:
            return self.only
        first = tuple(Build(target) for target in self.targets)
        further = range(2, self.spec.targets.rebuilds + 1)
        return first + tuple(Build(target, n) for target in self.targets if target != REFERENCE for n in further)

    def answers(self, build: Build, condition: Condition) -> bool:
        """True where that engine is asked under that condition: further builds only under the first."""
        return build.number == 1 or condition == self.conditions[0]

    def calibrates(self, target: TargetSpec) -> bool:
        """True where the target's file is made by looking at the calibration images."""
        return _calibrates(self.spec, self.model, target)

    def request(self, target: TargetSpec, model: DeployableModel) -> BuildRequest:
        """What the target's engine is built from; `model` is at the target's precision.

        Independent builds do without the cache of built engines.
        """
        return build_request(
            model,
            precision=target.precision,
            device=target.device,
            threads=self.spec.targets.threads,
            optimization=self.spec.targets.optimization,
            builder=self.spec.builder,
            cache=cache_root() / "engines" if self.spec.targets.rebuilds == 1 else None,
        )


@dataclasses.dataclass(frozen=True)
class Held:
    """What a run directory holds already, and goes on with: targets, and ids of conditions."""

    targets: tuple[TargetSpec, ...] = ()
    conditions: tuple[str, ...] = ()


def make_plan(spec: RunSpec, progress: Progress, held: Held = Held()) -> Plan:
    """Checks all that can be checked without decoding or building; raises a SeatrialError that says what to do.

    held: what the plan asks for besides.
    """
    spec = _with_targets(spec, held)
    targets = _targets(spec)
    asked = spec.conditions
    # A wrong name is told before anything is loaded.
    choose(asked.suite, World(spec, targets), asked.globs, asked.severities)
    degraded = make_condition(spec.calibration.condition, World(spec, targets))
    model = load_model(spec.source)
    for target in targets:
        _check_reachable(model, target)
    label_of = labeller(model.classes, model.class_names, spec.source.classes)
    path = images_path(spec.images, spec.source, progress)
    released = _released(path, model, label_of)
    world = World(spec, targets, model)
    if released is None:
        ids = _with_held(choose(asked.suite, world, asked.globs, asked.severities), held, world)
        data = select(open_source(path, model.classes, label_of), seed=spec.seed, limit=spec.images.limit)
        selections = None
        loaded = LoadedWorld(spec=spec, targets=targets, model=model, data=data, path=path)
        resolved = resolve(ids, asked.globs, loaded)
    else:
        ids = choose(asked.suite, world, asked.globs, asked.severities, released.conditions)
        ids = _with_held(ids, held, world, released.conditions)
        released.check_alike(ids)
        data = select(released.source(ids[0]), seed=spec.seed, limit=spec.images.limit)
        selections = {name: Selection(released.source(name), data.indices) for name in ids}
        resolved = Resolved(tuple(Condition(condition_id) for condition_id in ids))
    calib = None
    if any(_calibrates(spec, model, target) for target in targets):
        calib = calibration_images(
            _calibration_source(spec),
            model,
            label_of,
            seed=spec.calib_seed,
            limit=spec.calibration.limit,
            progress=progress,
        )
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
        notes=(*model.notes, *resolved.notes),
        later=resolved.later,
        networks=resolved.networks,
    )
    plan = with_hashed_images(plan, progress)
    return dataclasses.replace(plan, identity=identity_of(plan))


def _released(path: Path | str, model: DeployableModel, label_of: LabelOf) -> ReleasedSet | None:
    if isinstance(path, str):
        return None
    found = (kind.released(path, model.classes, label_of) for kind in KINDS.values())
    return next((one for one in found if one is not None), None)


def _with_targets(spec: RunSpec, held: Held) -> RunSpec:
    asked = (*held.targets, *spec.targets.asked)
    return dataclasses.replace(spec, targets=dataclasses.replace(spec.targets, asked=asked))


def _with_held(ids: list[str], held: Held, world: World, available: Sequence[str] | None = None) -> list[str]:
    more = [name for name in held.conditions if name not in ids]
    return choose(world.spec.conditions.suite, world, (*ids, *more), (), available) if more else ids


def _calibration_source(spec: RunSpec) -> str | None:
    of_demo = spec.images.data == DEMO or (spec.images.data is None and spec.source.model == DEMO)
    return spec.calibration.data or (DEMO if of_demo else None)


def _calibrates(spec: RunSpec, model: DeployableModel, target: TargetSpec) -> bool:
    given = _calibration_source(spec) is not None
    return needs_calibration(model, target, spec.quantization, given=given)


def _check_reachable(model: DeployableModel, target: TargetSpec) -> None:
    if not is_quantized(model.precision) or not ENGINES[target.engine].executes_graph:
        return
    if target.precision not in (model.precision, "fp32"):
        raise UnsupportedError(
            f"{model.name} is quantized by itself, to {model.precision}, and cannot be tested at {target.precision}. "
            "Ask "
            f"for --precision {model.precision}, or give the float model that it was made from."
        )


def _targets(spec: RunSpec) -> tuple[TargetSpec, ...]:
    targets = [dataclasses.replace(target, engine=ENGINES.canonical(target.engine)) for target in spec.targets.asked]
    unique = tuple(dict.fromkeys((REFERENCE, *targets)))
    for target in unique:
        place_of(target.device).check_offered(target.engine, target.precision, target.device)
    return unique


def calibration_images(
    source: str | None, model: DeployableModel, label_of: LabelOf, *, seed: int, limit: int | None, progress: Progress
) -> Selection:
    """The images of --calib (DEMO for the demo's); UsageError where none are named."""
    if source is None:
        raise UsageError("A quantized target needs calibration images: give --calib (not the test images).")
    path = demo_folders(cache_root(), progress)[1] if source == DEMO else where_of(source)
    return select(open_unlabelled(path, model.classes, label_of), seed=seed, limit=limit)

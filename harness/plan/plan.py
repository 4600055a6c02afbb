"""A spec resolved against the world: model loaded, images listed and hashed, names checked. Nothing heavy yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from seatrial.cache import cache_root
from seatrial.engines.base import BuildRequest
from seatrial.engines.boards.places import Places
from seatrial.engines.places import Place
from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.files import value_digest
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Network
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.data import Selection
from seatrial.harness.plan.files import needs_calibration, saturates_at
from seatrial.harness.plan.keys import Digests, Identity
from seatrial.harness.plan.load import data_name
from seatrial.harness.plan.out import DEFAULT
from seatrial.harness.plan.reaching import There, place_of
from seatrial.harness.plan.request import build_request
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
    variants: other files that are tested beside the model, by name.
    origin: the float model that a quantized one came from, where it is named. class_names: in the order of the outputs,
    as --classes, the model or the folders say.
    places: where targets run. there, lost: as of `Reached`. part: ids of the conditions that fall to the spec's shard;
    None for all.
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
    variants: Mapping[str, DeployableModel] = dataclasses.field(default_factory=dict)
    origin: DeployableModel | None = None
    class_names: tuple[str, ...] | None = None
    places: Places = dataclasses.field(default_factory=Places)
    there: Mapping[TargetSpec, There] = dataclasses.field(default_factory=dict)
    lost: Mapping[TargetSpec, SeatrialError] = dataclasses.field(default_factory=dict)
    part: frozenset[str] | None = None

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
            variants=self.variants,
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
        """The run directory: as asked for, else `runs/MODEL-HASH`, of a shard `runs/MODEL-HASH-KofN`."""
        shard = self.spec.shard
        which = "" if shard is None else f"-{shard.number}of{shard.of}"
        return self.spec.out or DEFAULT / f"{self.model.name}-{self.digest[:8]}{which}"

    @property
    def leads(self) -> bool:
        """True for a whole run, and for the shard that does what is done once: targets are timed, and causes looked
        for.
        """
        return self.spec.shard is None or self.spec.shard.number == 1

    @property
    def builds(self) -> tuple[Build, ...]:
        """The engines: one for the reference, `rebuilds` for every other target, the first builds first. Further ones
        are asked and timed where the run is led.
        """
        if self.only is not None:
            return self.only
        first = tuple(Build(target) for target in self.targets)
        further = range(2, self.spec.targets.rebuilds + 1 if self.leads else 2)
        return first + tuple(Build(target, n) for target in self.targets if target != REFERENCE for n in further)

    def answers(self, build: Build, condition: Condition) -> bool:
        """True where that engine is asked under that condition: further builds only under the first, no target
        under those that are for others, and of a shard none under those that fall to another.
        """
        if self.part is not None and condition.id not in self.part:
            return False
        if condition == self.conditions[0]:
            return True
        return build.number == 1 and kind_of(condition.id).asked_of(condition.id, build.target, self.world)

    def calibrates(self, target: TargetSpec) -> bool:
        """True where the target's file is made by looking at the calibration images."""
        return calibrates(self.spec, self.model_of(target), target)

    @property
    def asked(self) -> tuple[TargetSpec, ...]:
        """The targets, and behind them those that cannot be had, and of which nothing is known."""
        return (*self.targets, *(target for target in self.lost if target not in self.targets))

    def place(self, target: TargetSpec) -> Place:
        """Where it runs; raises why it cannot be had."""
        return place_of(target, self.places)

    def saturates(self, target: TargetSpec) -> bool:
        """As `saturates_at` says of it."""
        return saturates_at(self.place(target), target.device)

    def model_of(self, target: TargetSpec) -> DeployableModel:
        """The file behind a target: the model's, or the variant's."""
        return self.model if target.variant is None else self.variants[target.variant]

    def source(self, target: TargetSpec) -> DeployableModel:
        """The model that the target's file is, or is made from; in fp32, the float model of a quantized one."""
        model = self.model_of(target)
        return self.origin if self.origin is not None and model is self.model and target.precision == "fp32" else model

    def request(self, target: TargetSpec, model: DeployableModel) -> BuildRequest:
        """What the target's engine is built from; `model` is at the target's precision.

        Independent builds do without the cache of built engines.
        """
        return build_request(
            model,
            precision=target.precision,
            device=target.device,
            threads=self.spec.targets.threads,
            optimization=self.spec.targets.level(target.precision),
            builder=self.spec.builder,
            cache=cache_root() / "engines" if self.spec.targets.rebuilds == 1 else None,
        )


def calibration_source(spec: RunSpec) -> str | None:
    """The images to calibrate on: as named, else the demo's, where its images are tested."""
    of_demo = spec.images.data == DEMO or (spec.images.data is None and spec.source.model == DEMO)
    return spec.calibration.data or (DEMO if of_demo else None)


def calibrates(spec: RunSpec, model: DeployableModel, target: TargetSpec) -> bool:
    """True where the target's file is made by looking at them."""
    given = calibration_source(spec) is not None
    return needs_calibration(model, target, spec.quantization, given=given)

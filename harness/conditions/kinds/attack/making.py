"""The adversarial images of a run: made on its surrogates, or found by asking its engines; here or elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seatrial.cache import cache_root
from seatrial.engines.device import device_kind
from seatrial.engines.places import Arena
from seatrial.exporters import DeployableModel, InputContract
from seatrial.harness.attacks.chunks import AdversarialSet, Job, chunk_size, make_sets
from seatrial.harness.attacks.ids import SOURCE, AttackId, parse_attack
from seatrial.harness.attacks.search import Images
from seatrial.harness.attacks.store import ChunkStore, read_named
from seatrial.harness.attacks.strengths import sized
from seatrial.harness.conditions.condition import CLEAN, Condition
from seatrial.harness.conditions.kinds.attack.fetching import fetch
from seatrial.harness.conditions.kinds.attack.surrogates import files_of
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Session, Target
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.pipeline.gray import OneChannel, ThreeChannels, in_three_channels
from seatrial.harness.pipeline.travelling import travelling
from seatrial.harness.spec.targets import REFERENCE
from seatrial.packages import installed_versions

if TYPE_CHECKING:
    from seatrial.harness.attacks.surrogate import Surrogate


def surrogate_models(session: Session) -> dict[str, DeployableModel]:
    """Surrogate name -> model; those of targets that are lost are missing."""
    world, targets = session.world, session.alive()
    files = files_of(world)
    # Of several that run a file of that name, the first: its is the one that ids and keys mean.
    models = {files[target.build.target]: target.model for target in reversed(targets) if target.build.number == 1}
    models[SOURCE] = next(target.model for target in targets if target.build.target == REFERENCE)
    models.update({name: network.model for name, network in world.networks.items()})
    return models


def made_on_surrogates(
    session: Session, conditions: Sequence[Condition], models: Mapping[str, DeployableModel]
) -> Iterator[tuple[Condition, AdversarialSet]]:
    """The images of gradient attacks, condition by condition, those on one surrogate after each other.

    Raises UnsupportedError for a graph that cannot be differentiated, or a device that is not there.
    """
    world = session.world
    by_surrogate = sorted(conditions, key=lambda one: list(models).index(str(parse_attack(one.id).surrogate)))
    copies = Copies(world.spec.attacks.device)
    jobs = []
    for attack in (parse_attack(one.id) for one in by_surrogate):
        name = str(attack.surrogate)
        labels = world.networks[name].labels if name in world.networks else world.data.labels
        jobs.append(job_on_surrogate(world, attack, models[name], labels, models[SOURCE], copies))
    maker = _Maker(session, "Making adversarial images", makers_of(world))
    yield from maker.make(by_surrogate, jobs)


def found_by_queries(
    session: Session, conditions: Sequence[Condition], target: Target
) -> Iterator[tuple[Condition, AdversarialSet]]:
    """The images that black-box attacks find by asking one built engine; raises what its engine raises."""
    world = session.world
    jobs = [job_on_engine(session, parse_attack(one.id), target) for one in conditions]
    maker = _Maker(session, f"Asking {target.id}", world.spec.work.workers, target.id, target.engine.close)
    yield from maker.make(conditions, jobs)


def job_on_engine(session: Session, attack: AttackId, target: Target) -> Job:
    """How a black-box attack's images are found by asking a built engine."""
    from seatrial.harness.attacks.queries import on_engine

    world = session.world
    ask = functools.partial(_ask, target, session.arena, world.spec.work.batch_size)
    shaped = {
        "target": target.id,
        "model": target.model.digest,
        "contract": target.model.contract.to_dict(),
        "engine": target.engine.describe(),
        "versions": world.shared["versions"],
        "queries": world.spec.attacks.queries,
    }
    if target.build.target.board is not None:  # of this machine, the engine tells what it is
        shaped["there"] = world.of_targets[target.build.target.id]
    description = {**shaped, "attack": attack.name, "radius": attack.radius, "seed": world.spec.seed}
    make_chunk = on_engine(attack, ask, world.spec.attacks.queries, world.spec.seed)
    return Job(description, world.data.labels, make_chunk, asked_together(world))


@dataclasses.dataclass(frozen=True)
class _Maker:
    """stage: its name. target: id of the build that is asked. abandon: what ends the work of all `workers`."""

    session: Session
    stage: str
    workers: int
    target: str | None = None
    abandon: Callable[[], None] = lambda: None

    def make(self, conditions: Sequence[Condition], jobs: Sequence[Job]) -> Iterator[tuple[Condition, AdversarialSet]]:
        """Each condition with what came of its job."""
        world, store, clean = self.session.world, chunk_store(), clean_images(self.session)
        if self.session.elsewhere is not None:
            fetch(self.session, self.stage, conditions, jobs, self.target, clean, store)
        with self.session.progress.stage(self.stage, len(world.data) * len(jobs)) as update:

            def tell(done: int, number: int) -> None:
                update(done, f"{number + 1}/{len(jobs)} {conditions[number].id}")

            update(0)
            gray = world.model.contract.color == "gray"
            made = make_sets(
                jobs, world.data.ids, clean, store, workers=self.workers, progress=tell, abandon=self.abandon
            )
            with contextlib.closing(made):
                for condition, one in zip(conditions, made, strict=True):
                    yield condition, dataclasses.replace(one, reader=ThreeChannels(one.reader)) if gray else one


def chunk_store() -> ChunkStore:
    """Where adversarial images lie."""
    return ChunkStore(cache_root() / "adversarial")


def kept_images(session: Session, named: Mapping[str, Any], start: int, stop: int) -> npt.NDArray[Any] | None:
    """As `Kind.kept`; readers of gray images name none."""
    return read_named(chunk_store(), named, start, stop, clean_images(session))


def clean_images(session: Session) -> ImageReader:
    """What is attacked: as many channels as the model takes."""
    clean = session.images.reader(CLEAN)
    return OneChannel(clean) if session.world.model.contract.color == "gray" else clean


def makers_of(world: LoadedWorld) -> int:
    """Threads that follow gradients; a GPU is busy with one."""
    return 1 if device_kind(world.spec.attacks.device) == "cuda" else world.spec.work.workers


class Copies:
    """Models that can be differentiated, by their files' digests: each made when it is first needed, and kept."""

    def __init__(self, device: str) -> None:
        """device: for gradients."""
        self._device, self._lock = device, threading.Lock()
        self._made: dict[tuple[str, InputContract], Surrogate] = {}

    def of(self, model: DeployableModel) -> Surrogate:
        """UnsupportedError for a graph that cannot be differentiated, or a device that is not there."""
        from seatrial.harness.attacks.surrogate import Surrogate  # imports PyTorch

        with self._lock:
            key = (model.digest, model.contract)
            if key not in self._made:
                self._made[key] = Surrogate(model, self._device)
            return self._made[key]


def job_on_surrogate(
    world: LoadedWorld,
    attack: AttackId,
    model: DeployableModel,
    labels: npt.NDArray[np.int64],
    source: DeployableModel,
    copies: Copies,
) -> Job:
    """How an attack's images are made on a surrogate. labels: of the images, among its classes. source: what the
    targets are made from.
    """
    options, seed = world.spec.attacks, world.spec.seed
    description: dict[str, Any] = {
        "attack": attack.name,
        "radius": attack.radius,
        **sized(attack.name, world.model.contract.values),
        "seed": seed,
        "restarts": options.restarts,
        "surrogate": _shape(model),
        "source": _shape(source) if attack.kind.pair else None,
        "device": device_kind(options.device),
        "versions": {**world.shared["versions"], **installed_versions(["torch"])},
    }

    def make_chunk(part: Any) -> Any:
        from seatrial.harness.attacks.gradients import on_surrogate  # imports PyTorch

        return on_surrogate(attack, lambda: copies.of(model), lambda: copies.of(source), options, seed)(part)

    return Job(description, labels, make_chunk, chunk_size(*world.model.contract.size))


def _shape(model: DeployableModel) -> dict[str, Any]:
    return {"digest": model.digest, "contract": model.contract.to_dict()}


def asked_together(world: LoadedWorld) -> int:
    """The size of the chunks of black-box attacks."""
    # An engine answers large batches faster, and images leave as they are found.
    return max(world.spec.work.batch_size, 4 * chunk_size(*world.model.contract.size))


def _ask(target: Target, arena: Arena, size: int, images: Images) -> Any:
    scores = []
    for start in range(0, len(images), size):
        pixels, contract = in_three_channels(images[start : start + size]), target.model.contract
        if not target.engine.process.sees(arena):
            scores.append(target.engine.infer(travelling(pixels, contract)))
            continue
        with arena.slot() as slot:
            scores.append(target.engine.infer(slot.put(contract.normalise(pixels))))
    found = np.concatenate(scores)
    # Of a network that is sure of itself, the others' probabilities still differ by orders of magnitude.
    return np.log(np.maximum(found, np.finfo(np.float32).tiny)) if target.model.scores == "probabilities" else found

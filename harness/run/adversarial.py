"""The adversarial images of a run: made on its surrogates, or found by asking its engines."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.cache import cache_root
from seatrial.engines.device import device_kind
from seatrial.engines.places import Arena
from seatrial.exporters import DeployableModel
from seatrial.harness.attacks.chunks import Made, Order, chunk_size, make
from seatrial.harness.attacks.ids import SOURCE, AttackId
from seatrial.harness.attacks.search import Images
from seatrial.harness.attacks.store import ChunkStore
from seatrial.harness.conditions import CLEAN, Condition
from seatrial.harness.pipeline.gray import OneChannel, ThreeChannels, in_three_channels
from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import REFERENCE

if TYPE_CHECKING:
    from seatrial.harness.attacks.surrogate import Surrogate


def surrogate_models(session: Session) -> dict[str, DeployableModel]:
    """Surrogate name -> model; those of targets that are lost are missing."""
    plan, targets = session.plan, session.alive()
    models = {plan.files[target.build.target]: target.model for target in targets if target.build.number == 1}
    models[SOURCE] = next(target.model for target in targets if target.build.target == REFERENCE)
    models.update({name: network.model for name, network in plan.networks.items()})
    return models


def made_on_surrogates(
    session: Session, conditions: Sequence[Condition], models: Mapping[str, DeployableModel]
) -> Iterator[tuple[Condition, Made]]:
    """The images of gradient attacks, condition by condition, those on one surrogate after each other.

    Raises UnsupportedError for a graph that cannot be differentiated, or a device that is not there.
    """
    plan = session.plan
    attacks = {one.id: one.attack for one in conditions if one.attack is not None}
    by_surrogate = sorted(conditions, key=lambda one: list(models).index(str(attacks[one.id].surrogate)))
    copies: dict[str, Callable[[], Surrogate]] = {}
    for name, model in models.items():
        copies[name] = functools.cache(functools.partial(_differentiable, model, plan.spec.attacks.device))
    orders = [_order(plan, attacks[one.id], models, copies) for one in by_surrogate]
    on_gpu = device_kind(plan.spec.attacks.device) == "cuda"
    lab = _Making(session, "Making adversarial images", 1 if on_gpu else plan.spec.work.workers)
    yield from lab.make(by_surrogate, orders)


def found_by_queries(
    session: Session, conditions: Sequence[Condition], target: BuiltTarget
) -> Iterator[tuple[Condition, Made]]:
    """The images that black-box attacks find by asking one built engine; raises what its engine raises."""
    from seatrial.harness.attacks.queries import on_engine

    plan = session.plan
    ask = functools.partial(_ask, target, session.arena, plan.spec.work.batch_size)
    shaped = {
        "target": target.id,
        "model": target.model.digest,
        "contract": target.model.contract.to_dict(),
        "engine": target.engine.describe(),
        "versions": plan.identity.run["versions"],
        "queries": plan.spec.attacks.queries,
    }
    orders = []
    for one in conditions:
        assert one.attack is not None
        description = {**shaped, "attack": one.attack.name, "radius": one.attack.radius, "seed": plan.spec.seed}
        work = on_engine(one.attack, ask, plan.spec.attacks.queries, plan.spec.seed)
        orders.append(Order(description, plan.data.labels, work, _asked_together(plan)))
    lab = _Making(session, f"Asking {target.id}", plan.spec.work.workers, target.engine.close)
    yield from lab.make(conditions, orders)


@dataclasses.dataclass(frozen=True)
class _Making:
    """stage: its name. abandon: what ends the work of all `workers`."""

    session: Session
    stage: str
    workers: int
    abandon: Callable[[], None] = lambda: None

    def make(self, conditions: Sequence[Condition], orders: Sequence[Order]) -> Iterator[tuple[Condition, Made]]:
        """Each condition with what came of its order."""
        plan, store = self.session.plan, ChunkStore(cache_root() / "adversarial")
        with self.session.progress.stage(self.stage, len(plan.data) * len(orders)) as update:

            def tell(done: int, number: int) -> None:
                update(done, f"{number + 1}/{len(orders)} {conditions[number].id}")

            update(0)
            clean, gray = self.session.images.reader(CLEAN), plan.model.contract.color == "gray"
            clean = OneChannel(clean) if gray else clean
            made = make(orders, plan.data.ids, clean, store, workers=self.workers, progress=tell, abandon=self.abandon)
            with contextlib.closing(made):
                for condition, one in zip(conditions, made, strict=True):
                    yield condition, dataclasses.replace(one, reader=ThreeChannels(one.reader)) if gray else one


def _order(
    plan: Plan, attack: AttackId, models: Mapping[str, DeployableModel], copies: Mapping[str, Callable[[], Surrogate]]
) -> Order:
    name = str(attack.surrogate)
    options, seed = plan.spec.attacks, plan.spec.seed
    description: dict[str, Any] = {
        "attack": attack.name,
        "radius": attack.radius,
        "seed": seed,
        "restarts": options.restarts,
        "surrogate": _shape(models[name]),
        "source": _shape(models[SOURCE]) if attack.kind.pair else None,
        "device": device_kind(options.device),
        "versions": {**plan.identity.run["versions"], **plan.identity.conditions[str(attack)]["versions"]},
    }

    def work(part: Any) -> Any:
        from seatrial.harness.attacks.gradients import on_surrogate  # imports PyTorch

        return on_surrogate(attack, copies[name], copies[SOURCE], options, seed)(part)

    labels = plan.networks[name].labels if name in plan.networks else plan.data.labels
    return Order(description, labels, work, chunk_size(*plan.model.contract.size))


def _shape(model: DeployableModel) -> dict[str, Any]:
    return {"digest": model.digest, "contract": model.contract.to_dict()}


def _differentiable(model: DeployableModel, device: str) -> Surrogate:
    from seatrial.harness.attacks.surrogate import Surrogate  # imports PyTorch

    return Surrogate(model, device)


def _asked_together(plan: Plan) -> int:
    # An engine answers large batches faster, and images leave as they are found.
    return max(plan.spec.work.batch_size, 4 * chunk_size(*plan.model.contract.size))


def _ask(target: BuiltTarget, arena: Arena, size: int, images: Images) -> Any:
    scores = []
    for start in range(0, len(images), size):
        with arena.slot() as slot:
            place = slot.put(target.model.contract.normalise(in_three_channels(images[start : start + size])))
            scores.append(target.engine.infer(place))
    found = np.concatenate(scores)
    # Of a network that is sure of itself, the others' probabilities still differ by orders of magnitude.
    return np.log(np.maximum(found, np.finfo(np.float32).tiny)) if target.model.scores == "probabilities" else found

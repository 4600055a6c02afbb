"""The workers of a Ray cluster as a run knows them, kept from one piece of its work to the next."""

from __future__ import annotations

import dataclasses

from seatrial.engines.device import device_index, device_kind
from seatrial.harness.conditions.kinds.registry import is_run_together
from seatrial.harness.plan.identity import digests_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.run.executors.messages import Order, Ready
from seatrial.harness.run.executors.workers import Cluster, Resources
from seatrial.harness.run.session import Session
from seatrial.harness.spec.kept import anywhere, to_dict
from seatrial.harness.spec.targets import TargetSpec
from seatrial.harness.spec.timing import TimingOptions

# Beside what its engines may take to build, a node has so long to get ready.
_READY_S = 900.0


class Crew:
    """ready: what each worker that is ready told of itself, by its number."""

    def __init__(self, address: str) -> None:
        """address: as `Cluster`, which raises what this raises."""
        self.cluster = Cluster(address)
        self.ready: dict[int, Ready] = {}
        self._told: set[str] = set()

    def start(self, session: Session) -> None:
        """Has the workers of all nodes made ready, once."""
        plan = session.plan
        ready_s = _READY_S + plan.spec.limits.build_s * len(session.alive())
        gpus = max(gpus_of(device) for device in (*(one.device for one in plan.targets), plan.spec.attacks.device))
        self.cluster.start(plan.spec.work.workers, gpus, lambda there: order_of(plan, there).to_json(), ready_s)

    def tell(self, session: Session, sentence: str) -> None:
        """Tells it, unless that was done before."""
        if sentence not in self._told:
            self._told.add(sentence)
            session.progress.tell(sentence)

    def close(self) -> None:
        """Ends what runs on the nodes."""
        self.cluster.close()


def gpus_of(device: str) -> int:
    """How many GPUs a worker must see, so that this one is among them."""
    return device_index(device) + 1 if device_kind(device) == "cuda" else 0


def has_device(resources: Resources, target: TargetSpec) -> bool:
    """True where a worker sees what the target runs on."""
    return gpus_of(target.device) <= resources.gpus


def order_of(plan: Plan, there: Resources) -> Order:
    """What a node makes ready: all that it may be asked, and nothing that it has no device for."""
    targets = [target for target in plan.targets if target.board is None and has_device(there, target)]
    names = [one.id for one in plan.conditions if is_run_together(one.id) and not one.parts]
    spec = dataclasses.replace(
        plan.spec,
        targets=dataclasses.replace(plan.spec.targets, asked=tuple(targets), rebuilds=1),
        conditions=dataclasses.replace(plan.spec.conditions, globs=tuple(names), severities=()),
        timing=TimingOptions(),
        boards={},
        shard=None,
        out=None,
        reuse=None,
        baseline=None,
    )
    return Order(to_dict(anywhere(spec)), tuple(target.id for target in targets), digests_of(plan), there.threads)

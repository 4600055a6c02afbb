"""Trials on the nodes of a Ray cluster: slices go out, rows come back, and are filed as those of threads are."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from seatrial.engines.device import device_index, device_kind
from seatrial.errors import DeviceError, SeatrialError, UnsupportedError
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.conditions.kinds.registry import is_run_together
from seatrial.harness.data.source import Pixels
from seatrial.harness.plan.identity import digests_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Update
from seatrial.harness.records.nodes import Nodes
from seatrial.harness.run.executors.batches import Pass, Rows, answered, passes_of
from seatrial.harness.run.executors.dealing import Dealer, Slice
from seatrial.harness.run.executors.filing import Filing
from seatrial.harness.run.executors.fitting import misfits
from seatrial.harness.run.executors.messages import Asked, Order, Ready, as_error, unpacked
from seatrial.harness.run.executors.repeating import Repeated, Sample, compared
from seatrial.harness.run.executors.threads import on_threads
from seatrial.harness.run.executors.workers import Came, Cluster, Job, Resources, Worker
from seatrial.harness.run.rewritten import rewritten
from seatrial.harness.run.session import Session
from seatrial.harness.spec.kept import anywhere, to_dict
from seatrial.harness.spec.targets import TargetSpec, target_of
from seatrial.harness.spec.timing import TimingOptions

# How often the images of a slice are given to workers that end meanwhile, before the run does.
TRIES = 3
# Slices that a worker has at once: while one is on its way, the next is answered.
_AT_ONCE = 2
_LOOK_S = 1.0
# Beside what its engines may take to build, a node has so long to get ready.
_READY_S = 900.0


class RayExecutor:
    """Runs trials on all nodes of a cluster. What it started there ends with `close`."""

    def __init__(self, address: str) -> None:
        """address: as `ray_address` gives it. UnsupportedError where Ray is missing, or no cluster answers."""
        self._cluster = Cluster(address)
        self._ready: dict[int, Ready] = {}
        self._told: set[str] = set()

    def ask(self, session: Session, pending: Sequence[Pending]) -> None:
        """An `Executor`. What hangs on this machine is answered here: a board, which the run holds, and a target's
        further builds, which would be others on every node.
        """
        builds = {target.id: target.build for target in session.alive()}
        nodes = {name for name, build in builds.items() if build.number == 1 and build.target.board is None}
        there = [one for one in (one.of(nodes) for one in pending) if one.targets]
        here = [one for one in (one.of(builds.keys() - nodes) for one in pending) if one.targets]
        if there:
            _Spread(self._cluster, self._ready, self._told, session, there).run()
        if here:
            on_threads(session, here)

    def close(self) -> None:
        """Ends what runs on the nodes."""
        self._cluster.close()


@dataclasses.dataclass
class _Group:
    """Targets that the same workers may answer. able: workers that do. refused: worker -> why it does not."""

    targets: tuple[str, ...]
    workers: list[int]
    passes: list[Pass]
    dealer: Dealer
    sample: Sample
    able: set[int] = dataclasses.field(default_factory=set)
    refused: dict[int, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class _Given:
    """What a job is about: a slice of a group, or the repetition of a batch."""

    group: _Group
    asked: Asked
    what: Slice | Repeated


class _Spread:
    """One call of `RayExecutor.ask`."""

    def __init__(
        self,
        cluster: Cluster,
        ready: dict[int, Ready],
        told: set[str],
        session: Session,
        pending: Sequence[Pending],
    ) -> None:
        self._cluster, self._ready, self._told = cluster, ready, told
        self._session, self._pending = session, pending
        self._filing = Filing(session, [one.condition for one in pending])
        self._nodes = Nodes.read(session.directory.nodes)
        self._spent = {"engines": 0.0, "conditions": 0.0}
        self._groups: list[_Group] = []
        self._slowest, self._done = 0.0, 0

    def run(self) -> None:
        session, begin = self._session, time.perf_counter()
        plan = session.plan
        total = len(plan.data) * len(self._pending)
        with session.progress.stage("Running trials", total) as update:
            update(0, "starting nodes")
            ready_s = _READY_S + plan.spec.limits.build_s * len(session.alive())
            gpus = max(_gpus(target) for target in plan.targets)
            self._cluster.start(plan.spec.work.workers, gpus, lambda there: _order(plan, there).to_json(), ready_s)
            self._groups = self._grouped()
            for number, known in self._ready.items():
                self._judge(self._cluster.workers[number], known)
            while not all(group.dealer.finished for group in self._groups):
                self._welcome()
                self._give_all()
                self._check_hope()
                for came in self._cluster.wait(_LOOK_S, self._slowest):
                    self._take(came, update)
            self._repeat(update)
        session.directory.add_spent({"wall": time.perf_counter() - begin, **self._spent})
        self._nodes.write(session.directory.nodes)

    def _grouped(self) -> list[_Group]:
        """Targets by the workers that have the devices for them."""
        plan = self._session.plan
        asked = dict.fromkeys(name for one in self._pending for name in one.targets)
        by_workers: dict[tuple[int, ...], list[str]] = {}
        for name in asked:
            able = [one.number for one in self._cluster.workers if _has_device(one.resources, target_of(name))]
            by_workers.setdefault(tuple(able), []).append(name)
        groups = []
        for workers, targets in by_workers.items():
            left = [one for one in (one.of(targets) for one in self._pending) if one.targets]
            passes = [
                one
                for rewrites in dict.fromkeys(one.condition.rewrites for one in left)
                for one in passes_of([one for one in left if one.condition.rewrites == rewrites], plan.model.contract)
            ]
            weights = [sum(len(one.targets) for one in together) for together in passes]
            count, batch = len(plan.data), plan.spec.work.batch_size
            dealer = Dealer(weights, count, workers, batch)
            sample = Sample(passes, count, batch, plan.spec.seed)
            groups.append(_Group(tuple(targets), list(workers), passes, dealer, sample))
        return groups

    def _welcome(self) -> None:
        """Nodes that join while the run is at work take part in it."""
        for worker in self._cluster.joined() if self._cluster.is_due else []:
            for group in self._groups:
                if all(_has_device(worker.resources, target_of(name)) for name in group.targets):
                    group.workers.append(worker.number)

    def _give_all(self) -> None:
        for worker in self._cluster.workers:
            while worker.state == "ready" and len(worker.jobs) < _AT_ONCE and self._give(worker):
                pass

    def _give(self, worker: Worker) -> bool:
        for group in self._groups:
            piece = group.dealer.next(worker.number, worker.resources.threads) if worker.number in group.able else None
            if piece is None:
                continue
            together = tuple(one for one in map(self._still_asked, group.passes[piece.number]) if one.targets)
            if not together:  # of targets that failed meanwhile
                group.dealer.answered(worker.number, piece, 0.0)
                return True
            asked = Asked(together, piece.start, piece.stop)
            self._ask(worker, _Given(group, asked, piece))
            return True
        return False

    def _still_asked(self, one: Pending) -> Pending:
        return one.of([name for name in one.targets if not self._session.lost(name)])

    def _ask(self, worker: Worker, given: _Given) -> None:
        identity = self._session.plan.identity
        keys = {one.condition.id: identity.images_key(one.condition.id) for one in given.asked.together}
        self._cluster.ask(worker, given.asked.to_json(keys), self._images(given.asked), given)

    def _images(self, asked: Asked) -> list[Pixels]:
        """Those that only this process has: adversarial ones."""
        plan, made = self._session.plan, asked.made
        if not made:
            return []
        found = self._session.images.read(made, asked.start, asked.stop)
        ids = plan.data.ids[asked.start : asked.stop]
        return [np.ascontiguousarray(one.apply(found[one.id], ids, plan.spec.seed)) for one in made]

    def _take(self, came: Came, update: Update) -> None:
        if came.content is None:
            self._lost(came)
        elif came.job is None:
            self._became_ready(came.worker, came.content)
        else:
            self._answered(came.worker, came.job, came.content)
        running = sum(one.state == "ready" for one in self._cluster.workers)
        update(self._done, f"on {running} of {len(self._cluster.workers)} nodes")

    def _became_ready(self, worker: Worker, content: bytes) -> None:
        try:
            ready = Ready.of(content)
        except SeatrialError as error:
            self._leave_out(worker, str(error))
            return
        self._ready[worker.number] = ready
        self._judge(worker, ready)

    def _judge(self, worker: Worker, ready: Ready) -> None:
        """Which groups a worker takes part in."""
        session = self._session
        plain = [
            one.condition.id for one in self._pending if is_run_together(one.condition.id) and not one.condition.parts
        ]
        files = {target.id: target.model.digest for target in session.alive()}
        for group in self._groups:
            if worker.number not in group.workers or worker.state != "ready":
                continue
            found = misfits(ready, session.plan.identity, plain, {name: files[name] for name in group.targets})
            if found:
                says = "; ".join(f"{name}: {why}" for name, why in found.items())
                group.refused[worker.number] = says
                self._tell(f"Node {worker.name} is not asked: {says}.")
            else:
                group.able.add(worker.number)
                group.refused.pop(worker.number, None)

    def _leave_out(self, worker: Worker, says: str) -> None:
        self._tell(f"Node {worker.name} is left out: {says}")
        for group in self._groups:
            group.refused[worker.number] = says
        self._cluster.end(worker)

    def _answered(self, worker: Worker, job: Job, content: bytes) -> None:
        given: _Given = job.what
        took = job.took_s
        rows = self._rows(worker, given.asked, content)
        if isinstance(given.what, Repeated):
            self._compare(given.what, rows, worker.name)
            return
        self._slowest = max(self._slowest, took)
        given.group.dealer.answered(worker.number, given.what, took)
        self._nodes.add(worker.name, worker.resources.threads, self._ready[worker.number].processor)
        given.group.sample.take(given.asked.start, rows, worker.number)
        self._filing.add(given.asked.start, rows)
        self._done += len(given.what) * len(given.group.passes[given.what.number])

    def _rows(self, worker: Worker, asked: Asked, content: bytes) -> Rows:
        plan, session = self._session.plan, self._session
        try:
            found = unpacked(content, asked, plan.data.labels[asked.start : asked.stop], plan.model.classes)
        except SeatrialError as error:
            error.args = (f"On node {worker.name}: {error}",)
            raise
        self._spent["engines"] += found.engines_s
        self._spent["conditions"] += found.conditions_s
        for one in found.failures:
            says = f"{one.says} (on node {worker.name})"
            session.lose(one.target, one.stage, as_error(dataclasses.replace(one, says=says)))
        return {key: rows for key, rows in found.rows.items() if not session.lost(key[1])}

    def _lost(self, came: Came) -> None:
        worker = came.worker
        again = "; it is started again" if worker.state == "starting" else ""
        self._session.progress.tell(f"Node {worker.name} ended: {came.says}{again}.")
        self._ready.pop(worker.number, None)
        for group in self._groups:
            group.able.discard(worker.number)
            if worker.state == "gone":
                group.refused[worker.number] = came.says
        for job in came.left:
            given: _Given = job.what
            if isinstance(given.what, Repeated):
                self._repeat_here(given.what)
                continue
            if given.what.tries + 1 >= TRIES:
                raise DeviceError(
                    f"Images {given.asked.start} to {given.asked.stop} of {given.asked.together[0].condition.id} were "
                    f"given to {TRIES} workers that ended, the last on node {worker.name}: {came.says}. Finished "
                    "trials are kept: repeat the command, or leave that condition out."
                )
            given.group.dealer.returned(given.what)

    def _check_hope(self) -> None:
        """Raises where a group is not finished, and nobody is left who could."""
        for group in self._groups:
            coming = any(self._cluster.workers[number].state == "starting" for number in group.workers)
            if not group.dealer.finished and not group.able and not coming:
                self._refuse(group)

    def _refuse(self, group: _Group) -> NoReturn:
        names = {number: self._cluster.workers[number].name for number in group.refused}
        why = "".join(f"\n    {names[number]}: {says}" for number, says in group.refused.items())
        raise UnsupportedError(
            f"No node of the Ray cluster can answer {', '.join(group.targets)} as this machine does:"
            f"{why or ' none has the device.'}\nAll answers of a target come from nodes of one kind, that of this "
            "machine, with what is installed here. Finished trials are kept."
        )

    def _repeat(self, update: Update) -> None:
        """Asks the sample again: on another node, where there is one, else here."""
        update(self._done, "repeating a sample elsewhere")
        for group in self._groups:
            for one in group.sample.all:
                other = self._other(group, one)
                if other is None:
                    self._repeat_here(one)
                elif one.first:
                    asked = Asked(self._again(one), one.batch.start, one.batch.stop)
                    if asked.together:
                        self._ask(other, _Given(group, asked, one))
        while any(worker.jobs for worker in self._cluster.workers):
            for came in self._cluster.wait(_LOOK_S, self._slowest):
                self._take(came, update)

    def _again(self, one: Repeated) -> Pass:
        found = map(self._still_asked, one.batch.together)
        return tuple(pending for pending in found if pending.targets)

    def _other(self, group: _Group, one: Repeated) -> Worker | None:
        """A worker on another node than the first that answered; the one with the least to do."""
        if one.node is None:
            return None
        first = self._cluster.workers[one.node]
        others = [self._cluster.workers[number] for number in sorted(group.able)]
        others = [worker for worker in others if worker.node != first.node and worker.state == "ready"]
        return min(others, key=lambda worker: len(worker.jobs), default=None)

    def _repeat_here(self, one: Repeated) -> None:
        session, together = self._session, self._again(one)
        if not one.first or not together:
            return
        names = {name for pending in together for name in pending.targets}
        targets = [target for target in session.alive() if target.id in names]
        batch = dataclasses.replace(one.batch, together=together)
        with (
            rewritten(session, targets, together[0].condition.rewrites) as built,
            contextlib.closing(answered(session, built, iter([batch]))) as answers,
        ):
            for found in answers:
                self._compare(one, found.rows, "this machine")

    def _compare(self, one: Repeated, again: Rows, where: str) -> None:
        assert one.node is not None
        first, condition = self._cluster.workers[one.node].name, one.batch.together[0].condition.id
        for target, (images, differing) in compared(one, again).items():
            says = f"{differing} of {images} images of {condition} are answered otherwise on {where} than on {first}"
            self._nodes.repeated(target, images, differing, says)
            if differing:
                self._tell(f"{target}: {says}.")

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._session.progress.tell(sentence)


def _has_device(resources: Resources, target: TargetSpec) -> bool:
    return _gpus(target) <= resources.gpus


def _gpus(target: TargetSpec) -> int:
    """How many GPUs a worker must see, so that the target's is among them."""
    return device_index(target.device) + 1 if device_kind(target.device) == "cuda" else 0


def _order(plan: Plan, there: Resources) -> Order:
    """What a node makes ready: all that it may be asked, and nothing that it has no device for."""
    targets = [target for target in plan.targets if target.board is None and _has_device(there, target)]
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

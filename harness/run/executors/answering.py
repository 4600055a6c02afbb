"""Trials on the nodes of a cluster: slices go out, rows come back, and are filed as those of threads are."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from seatrial.errors import SeatrialError, UnsupportedError
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.protocol import NamedReader, Pending
from seatrial.harness.conditions.kinds.registry import is_run_together
from seatrial.harness.data.source import Pixels
from seatrial.harness.records.nodes import Nodes
from seatrial.harness.run.executors.batches import Pass, Rows, answered, passes_of
from seatrial.harness.run.executors.crew import Crew, has_device
from seatrial.harness.run.executors.dealing import Dealer, Slice
from seatrial.harness.run.executors.filing import Filing
from seatrial.harness.run.executors.fitting import misfits
from seatrial.harness.run.executors.messages import Asked, Ready, as_error, is_lack, unpacked
from seatrial.harness.run.executors.repeating import Repeated, Sample, compared
from seatrial.harness.run.executors.spreading import Given, Request, Spread, Work
from seatrial.harness.run.executors.workers import Resources, Worker
from seatrial.harness.run.rewritten import rewritten
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import target_of


def answer_spread(crew: Crew, session: Session, pending: Sequence[Pending]) -> None:
    """Has these trials answered by a crew, and a sample of them a second time."""
    begin, total = time.perf_counter(), len(session.plan.data) * len(pending)
    with session.progress.stage("Running trials", total) as update:
        update(0, "starting nodes")
        crew.start(session)
        filing, nodes = Filing(session, [one.condition for one in pending]), Nodes.read(session.directory.nodes)
        works: list[_Answers] = []
        spread = Spread(crew, session, lambda note: update(sum(work.done for work in works), note))
        works += [_Answers(spread, filing, nodes, workers, left) for workers, left in _grouped(crew, pending)]
        spread.run(works)
        update(total, "repeating a sample elsewhere")
        for work in works:
            work.repeat()
        while spread.is_waiting:
            spread.wait()
    spent = {name: sum(work.spent[name] for work in works) for name in ("engines", "conditions")}
    session.directory.add_spent({"wall": time.perf_counter() - begin, **spent})
    nodes.write(session.directory.nodes)


def _grouped(crew: Crew, pending: Sequence[Pending]) -> list[tuple[list[int], list[Pending]]]:
    """Targets by the workers that have the devices for them."""
    by_workers: dict[tuple[int, ...], list[str]] = {}
    for name in dict.fromkeys(name for one in pending for name in one.targets):
        able = [one.number for one in crew.cluster.workers if has_device(one.resources, target_of(name))]
        by_workers.setdefault(tuple(able), []).append(name)
    return [
        (list(workers), [one for one in (one.of(targets) for one in pending) if one.targets])
        for workers, targets in by_workers.items()
    ]


class _Answers(Work):
    """The trials of targets that the same workers have the devices for. done: images of conditions. spent: seconds."""

    def __init__(
        self, spread: Spread, filing: Filing, nodes: Nodes, workers: Sequence[int], pending: Sequence[Pending]
    ) -> None:
        plan = spread.session.plan
        self.passes = [
            one
            for rewrites in dict.fromkeys(one.condition.rewrites for one in pending)
            for one in passes_of([one for one in pending if one.condition.rewrites == rewrites], plan.model.contract)
        ]
        weights = [sum(len(one.targets) for one in together) for together in self.passes]
        count, batch = len(plan.data), plan.spec.work.batch_size
        super().__init__(spread.session, Dealer(weights, count, workers, batch), workers)
        self._sample = Sample(self.passes, count, batch, plan.spec.seed)
        self._targets = tuple(dict.fromkeys(name for one in pending for name in one.targets))
        self._plain = [
            one.condition.id for one in pending if is_run_together(one.condition.id) and not one.condition.parts
        ]
        self._spread, self._filing, self._nodes = spread, filing, nodes
        self.done, self.spent = 0, {"engines": 0.0, "conditions": 0.0}

    def suits(self, resources: Resources) -> bool:
        return all(has_device(resources, target_of(name)) for name in self._targets)

    def misfit(self, ready: Ready) -> str | None:
        files = {target.id: target.model.digest for target in self.session.alive() if target.id in self._targets}
        found = misfits(ready, self.session.plan.identity, self._plain, files)
        return "; ".join(f"{name}: {why}" for name, why in found.items()) or None

    def request(self, piece: Slice) -> Request | None:
        return self._request(self.passes[piece.number], piece.start, piece.stop)

    def take(self, worker: Worker, given: Given, content: bytes, took_s: float) -> None:
        asked: Asked = given.request.asked
        if is_lack(content):
            whole = self._request(asked.together, asked.start, asked.stop, named=False)
            if whole is None:
                self.dealer.answered(worker.number, given.piece, 0.0)
            else:
                self._spread.ask(worker, self, given.piece, whole)
            return
        rows = self._rows(worker, asked, content)
        if isinstance(given.piece, Repeated):
            self._compare(given.piece, rows, worker.name)
            return
        self.dealer.answered(worker.number, given.piece, took_s)
        self._nodes.add(worker.name, worker.resources.threads, self._spread.crew.ready[worker.number].processor)
        self._sample.take(asked.start, rows, worker.number)
        self._filing.add(asked.start, rows)
        self.done += len(given.piece) * len(self.passes[given.piece.number])

    def lost(self, given: Given, says: str, worker: Worker) -> None:
        if isinstance(given.piece, Repeated):
            self._repeat_here(given.piece)
        else:
            super().lost(given, says, worker)

    def hopeless(self, why: str) -> None:
        raise UnsupportedError(
            f"No node of the Ray cluster can answer {', '.join(self._targets)} as this machine does:"
            f"{why or ' none has the device.'}\nAll answers of a target come from nodes of one kind, that of this "
            "machine, with what is installed here. Finished trials are kept."
        )

    def repeat(self) -> None:
        """Asks the sample again: on another node, where there is one, else here."""
        for one in self._sample.all:
            other = self._other(one)
            if other is None:
                self._repeat_here(one)
            elif one.first:
                request = self._request(one.batch.together, one.batch.start, one.batch.stop)
                if request is not None:
                    self._spread.ask(other, self, one, request)

    def _request(self, together: Pass, start: int, stop: int, *, named: bool = True) -> Request | None:
        """None where all targets failed meanwhile. named: images that a node may keep are not sent."""
        left = self._still_asked(together)
        if not left:
            return None
        asked, identity = Asked(left, start, stop), self.session.plan.identity
        keys = {one.condition.id: identity.images_key(one.condition.id) for one in left}
        about = f"Images {start} to {stop} of {left[0].condition.id}"
        names = self._named(asked) if named else {}
        images = self._images(asked, [one for one in asked.made if one.id not in names])
        return Request("answer", asked.to_json(keys, names), about, asked, images)

    def _still_asked(self, together: Pass) -> Pass:
        left = (one.of([name for name in one.targets if not self.session.lost(name)]) for one in together)
        return tuple(one for one in left if one.targets)

    def _named(self, asked: Asked) -> dict[str, Any]:
        """Of the conditions whose images were made in this run: by what a node finds those that it made."""
        found = {}
        for one in asked.made:
            reader = self.session.images.reader(one.id)
            if one.transform is None and isinstance(reader, NamedReader):
                found[one.id] = dict(reader.named(asked.start, asked.stop))
        return found

    def _images(self, asked: Asked, made: Sequence[Condition]) -> list[Pixels]:
        """Those that go along, since only this process has them."""
        plan = self.session.plan
        if not made:
            return []
        found = self.session.images.read(made, asked.start, asked.stop)
        ids = plan.data.ids[asked.start : asked.stop]
        return [np.ascontiguousarray(one.apply(found[one.id], ids, plan.spec.seed)) for one in made]

    def _rows(self, worker: Worker, asked: Asked, content: bytes) -> Rows:
        plan, session = self.session.plan, self.session
        try:
            found = unpacked(content, asked, plan.data.labels[asked.start : asked.stop], plan.model.classes)
        except SeatrialError as error:
            error.args = (f"On node {worker.name}: {error}",)
            raise
        self.spent["engines"] += found.engines_s
        self.spent["conditions"] += found.conditions_s
        for one in found.failures:
            says = f"{one.says} (on node {worker.name})"
            session.lose(one.target, one.stage, as_error(dataclasses.replace(one, says=says)))
        return {key: rows for key, rows in found.rows.items() if not session.lost(key[1])}

    def _other(self, one: Repeated) -> Worker | None:
        """A worker on another node than the first that answered; the one with the least to do."""
        if one.node is None:
            return None
        workers = self._spread.crew.cluster.workers
        others = [workers[number] for number in sorted(self.able)]
        others = [worker for worker in others if worker.node != workers[one.node].node and worker.state == "ready"]
        return min(others, key=lambda worker: len(worker.jobs), default=None)

    def _repeat_here(self, one: Repeated) -> None:
        session, together = self.session, self._still_asked(one.batch.together)
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
        first, condition = self._spread.crew.cluster.workers[one.node].name, one.batch.together[0].condition.id
        for target, (images, differing) in compared(one, again).items():
            says = f"{differing} of {images} images of {condition} are answered otherwise on {where} than on {first}"
            self._nodes.repeated(target, images, differing, says)
            if differing:
                self._spread.crew.tell(self.session, f"{target}: {says}.")

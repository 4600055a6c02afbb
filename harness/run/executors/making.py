"""Images that a kind of conditions makes in a run, made on the nodes of a cluster: parts go out, chunks come back."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence

from seatrial.errors import SeatrialError
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.protocol import Errand, MisfitError, TakePart
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.pipeline import ordered_map
from seatrial.harness.run.executors.crew import Crew, gpus_of
from seatrial.harness.run.executors.dealing import Dealer, Slice
from seatrial.harness.run.executors.fitting import misfits
from seatrial.harness.run.executors.messages import Ready, errand_json, unpacked_parts
from seatrial.harness.run.executors.spreading import Given, Request, Spread, Work
from seatrial.harness.run.executors.workers import Resources, Worker
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import REFERENCE, Build, target_of

# Parts take unlike times, and seconds each: the more a node has at once, the less its cores wait for one another.
_SLICE_S, _PARTS = 30.0, 4


def make_spread(crew: Crew, session: Session, errands: Sequence[Errand], take: TakePart) -> None:
    """Has the errands' parts made by a crew, as many as it can."""
    crew.start(session)
    by_work: dict[tuple[str | None, int], list[Errand]] = {}
    for errand in errands:
        by_work.setdefault((errand.target, errand.size), []).append(errand)
    spread = Spread(crew, session, lambda note: None)
    spread.run([_Makes(spread, found, take) for found in by_work.values()])


class _Makes(Work):
    """Errands in parts of one size, which need the same of a worker."""

    def __init__(self, spread: Spread, errands: Sequence[Errand], take: TakePart) -> None:
        session, (first, *_) = spread.session, errands
        self._spread, self._errands, self._take = spread, list(errands), take
        self._wanted = [frozenset(one.starts) for one in errands]
        # Whose file and processor a worker needs: gradients are computed as the float reference's answers are.
        self._target = first.target or Build(REFERENCE).id
        device = session.plan.spec.attacks.device if first.target is None else target_of(first.target).device
        self._gpus, self._most = gpus_of(device), _most_bytes(session, first.size)
        kinds = [kind_of(one.condition) for one in errands]
        efforts = [
            kind.effort(Condition(one.condition), session.world) for kind, one in zip(kinds, errands, strict=True)
        ]
        workers = [one.number for one in spread.crew.cluster.workers if self.suits(one.resources)]
        dealer = Dealer(
            [max(1, round(effort)) for effort in efforts],
            len(session.plan.data),
            workers,
            first.size,
            slice_s=_SLICE_S,
            batches=_PARTS,
        )
        super().__init__(session, dealer, workers)

    def suits(self, resources: Resources) -> bool:
        return self._gpus <= resources.gpus

    def misfit(self, ready: Ready) -> str | None:
        built = {target.id: target.model.digest for target in self.session.alive() if target.id == self._target}
        return misfits(ready, self.session.plan.identity, (), built).get(self._target)

    def request(self, piece: Slice) -> Request | None:
        wanted = self._wanted[piece.number]
        starts = tuple(
            start for start in range(piece.start, piece.stop, self._errands[piece.number].size) if start in wanted
        )
        if not starts:
            return None
        errand = dataclasses.replace(self._errands[piece.number], starts=starts)
        about = f"Images {piece.start} to {piece.stop} of {errand.condition}, to be made,"
        return Request("make", errand_json(errand), about, errand)

    def take(self, worker: Worker, given: Given, content: bytes, took_s: float) -> None:
        errand: Errand = given.request.asked
        try:
            parts = zip(errand.starts, unpacked_parts(content, errand, self._most), strict=True)
            taken = ordered_map(
                lambda one: self._take(errand, *one), parts, workers=self.session.plan.spec.work.workers
            )
            with contextlib.closing(taken):
                for _ in taken:
                    pass
        except MisfitError as error:
            self._spread.refuse(worker, self, str(error))
            self.dealer.returned(given.piece)
            return
        except SeatrialError as error:
            error.args = (f"On node {worker.name}: {error}",)
            raise
        self.dealer.answered(worker.number, given.piece, took_s)

    def hopeless(self, why: str) -> None:
        self._spread.crew.tell(
            self.session, f"No node makes images of {self._errands[0].condition}: they are made here.{why}"
        )
        self.dealer.abandon()


def _most_bytes(session: Session, size: int) -> int:
    """Of a part: floats at most, which do not become more by packing, and some columns."""
    height, width = session.plan.model.contract.size
    return size * (height * width * 3 * 4 + 64) * 11 // 10 + 16384

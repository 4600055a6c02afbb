"""Work that is dealt out to the workers of a cluster: given, watched, taken back from those that end."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.errors import DeviceError, SeatrialError
from seatrial.harness.data.source import Pixels
from seatrial.harness.run.executors.crew import Crew
from seatrial.harness.run.executors.dealing import Dealer, Slice
from seatrial.harness.run.executors.messages import Ready
from seatrial.harness.run.executors.workers import Came, Job, Resources, Worker
from seatrial.harness.run.session import Session

# How often the images of a slice are given to workers that end meanwhile, before the run does.
TRIES = 3
# Slices that a worker has at once: while one is on its way, the next is answered.
_AT_ONCE = 2
_LOOK_S = 1.0


@dataclasses.dataclass(frozen=True)
class Request:
    """What a worker is asked. method: of `Node`. text: its JSON. images: that go with it. about: in words. asked: the
    same as the work wants it back.
    """

    method: str
    text: str
    about: str
    asked: Any
    images: Sequence[Pixels] = ()


class Work(abc.ABC):
    """Work that the same workers may do. dealer: deals it. workers: numbers of those that have the devices for it.
    able: of those, the ones that do it. refused: worker -> why it does not.
    """

    def __init__(self, session: Session, dealer: Dealer, workers: Sequence[int]) -> None:
        self.session, self.dealer, self.workers = session, dealer, list(workers)
        self.able: set[int] = set()
        self.refused: dict[int, str] = {}

    @abc.abstractmethod
    def suits(self, resources: Resources) -> bool:
        """True for a worker that has the devices."""

    @abc.abstractmethod
    def misfit(self, ready: Ready) -> str | None:
        """Why a worker's results would be others than those here, in words."""

    @abc.abstractmethod
    def request(self, piece: Slice) -> Request | None:
        """What is asked for a slice; None where nothing of it is left to do."""

    @abc.abstractmethod
    def take(self, worker: Worker, given: Given, content: bytes, took_s: float) -> None:
        """What a worker made of what it was given; raises what went wrong there."""

    @abc.abstractmethod
    def hopeless(self, why: str) -> None:
        """Nobody is left who could go on: raises, or leaves the rest to whoever asked. why: lines, one for a node."""

    def lost(self, given: Given, says: str, worker: Worker) -> None:
        """A worker that ended leaves what it was given; DeviceError where that was a slice's last try."""
        if given.piece.tries + 1 >= TRIES:
            raise DeviceError(
                f"{given.request.about} were given to {TRIES} workers that ended, the last on node {worker.name}: "
                f"{says}. Finished trials are kept: repeat the command, or leave that condition out."
            )
        self.dealer.returned(given.piece)


@dataclasses.dataclass(frozen=True)
class Given:
    """What a job is about. piece: a slice, or what else the work had asked."""

    work: Work
    piece: Any
    request: Request


class Spread:
    """Has works done by a crew."""

    def __init__(self, crew: Crew, session: Session, report: Callable[[str], None]) -> None:
        """report: called whenever something came, with who is at work."""
        self.crew, self.session, self._report = crew, session, report
        self._works: list[Work] = []
        self._slowest = 0.0

    def run(self, works: Sequence[Work]) -> None:
        """Until all of it is done."""
        self._works = list(works)
        for number, known in self.crew.ready.items():
            self._judge(self.crew.cluster.workers[number], known)
        while self.is_waiting or not all(work.dealer.finished for work in works):
            self._welcome()
            self._give_all()
            self._check_hope()
            self.wait()

    def wait(self) -> None:
        """Takes what comes within a moment."""
        for came in self.crew.cluster.wait(_LOOK_S, self._slowest):
            self._take(came)

    def ask(self, worker: Worker, work: Work, piece: Any, request: Request) -> None:
        """Asks one worker for something; `work.take` gets what comes of it."""
        self.crew.cluster.ask(worker, request.method, request.text, request.images, Given(work, piece, request))

    @property
    def is_waiting(self) -> bool:
        """True while a worker has something to do."""
        return any(worker.jobs for worker in self.crew.cluster.workers)

    def _welcome(self) -> None:
        """Nodes that join while the run is at work take part in it."""
        cluster = self.crew.cluster
        for worker in cluster.joined() if cluster.is_due else []:
            for work in self._works:
                if work.suits(worker.resources):
                    work.workers.append(worker.number)

    def _give_all(self) -> None:
        for worker in self.crew.cluster.workers:
            while worker.state == "ready" and len(worker.jobs) < _AT_ONCE and self._give(worker):
                pass

    def _give(self, worker: Worker) -> bool:
        for work in self._works:
            piece = work.dealer.next(worker.number, worker.resources.threads) if worker.number in work.able else None
            if piece is None:
                continue
            request = work.request(piece)
            if request is None:
                work.dealer.answered(worker.number, piece, 0.0)
            else:
                self.ask(worker, work, piece, request)
            return True
        return False

    def _take(self, came: Came) -> None:
        if came.content is None:
            self._lost(came)
        elif came.job is None:
            self._became_ready(came.worker, came.content)
        else:
            self._answered(came.worker, came.job, came.content)
        workers = self.crew.cluster.workers
        self._report(f"on {sum(one.state == 'ready' for one in workers)} of {len(workers)} nodes")

    def _became_ready(self, worker: Worker, content: bytes) -> None:
        try:
            ready = Ready.of(content)
        except SeatrialError as error:
            self._leave_out(worker, str(error))
            return
        self.crew.ready[worker.number] = ready
        self._judge(worker, ready)

    def _judge(self, worker: Worker, ready: Ready) -> None:
        """Which works a worker takes part in."""
        for work in self._works:
            if worker.number not in work.workers or worker.state != "ready":
                continue
            says = work.misfit(ready)
            if says is None:
                work.able.add(worker.number)
                work.refused.pop(worker.number, None)
            else:
                self.refuse(worker, work, says)

    def refuse(self, worker: Worker, work: Work, says: str) -> None:
        """A worker takes no part in that work any more."""
        work.able.discard(worker.number)
        work.refused[worker.number] = says
        self.crew.tell(self.session, f"Node {worker.name} is not asked: {says}.")

    def _leave_out(self, worker: Worker, says: str) -> None:
        self.crew.tell(self.session, f"Node {worker.name} is left out: {says}")
        for work in self._works:
            work.refused[worker.number] = says
        self.crew.cluster.end(worker)

    def _answered(self, worker: Worker, job: Job, content: bytes) -> None:
        given: Given = job.what
        if isinstance(given.piece, Slice):
            self._slowest = max(self._slowest, job.took_s)
        given.work.take(worker, given, content, job.took_s)

    def _lost(self, came: Came) -> None:
        worker = came.worker
        again = "; it is started again" if worker.state == "starting" else ""
        self.session.progress.tell(f"Node {worker.name} ended: {came.says}{again}.")
        self.crew.ready.pop(worker.number, None)
        for work in self._works:
            work.able.discard(worker.number)
            if worker.state == "gone":
                work.refused[worker.number] = came.says
        for job in came.left:
            given: Given = job.what
            given.work.lost(given, came.says, worker)

    def _check_hope(self) -> None:
        workers = self.crew.cluster.workers
        for work in self._works:
            coming = any(workers[number].state == "starting" for number in work.workers)
            if not work.dealer.finished and not work.able and not coming:
                work.hopeless("".join(f"\n    {workers[one].name}: {says}" for one, says in work.refused.items()))

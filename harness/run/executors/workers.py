"""The nodes of a Ray cluster and their workers: started, asked, watched, ended. All that is known of Ray is here."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from seatrial.errors import UnsupportedError
from seatrial.harness.data.source import Pixels
from seatrial.harness.spec.work import AUTO
from seatrial.packages import need
from seatrial.text import printable

INSTALL = "pip install 'seatrial[ray]'"
# A cluster of this machine alone holds little at once: a slice's images.
_STORE_BYTES = 256 << 20
_REACH_S = 10.0
# Between two looks for nodes that have joined.
_LOOK_S = 10.0
# Sockets lie there, whose names have at most 107 bytes.
_SHORT, _PREFIX = "/tmp", "seatrial-ray-"  # noqa: S108
# A worker whose process ends is started again where its node still lives.
_RESTARTS = 1
# A worker that takes so much longer than it should hangs.
_HANGS_S, _HANGS_TIMES = 600.0, 30.0
_MOST_SAYS = 500


@dataclasses.dataclass(frozen=True)
class Resources:
    """What a node or a worker has, as Ray counts it: cores and GPUs."""

    threads: int
    gpus: int

    def shared(self, gpus: int) -> list[Resources]:
        """What each worker of a node gets: one has all cores, and no GPU, unless each needs so many GPUs."""
        count = min(self.gpus // gpus, self.threads) if gpus else 0
        return [Resources(self.threads // count, gpus)] * count if count else [Resources(self.threads, 0)]


@dataclasses.dataclass
class Job:
    """What a worker was asked: `what` is the asker's. took_s: seconds, without its waiting for the one before."""

    what: Any
    ref: Any
    given: float
    took_s: float = 0.0


@dataclasses.dataclass
class Worker:
    """A worker on a node. number: from 0 on. node: Ray's id of it. state: `starting`, `ready` or `gone`. last: when it
    last answered.
    """

    number: int
    node: str
    name: str
    resources: Resources
    actor: Any = None
    starting: Any = None
    state: str = "starting"
    jobs: list[Job] = dataclasses.field(default_factory=list)
    starts: int = 0
    begun: float = 0.0
    last: float = 0.0


@dataclasses.dataclass(frozen=True)
class Came:
    """What came of a worker. job: that it answered, None for its getting ready. content: bytes; None where it ended,
    with the jobs that it leaves.
    """

    worker: Worker
    job: Job | None
    content: bytes | None
    left: tuple[Job, ...] = ()
    says: str = ""


class Cluster:
    """A Ray cluster, connected to; close it."""

    def __init__(self, address: str) -> None:
        """address: HOST:PORT or `auto`, where a cluster runs; "" for one that is started here, with the first workers.
        UnsupportedError where Ray is missing, or nothing answers there.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        with _signals_kept():
            self._ray: ModuleType = need("ray", "--executor ray", INSTALL)
        self._address, self._connected = address, False
        self._folder: str | None = None
        self.workers: list[Worker] = []
        self._order: Callable[[Resources], str] = lambda resources: ""
        self._ready_s, self._gpus, self._looked = _HANGS_S, 0, 0.0
        self._hosts: list[str] = []
        if address:
            self._connect(cores=None)

    def start(self, cores: int, gpus: int, order: Callable[[Resources], str], ready_s: float) -> None:
        """Starts the workers of all nodes, once. cores: of a cluster that is started here. gpus: that a worker needs.
        order: what a worker is to make ready. ready_s: seconds within which it must be.
        """
        if self.workers:
            return
        if not self._connected:
            self._connect(cores)
        self._order, self._ready_s, self._gpus = order, ready_s, gpus
        if not self.joined():
            raise UnsupportedError("The Ray cluster has no node with a core: start some with `ray start --address`.")

    def joined(self) -> list[Worker]:
        """Starts the workers of nodes that are new in the cluster, and tells which."""
        known, before = {worker.node for worker in self.workers}, len(self.workers)
        self._looked = time.monotonic()
        for node in sorted(self._ray.nodes(), key=lambda one: str(one["NodeID"])):
            has = node["Resources"]
            resources = Resources(int(has.get("CPU", 0)), int(has.get("GPU", 0)))
            if node["Alive"] and resources.threads and str(node["NodeID"]) not in known:
                host = printable(str(node["NodeManagerHostname"]))
                for one in resources.shared(self._gpus):
                    self._hosts.append(host)
                    again = self._hosts.count(host)  # a node that comes again is another one
                    name = host if again == 1 else f"{host}#{again}"
                    self.workers.append(Worker(len(self.workers), str(node["NodeID"]), name, one))
        for worker in self.workers[before:]:
            self._begin(worker)
        return self.workers[before:]

    @property
    def is_due(self) -> bool:
        """True where it is time to look for new nodes."""
        return time.monotonic() - self._looked > _LOOK_S

    def ask(self, worker: Worker, method: str, text: str, images: Sequence[Pixels], what: Any) -> None:
        """Asks a worker for what a method of `Node` gives; it comes with `wait`."""
        ref = getattr(worker.actor, method).remote(text, list(images))
        worker.jobs.append(Job(what, ref, time.monotonic()))

    def wait(self, seconds: float, expected_s: float) -> Iterator[Came]:
        """What came meanwhile, of all workers. expected_s: how long a job takes, roughly."""
        refs = {one.starting: (one, None) for one in self.workers if one.state == "starting"}
        refs.update({job.ref: (one, job) for one in self.workers for job in one.jobs})
        if not refs:
            time.sleep(min(seconds, 0.1))
            return
        done, _ = self._ray.wait(list(refs), num_returns=1, timeout=seconds)
        for ref in done:
            worker, job = refs[ref]
            if worker.state == "gone" or (job is not None and job not in worker.jobs):
                continue  # it ended with another of these
            yield self._came(worker, job, ref)
        now = time.monotonic()
        for worker in self.workers:
            late = worker.state == "starting" and now - worker.begun > self._ready_s
            oldest = worker.jobs[0] if worker.jobs else None
            limit = max(_HANGS_S, _HANGS_TIMES * expected_s)
            if late or (oldest is not None and now - max(oldest.given, worker.last) > limit):
                yield self._ended(worker, "was not ready in time" if late else f"did not answer within {limit:.0f} s")

    def end(self, worker: Worker) -> None:
        """Ends a worker that is not needed."""
        worker.state = "gone"
        if worker.actor is not None:
            with contextlib.suppress(Exception):  # it may be gone already
                self._ray.kill(worker.actor, no_restart=True)
            worker.actor = None

    def close(self) -> None:
        """Ends all workers, and a cluster that was started here."""
        for worker in self.workers:
            self.end(worker)
        if self._connected:
            self._connected = False
            with _signals_kept():
                self._ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self, cores: int | None) -> None:
        options: dict[str, Any] = {"address": self._address}
        token: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if cores is not None:
            _sweep()
            self._folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_SHORT)
            options = {
                "address": "local",
                "num_cpus": cores,
                "include_dashboard": False,
                "object_store_memory": _STORE_BYTES,
                "_temp_dir": self._folder,
            }
            token = _own_token()
        elif self._address != AUTO:
            _check_reachable(self._address)
        try:
            with _signals_kept(), token:
                self._ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:
            says = "; ".join(filter(None, map(_first_line, (error, error.__cause__))))
            raise UnsupportedError(
                f"--executor ray:{self._address} cannot be used: {says}. This machine must be a node of the cluster, "
                "with its versions of Python and Ray: `ray status` tells."
                if self._address
                else f"No Ray cluster can be started here: {says}."
            ) from error
        self._connected = True

    def _begin(self, worker: Worker) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from seatrial.harness.run.executors.node import Node

        actor = self._ray.remote(Node).options(
            num_cpus=worker.resources.threads,
            num_gpus=worker.resources.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(worker.node, soft=False),
        )
        worker.actor = actor.remote()
        worker.starting = worker.actor.ready.remote(self._order(worker.resources))
        worker.state, worker.begun = "starting", time.monotonic()
        worker.starts += 1

    def _came(self, worker: Worker, job: Job | None, ref: Any) -> Came:
        try:
            content = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return self._ended(worker, _first_line(error))
        worker.last, before = time.monotonic(), worker.last
        if job is None:
            worker.state = "ready"
        else:
            worker.jobs.remove(job)
            job.took_s = worker.last - max(job.given, before)
        return Came(worker, job, content)

    def _ended(self, worker: Worker, says: str) -> Came:
        left, worker.jobs = tuple(worker.jobs), []
        self.end(worker)
        alive = {str(node["NodeID"]) for node in self._ray.nodes() if node["Alive"]}
        if worker.node in alive and worker.starts <= _RESTARTS:
            self._begin(worker)
        return Came(worker, None, None, left, says)


def _first_line(error: BaseException | None) -> str:
    if error is None:
        return ""
    lines = [line.strip() for line in printable(str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:_MOST_SAYS]


def _sweep() -> None:
    """Removes what clusters of killed processes of this user left behind."""
    import psutil

    for path in Path(_SHORT).glob(f"{_PREFIX}*-*"):
        number = path.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if number.isdigit() and path.lstat().st_uid == os.getuid() and not psutil.pid_exists(int(number)):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _own_token() -> Iterator[None]:
    """Whoever reaches a cluster's ports can run code on it. Ray lets in who knows a token: of a cluster of this process
    alone, nobody else needs it, and it is not written down.
    """
    if any(name.startswith("RAY_AUTH_") for name in os.environ):
        yield
        return
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        yield
    finally:
        del os.environ["RAY_AUTH_TOKEN"]


def _check_reachable(address: str) -> None:
    """UnsupportedError where nothing answers: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as error:
        raise UnsupportedError(
            f"--executor ray:{address}: nothing answers there ({error}). `ray start --head` tells the address."
        ) from error


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes signals for itself; the command's own handlers end its workers, too."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    kept = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in kept.items():
            with contextlib.suppress(ValueError):  # not in the main thread, where Ray could not take them either
                signal.signal(number, handler)

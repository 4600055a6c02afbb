"""Adversarial images made on a machine that helps with a run, as the run itself would make them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.exporters import DeployableModel
from seatrial.harness.attacks.chunks import Job, made, part_of
from seatrial.harness.attacks.ids import SOURCE, AttackId, parse_attack
from seatrial.harness.attacks.store import packed
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.attack.fetching import asked_for, sealed
from seatrial.harness.conditions.kinds.attack.making import (
    Copies,
    chunk_store,
    clean_images,
    job_on_engine,
    job_on_surrogate,
    makers_of,
    surrogate_models,
)
from seatrial.harness.conditions.kinds.attack.surrogates import load_networks
from seatrial.harness.conditions.kinds.protocol import Errand, MisfitError, Network, Session
from seatrial.harness.pipeline import ordered_map
from seatrial.harness.records.differences import differences
from seatrial.harness.spec.attacks import named_surrogate


class Maker:
    """Makes the parts of errands; what it needs for more than one is kept."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._copies = Copies(session.world.spec.attacks.device)
        self._networks: dict[str, Network] | None = None

    def __call__(self, errand: Errand) -> Iterator[bytes]:
        """The chunks, each as `sealed`, in the order of `errand.starts`."""
        world = self._session.world
        job = self._job(parse_attack(errand.condition), errand)
        differing = differences(dict(errand.asked), asked_for(job, Condition(errand.condition)))
        if differing or job.size != errand.size:
            raise MisfitError(f"its adversarial images would be shaped by another {', '.join(differing) or 'size'}")
        clean, store = clean_images(self._session), chunk_store()

        def one(start: int) -> bytes:
            part = part_of(job, world.data.ids, clean, start)
            return sealed(part.key, packed(made(job, part, store), part.clean.pixels))

        workers = makers_of(world) if errand.target is None else world.spec.work.workers
        with contextlib.closing(ordered_map(one, errand.starts, workers=workers)) as found:
            yield from found

    def _job(self, attack: AttackId, errand: Errand) -> Job:
        session = self._session
        if errand.target is not None:
            target = next((one for one in session.alive() if one.id == errand.target), None)
            if target is None:
                raise MisfitError(f"it has no {errand.target}")
            return job_on_engine(session, attack, target)
        model, labels = self._surrogate(str(attack.surrogate), errand.asked)
        source = surrogate_models(session)[SOURCE]
        return job_on_surrogate(session.world, attack, model, labels, source, self._copies)

    def _surrogate(self, name: str, asked: Any) -> tuple[DeployableModel, npt.NDArray[np.int64]]:
        """By its file: which name it has, hangs on the targets that there are."""
        world = self._session.world
        if name in [one for one, _ in map(named_surrogate, world.spec.attacks.surrogates)]:
            if self._networks is None:
                self._networks = load_networks(world)
            return self._networks[name].model, self._networks[name].labels
        digest = asked["description"]["surrogate"]["digest"]
        for target in self._session.alive():
            if target.model.digest == digest:
                return target.model, world.data.labels
        raise MisfitError(f"the file that it made for {name} has other bits")

"""The trials of adversarial images: made first, told of, then answered by the targets like any others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from seatrial.harness.attacks.chunks import Made
from seatrial.harness.conditions import Condition
from seatrial.harness.records.attack_rows import EVERYONE, AttackedBy, write_attack_rows
from seatrial.harness.run.adversarial import found_by_queries, made_on_surrogates, surrogate_models
from seatrial.harness.run.session import Session
from seatrial.harness.run.trials import Pending, run_trials
from seatrial.harness.spec.targets import REFERENCE, Build


def run_attacks(session: Session, pending: Sequence[Pending]) -> None:
    """Runs what is left of the attack conditions, on the targets that are alive.

    Images on a file that could not be made, since its target failed, are left out.
    """
    blackbox = [one for one in pending if one.condition.attack is not None and one.condition.attack.kind.blackbox]
    _transferred(session, [one for one in pending if one not in blackbox])
    for target in session.alive():
        asked = [one.of([target.id]) for one in blackbox if target.id in one.targets]
        if not asked:
            continue
        with session.noting(target.id, "attacks"), _timed(session):
            for condition, made in found_by_queries(session, [one.condition for one in asked], target):
                session.images.replace(condition.id, made.reader)
                _tell(session, target.id, target.build, condition, made)
        if not session.lost(target.id):
            run_trials(session, asked, [target])


def _transferred(session: Session, pending: Sequence[Pending]) -> None:
    if not pending:
        return
    models = surrogate_models(session)
    asked = [one for one in pending if one.condition.attack is not None and one.condition.attack.surrogate in models]
    if not asked:
        return
    with _timed(session):
        for condition, made in made_on_surrogates(session, [one.condition for one in asked], models):
            session.images.replace(condition.id, made.reader)
            _tell(session, EVERYONE, Build(REFERENCE), condition, made)
    run_trials(session, asked, session.alive())


@contextlib.contextmanager
def _timed(session: Session) -> Iterator[None]:
    begin = time.perf_counter()
    try:
        yield
    finally:
        session.directory.add_spent({"attacks": time.perf_counter() - begin})


def _tell(session: Session, target: str, build: Build, condition: Condition, made: Made) -> None:
    about = AttackedBy(condition.id, target, made.keys)
    key = session.plan.images_key(build, condition)
    write_attack_rows(session.directory.attacks, key, about, session.plan.data.ids, made.rows)

"""The trials of adversarial images: made first, told of, then answered by the targets like any others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from seatrial.harness.attacks.chunks import AdversarialSet
from seatrial.harness.attacks.cost import cost
from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.attacks.rows import EVERYONE, AttackedBy, write_attack_rows
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.attack.making import found_by_queries, made_on_surrogates, surrogate_models
from seatrial.harness.conditions.kinds.protocol import Ask, Pending, Session, Target
from seatrial.harness.spec.studies import STUDIES


def run_attacks(session: Session, pending: Sequence[Pending], ask: Ask) -> None:
    """Runs what is left of the attack conditions, on the targets that are alive.

    Images on a file that could not be made, since its target failed, are left out.
    """
    _tell_cost(session, pending)
    blackbox = [one for one in pending if parse_attack(one.condition.id).kind.blackbox]
    _transferred(session, [one for one in pending if one not in blackbox], ask)
    for target in session.alive():
        asked = [one.of([target.id]) for one in blackbox if target.id in one.targets]
        if not asked:
            continue
        with session.noting(target.id, "attacks"), _timed(session):
            for condition, made in found_by_queries(session, [one.condition for one in asked], target):
                _file(session, condition, target, made)
        if not session.lost(target.id):
            ask(asked)


def _tell_cost(session: Session, pending: Sequence[Pending]) -> None:
    """Where a suite that repeats a study has dear attacks left."""
    options = session.world.spec.attacks
    found = cost(
        [parse_attack(one.condition.id) for one in pending], options.restarts, options.queries, len(session.alive())
    )
    if found.ensembles and session.world.spec.conditions.suite in STUDIES:
        session.progress.tell(found.told(len(session.world.data)))


def _transferred(session: Session, pending: Sequence[Pending], ask: Ask) -> None:
    if not pending:
        return
    models = surrogate_models(session)
    asked = [one for one in pending if parse_attack(one.condition.id).surrogate in models]
    if not asked:
        return
    with _timed(session):
        for condition, made in made_on_surrogates(session, [one.condition for one in asked], models):
            _file(session, condition, None, made)
    ask(asked)


@contextlib.contextmanager
def _timed(session: Session) -> Iterator[None]:
    begin = time.perf_counter()
    try:
        yield
    finally:
        session.directory.add_spent({"attacks": time.perf_counter() - begin})


def _file(session: Session, condition: Condition, target: Target | None, made: AdversarialSet) -> None:
    """target: that was asked for the images; None where they are the same for all."""
    session.images.replace(condition.id, made.reader)
    about = AttackedBy(condition.id, EVERYONE if target is None else target.id, made.keys)
    key = session.key(condition.id, None if target is None else target.build)
    write_attack_rows(session.directory.root, key, about, session.world.data.ids, made.rows)

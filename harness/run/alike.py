"""The same questions to what was built: a runtime may fuse or quantize what the graph keeps apart."""

from __future__ import annotations

from typing import Any

from seatrial.exporters import DeployableModel
from seatrial.exporters.randomness import random_nodes
from seatrial.harness.alike import words
from seatrial.harness.alike.answers import IMAGES, LIMIT, Answers, compare_answers
from seatrial.harness.alike.settle import mixing_words
from seatrial.harness.run.session import Session


def ask_targets(session: Session) -> dict[str, dict[str, Any]]:
    """Build id -> `passed`, `share` (the largest difference of a score, of the largest one), `limit`, `says` and
    `measured`, JSON values. What did not pass is told at once; targets that fail meanwhile are missing.
    """
    reader, targets = session.first_images(), session.alive()
    pixels = reader.read(0, min(IMAGES, len(reader)))
    size, count = session.plan.spec.work.batch_size, len(session.plan.data.ids)
    sizes = {min(size, count), count % size} - {0}
    found: dict[str, dict[str, Any]] = {}
    with session.progress.stage("Asking twice", len(targets), "engines") as update:
        for done, target in enumerate(targets):
            update(done, target.id)
            with session.noting(target.id, "trials"):
                answers = compare_answers(
                    target.engine.infer,
                    pixels,
                    target.model.contract,
                    batch=target.model.fixed_batch,
                    precision=target.build.target.precision,
                    draws=bool(random_nodes(target.model.proto)),
                    sizes=sizes,
                )
                found[target.id] = _judged(target.model, answers)
        update(len(targets))
    for name, record in found.items():
        if not record["passed"]:
            session.progress.tell(f"{name}: {record['says']}.")
    return found


def _judged(model: DeployableModel, answers: Answers) -> dict[str, Any]:
    random = list(map(str, random_nodes(model.proto)))
    mixing = () if answers.still else mixing_words(model)
    if answers.changes(bool(random)):
        return _record(answers, answers.again.share, words.target_changes(answers, random or words.stateful(mixing)))
    if answers.spoilt:
        return _record(answers, answers.mixed.share, words.target_spoils(answers))
    if answers.mixes(bool(mixing)):
        return _record(answers, answers.mixed.share, words.target_mixes(answers, mixing))
    return _record(answers, answers.mixed.share, words.same(model.fixed_batch), passed=True)


def _record(answers: Answers, share: float, says: str, *, passed: bool = False) -> dict[str, Any]:
    return {"passed": passed, "share": share, "limit": LIMIT, "says": says, "measured": answers.to_dict()}

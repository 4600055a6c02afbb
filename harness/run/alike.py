"""The same questions to what was built: a runtime may fuse or quantize what the graph keeps apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.exporters import DeployableModel
from seatrial.exporters.randomness import random_nodes
from seatrial.harness.alike import words
from seatrial.harness.alike.answers import IMAGES, LIMIT, Answers, compare_answers
from seatrial.harness.alike.settle import mixing_words
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.run.engines import BuiltTarget


def ask_targets(
    targets: Sequence[BuiltTarget], reader: ImageReader, progress: Progress
) -> tuple[dict[str, dict[str, Any]], list[Failure]]:
    """Build id -> `passed`, `share` (the largest difference of a score, of the largest one), `limit`, `says` and
    `measured`, JSON values; and the targets that failed meanwhile. What did not pass is told at once.
    """
    pixels = reader.read(0, min(IMAGES, len(reader)))
    found: dict[str, dict[str, Any]] = {}
    failures: list[Failure] = []
    with progress.stage("Asking twice", len(targets), "engines") as update:
        for done, target in enumerate(targets):
            update(done, target.id)
            try:
                answers = compare_answers(
                    target.engine.infer,
                    pixels,
                    target.model.contract,
                    batch=target.model.fixed_batch,
                    precision=target.build.target.precision,
                    draws=bool(random_nodes(target.model.proto)),
                )
            except TARGET_ERRORS as error:
                failures.append(failure(target.id, "trials", error))
            else:
                found[target.id] = _judged(target.model, answers)
        update(len(targets))
    for name, record in found.items():
        if not record["passed"]:
            progress.tell(f"{name}: {record['says']}.")
    return found, failures


def _judged(model: DeployableModel, answers: Answers) -> dict[str, Any]:
    random = list(map(str, random_nodes(model.proto)))
    mixing = () if answers.still else mixing_words(model)
    if answers.changes(bool(random)):
        return _record(answers, answers.again.share, words.target_changes(answers, random or words.stateful(mixing)))
    if answers.mixes(bool(mixing)):
        return _record(answers, answers.mixed.share, words.target_mixes(answers, mixing))
    return _record(answers, answers.mixed.share, words.same(model.fixed_batch), passed=True)


def _record(answers: Answers, share: float, says: str, *, passed: bool = False) -> dict[str, Any]:
    return {"passed": passed, "share": share, "limit": LIMIT, "says": says, "measured": answers.to_dict()}

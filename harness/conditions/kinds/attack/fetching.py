"""Adversarial images that other machines make for a run: asked for, checked, and put where its own would lie."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from typing import Any

from seatrial.errors import BadInputError
from seatrial.harness.attacks.chunks import Job, part_of
from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.attacks.store import ChunkStore, unpacked
from seatrial.harness.attacks.within import check_in_ball
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.kinds.protocol import Errand, MisfitError, Session
from seatrial.harness.pipeline import ImageReader, ordered_map

# A chunk's key, in hexadecimal digits, goes in front of it.
_KEY_LENGTH = 64


def fetch(
    session: Session,
    stage: str,
    conditions: Sequence[Condition],
    jobs: Sequence[Job],
    target: str | None,
    clean: ImageReader,
    store: ChunkStore,
) -> None:
    """Has those chunks made elsewhere that the store lacks. Some may still be missing in the end.

    stage: what this is called. jobs: of the conditions. target: id of the build that is asked for the images, None
    where gradients lead.
    """
    assert session.elsewhere is not None
    ids, workers = session.world.data.ids, session.world.spec.work.workers
    numbers = {condition.id: number for number, condition in enumerate(conditions)}
    missing: list[list[int]] = [[] for _ in jobs]
    lock, done = threading.Lock(), 0

    def look(task: tuple[int, int]) -> tuple[int, int, int, bool]:
        number, start = task
        part = part_of(jobs[number], ids, clean, start)
        return number, start, len(part.clean.ids), store.read(part.key, part.clean.pixels) is not None

    def take(errand: Errand, start: int, content: bytes) -> None:
        nonlocal done
        number = numbers[errand.condition]
        part, (key, stored) = part_of(jobs[number], ids, clean, start), opened(content)
        if key != part.key:
            raise MisfitError("it would make other images of them, which the clean ones there shape")
        try:
            chunk = unpacked(stored, part.clean.pixels)
            check_in_ball(chunk.images, part.clean.pixels, parse_attack(errand.condition))
        except ValueError as error:
            raise BadInputError(f"Another machine sent no images of {errand.condition}: {error}.") from error
        store.write(key, stored)
        with lock:
            done += len(part.clean.ids)
            update(done, f"{number + 1}/{len(jobs)} {errand.condition}")

    tasks = ((number, start) for number, job in enumerate(jobs) for start in range(0, len(ids), job.size))
    with session.progress.stage(f"{stage}, elsewhere", len(ids) * len(jobs)) as update:
        update(0)
        with contextlib.closing(ordered_map(look, tasks, workers=workers)) as looked:
            for number, start, count, known in looked:
                if known:
                    done += count
                else:
                    missing[number].append(start)
        session.elsewhere(
            [
                Errand(condition.id, target, asked_for(job, condition), job.size, tuple(starts))
                for condition, job, starts in zip(conditions, jobs, missing, strict=True)
            ],
            take,
        )


def asked_for(job: Job, condition: Condition) -> dict[str, Any]:
    """What an errand says of its job."""
    return {"surrogate": parse_attack(condition.id).surrogate, "description": json.loads(json.dumps(job.description))}


def sealed(key: str, packed: bytes) -> bytes:
    """A chunk on its way."""
    return key.encode() + packed


def opened(content: bytes) -> tuple[str, bytes]:
    """The inverse; the key is whatever stands in its place."""
    return content[:_KEY_LENGTH].decode(errors="replace"), content[_KEY_LENGTH:]

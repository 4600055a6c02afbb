"""Images found by asking a built engine, as they are stored."""

from __future__ import annotations

import numpy as np

from seatrial.harness.attacks import hopskipjump, square  # noqa: F401  (they register themselves)
from seatrial.harness.attacks.chunks import CleanChunk, MakeChunk, with_distance
from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.eightbit import check_within
from seatrial.harness.attacks.ids import AttackId
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Oracle, Search
from seatrial.harness.attacks.store import Chunk


def on_engine(attack: AttackId, oracle: Oracle, budget: int, seed: int) -> MakeChunk:
    """What finds a chunk of `attack`'s images by asking `oracle` about at most `budget` images for each."""

    def found(part: CleanChunk) -> Chunk:
        search = Search(
            oracle,
            part.pixels,
            part.labels,
            attack.radius * 255,
            Draws(seed, part.ids, str(attack)),
            budget,
        )
        result = BLACK_BOX_ATTACKS[attack.name](search)
        check_within(result.images, part.pixels, attack.kind.norm, attack.radius)
        return with_distance(
            result.images,
            part.pixels,
            attack.kind.norm,
            clean_correct=oracle(part.pixels).argmax(1) == part.labels,
            correct=oracle(result.images).argmax(1) == part.labels,
            zero_gradient=np.zeros(len(part.pixels), np.bool_),
            queries=result.queries,
        )

    return found

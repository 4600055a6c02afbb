"""The seeded, class-balanced order of a data set, of which `--limit N` takes the first N."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.errors import BadInputError


def balanced_order(ids: Sequence[str], labels: npt.NDArray[np.int64], seed: int) -> tuple[int, ...]:
    """All indices, one image of every class in turn, so that any first N are balanced to within one per class.

    Within a class, and among the classes, the order is that of a hash of seed and id: it depends on neither the
    order in which images are found nor on the number taken. A class that runs out is passed over. BadInputError for an
    id that cannot be written down.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(labels.tolist()):
        groups[label].append(index)
    rounds: dict[int, int] = {}
    for members in groups.values():
        members.sort(key=lambda index: _rank(seed, ids[index]))
        rounds.update((index, turn) for turn, index in enumerate(members))
    class_rank = {label: _rank(seed, f"class {label}") for label in groups}
    return tuple(sorted(rounds, key=lambda index: (rounds[index], class_rank[int(labels[index])])))


def _rank(seed: int, text: str) -> bytes:
    try:
        words = text.encode()
    except UnicodeEncodeError as error:
        raise BadInputError(f"The image {text!r} has a name that is not UTF-8. Rename it.") from error
    return hashlib.blake2b(words, key=str(seed).encode(), digest_size=16).digest()

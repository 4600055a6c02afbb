"""What queries ask with, and what the engine answers to that when nobody counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.timing.answers import SAME, Logits, spread
from seatrial.engines.timing.fresh import Freshener

Array = npt.NDArray[Any]
Infer = Callable[[Any], Logits]


@dataclasses.dataclass(frozen=True)
class Samples:
    """inputs: [S, ...]. expected: float32 [S, classes], the engine's own answers. unsteady: bool [S], where it gave
    another answer the second time. freshener: of these inputs, for as long as the process lives.
    """

    inputs: Array
    expected: Logits
    unsteady: npt.NDArray[np.bool_]
    freshener: Freshener


def samples_of(infer: Infer, queries: Sequence[Array]) -> Samples:
    """Asks every query, [1, ...], twice: where it lies, in their order, and from one buffer, backwards but for one.

    No query follows the same one both times, and what lies at one address is another one each time: an answer of the
    query before, or one that was kept by its address, is another one the second time. ValueError for no queries.
    """
    if not queries or len({(query.shape, query.dtype) for query in queries}) != 1 or len(queries[0]) != 1:
        raise ValueError("Queries are samples of one shape and type, [1, ...] each, at least one.")
    first = np.concatenate([np.array(infer(query), np.float32) for query in queries])
    buffer, second = np.empty_like(queries[0]), np.empty_like(first)
    last = len(queries) - 1
    for index in [*range(last - 1, -1, -1), last]:
        buffer[...] = queries[index]
        second[index] = infer(buffer)[0]
    inputs = np.concatenate(queries)
    unsteady = ~(np.abs(first - second).max(axis=1) <= SAME * spread(first))
    return Samples(inputs, first, unsteady, Freshener(inputs))

"""Single-stream latency: one query at a time, configurations in turn. Knows callables and inputs, nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# trtexec's warm-up; and the samples that bound p99 with 99 % confidence when one query may exceed it (MLPerf's
# early stopping: 662).
WARMUP_S = 0.2
SAMPLES = 662
# Configurations take turns in blocks, so that drift of the clock frequency or of the machine's load meets all alike,
# while caches stay warm within a block.
BLOCK = 32
MAX_S = 60.0

Query = Callable[[Any], object]


def single_stream(
    queries: Mapping[str, Query],
    inputs: Mapping[str, Sequence[Any]],
    *,
    samples: int = SAMPLES,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, npt.NDArray[np.int64]]:
    """Times every query over its `inputs`, round and round: name -> int64 [samples] nanoseconds of wall time.

    A block is BLOCK calls of one configuration; the blocks go A B A B. Stops early, with what it has, after MAX_S
    seconds for each configuration on average. progress: called with the samples taken so far, of all configurations.
    """
    for name, query in queries.items():
        begin = time.perf_counter()
        query(inputs[name][0])
        while time.perf_counter() - begin < WARMUP_S:
            query(inputs[name][0])
    taken: dict[str, list[int]] = {name: [] for name in queries}
    deadline = time.perf_counter() + MAX_S * len(queries)
    for start in range(0, samples, BLOCK):
        if start and time.perf_counter() > deadline:
            break
        for name, query in queries.items():
            own = inputs[name]
            query(own[start % len(own)])  # what ran before in this turn left its data in the caches
            for index in range(start, min(start + BLOCK, samples)):
                image = own[index % len(own)]
                begin_ns = time.perf_counter_ns()
                query(image)
                taken[name].append(time.perf_counter_ns() - begin_ns)
        progress(sum(map(len, taken.values())))
    return {name: np.array(values, np.int64) for name, values in taken.items()}

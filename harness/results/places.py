"""The same question at several places: to which images two of them give different answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.kinds.protocol import Finished
from seatrial.harness.metrics.agreement import pairs
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.spec.targets import TargetSpec

# Of one condition, so many images are named.
NAMED = 1000
_RIGHT = ("first_right", "second_right", "both_wrong")
Asked = tuple[TargetSpec, TargetSpec]


def pairs_of_places(targets: Sequence[TargetSpec]) -> list[Asked]:
    """Every two targets of one file's precision at different places: of one engine, or of two where neither engine is
    elsewhere.

    >>> here, there = TargetSpec("onnxruntime", "int8"), TargetSpec("onnxruntime", "int8", board="pi5")
    >>> nano = TargetSpec("tensorrt", "int8", "cuda", board="nano")
    >>> [(one.id, other.id) for one, other in pairs_of_places([here, there, nano])]
    [('onnxruntime/int8@cpu', 'onnxruntime/int8@pi5/cpu')]
    """

    def alike(one: TargetSpec, other: TargetSpec) -> bool:
        return elsewhere(one, other) and one.engine == other.engine

    def elsewhere(one: TargetSpec, other: TargetSpec) -> bool:
        return one.board != other.board and (one.precision, one.variant) == (other.precision, other.variant)

    alone = {target for target in targets if not any(alike(target, other) for other in targets)}
    return [
        (one, other)
        for one, other in itertools.combinations(targets, 2)
        if alike(one, other) or (elsewhere(one, other) and {one, other} <= alone)
    ]


def between_places(finished: Finished, digests: Mapping[str, str]) -> list[dict[str, Any]]:
    """JSON values, for each pair: `first`, `second`, `same_engine`, `same_file`, `images` and `differing` over all
    conditions, and `conditions`: of each how many images got different classes, and who is right there, null where
    nobody knows. digests: of the files that targets run.
    """
    found = []
    for one, other in pairs_of_places(finished.targets):
        conditions = {name: _counted(*rows) for name, *rows in _answered(finished, one, other)}
        found.append(
            {
                "first": one.id,
                "second": other.id,
                "same_engine": one.engine == other.engine,
                "same_file": digests[one.id] == digests[other.id],
                "images": sum(counts["images"] for counts in conditions.values()),
                "differing": sum(counts["differing"] for counts in conditions.values()),
                "conditions": conditions,
            }
        )
    return found


def differing_images(finished: Finished, ids: Sequence[str]) -> list[dict[str, Any]]:
    """JSON values, for each pair: `first`, `second`, and `conditions`: of each that has any `differing`, and the first
    NAMED of these `images`: id, label (-1 where nobody knows it) and the two classes.
    """
    found = []
    for one, other in pairs_of_places(finished.targets):
        conditions = {}
        for name, first, second in _answered(finished, one, other):
            where = np.flatnonzero(first.top1 != second.top1)
            if len(where):
                conditions[name] = {
                    "differing": len(where),
                    "images": [
                        [ids[image], int(first.label[image]), int(first.top1[image]), int(second.top1[image])]
                        for image in where[:NAMED].tolist()
                    ],
                }
        found.append({"first": one.id, "second": other.id, "conditions": conditions})
    return found


def _answered(finished: Finished, one: TargetSpec, other: TargetSpec) -> Iterator[tuple[str, Predictions, Predictions]]:
    first, second = finished.answers[one.id], finished.answers[other.id]
    for name in first:
        if name in second:
            yield name, first[name], second[name]


def _counted(first: Predictions, second: Predictions) -> dict[str, Any]:
    top1: dict[str, npt.NDArray[np.int32]] = {"first": first.top1, "second": second.top1}
    (pair,) = pairs(top1, first.label)
    right = {name: getattr(pair, name) if first.labelled else None for name in _RIGHT}
    return {"images": pair.images, "differing": pair.differing, **right}

"""What nodes of a cluster are told, and answer."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import mutators
from fuzz.readers.table import reader, values


def _asked_of_node() -> Any:
    from seatrial.harness.conditions import Condition
    from seatrial.harness.conditions.kinds.protocol import Pending
    from seatrial.harness.run.executors.messages import Asked

    return Asked((Pending(Condition("clean"), ("onnxruntime/fp32@cpu", "onnxruntime/int8@cpu")),), 0, 4)


def _answers_of_node(root: Path) -> list[bytes]:
    from seatrial.errors import EngineDiedError
    from seatrial.harness.records.predictions import rows_of
    from seatrial.harness.run.executors.messages import packed, told

    scores = np.random.default_rng(0).standard_normal((4, 10), np.float32)
    asked = _asked_of_node()
    rows = dict.fromkeys(asked.keys, rows_of(scores, np.arange(4)))
    head = {"failures": [], "conditions_s": 0.5, "engines_s": 0.5}
    return [packed(asked.keys, rows, head), json.dumps(told(EngineDiedError("it hung", "hung"))).encode()]


@reader("answer of a node", _answers_of_node, mutators=mutators.ZIP, weight=20, may_be_refused=True)
def _answer_of_node(path: Path) -> None:
    from seatrial.harness.run.executors.messages import FaultError, unpacked

    with contextlib.suppress(FaultError):  # a fault of ours there, told here
        unpacked(path.read_bytes(), _asked_of_node(), np.arange(4), 10)


def _readiness(root: Path) -> list[bytes]:
    from seatrial.harness.records.failures import Failure
    from seatrial.harness.run.executors.messages import Ready

    targets = {"onnxruntime/int8@cpu": {"processor": {"machine": "x86_64", "features": ["avx2"]}}}
    lost = (Failure("onnxruntime/int8@cpu", "build", "refused", "no"),)
    return [
        Ready("n", {}, {"seed": 0}, targets, {"clean": {"id": "clean"}}, {}, failures).to_bytes()
        for failures in ((), lost)
    ]


@reader("readiness of a node", _readiness, mutators=mutators.JSON)
def _readiness_of_node(path: Path) -> None:
    from seatrial.harness.plan.keys import Identity
    from seatrial.harness.run.executors.fitting import misfits
    from seatrial.harness.run.executors.messages import FaultError, Ready

    target = "onnxruntime/int8@cpu"
    processor = {"machine": "x86_64", "features": ["avx2", "fma"]}
    identity = Identity({"seed": 0}, {target: {"processor": processor}}, {"clean": {"id": "clean"}})
    with contextlib.suppress(FaultError):
        misfits(Ready.of(path.read_bytes()), identity, ["clean"], {target: "0" * 64})


@reader(
    "order for a node",
    values({"schema": 1, "spec": {}, "builds": [], "digests": {}, "threads": 1}),
    mutators=mutators.JSON,
)
def _order_for_node(path: Path) -> None:
    from seatrial.harness.run.executors.messages import Order

    Order.of(path.read_text(errors="replace"))


def _errand() -> Any:
    from seatrial.harness.conditions.kinds.protocol import Errand

    return Errand("attack/fgsm-linf@8", None, {"description": {}}, 4, (0, 4))


def _parts(root: Path) -> list[bytes]:
    from seatrial.harness.conditions.kinds.attack.fetching import sealed
    from seatrial.harness.conditions.kinds.protocol import MisfitError
    from seatrial.harness.run.executors.messages import packed_parts, told

    parts = [sealed("0" * 64, b"of one"), sealed("1" * 64, b"of another")]
    return [packed_parts(parts), json.dumps(told(MisfitError("another torch"))).encode()]


@reader("parts of a node", _parts, mutators=mutators.ZIP, weight=10, may_be_refused=True)
def _parts_of_node(path: Path) -> None:
    from seatrial.harness.conditions.kinds.attack.fetching import opened
    from seatrial.harness.conditions.kinds.protocol import MisfitError
    from seatrial.harness.run.executors.messages import FaultError, unpacked_parts

    with contextlib.suppress(FaultError, MisfitError):
        for part in unpacked_parts(path.read_bytes(), _errand(), 1 << 16):
            opened(part)


@reader(
    "errand for a node",
    values({"condition": "attack/fgsm-linf@8", "target": None, "asked": {}, "size": 4, "starts": [0, 4]}),
    mutators=mutators.JSON,
)
def _errand_for_node(path: Path) -> None:
    from seatrial.harness.run.executors.messages import errand_of

    errand_of(path.read_text(errors="replace"))

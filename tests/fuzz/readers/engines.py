"""What an engine's process says of itself: its hello, and the evidence of what it executes."""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path
from typing import Any

from fuzz import mutators
from fuzz.readers.table import reader
from fuzz.readers.wire import Kept, channel, framed_json, wire_errors


def _hello_samples(root: Path) -> list[bytes]:
    from seatrial.engines.places.hello import send_hello

    kept = Kept()
    send_hello(kept, devices=["cpu"])  # type: ignore[arg-type]
    return [kept.content]


@reader("hello", _hello_samples, mutators=(*mutators.BYTES, *([framed_json] * 10)), allowed=wire_errors(), weight=15)
def _read_hello(path: Path) -> None:
    from seatrial.engines.places.hello import receive_hello

    with channel(path) as one:
        receive_hello(one, "a board")


@functools.cache
def _evidence(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The request of the small model, and part -> what ONNX Runtime's process tells of it."""
    from conftest import make_model

    from seatrial.engines import BuildRequest
    from seatrial.engines.registry import ENGINES

    request = BuildRequest(make_model(folder / "evidence.onnx").read_bytes(), "input", "logits", (3, 16, 16), 4)
    with ENGINES["onnxruntime"](request) as engine:
        return request, {part: engine.evidence(part) for part in ("executed", "written")}


def _evidence_samples(root: Path) -> list[bytes]:
    return [json.dumps({part: fields for part, (fields, _) in _evidence(root)[1].items()}).encode()]


@reader("evidence of an engine", _evidence_samples, mutators=mutators.JSON, allowed=(), suffix=".json")
def _read_evidence(path: Path) -> None:
    from seatrial.engines.places.answers import judged

    request, parts = _evidence(path.parent.parent)
    with contextlib.suppress(ValueError, RecursionError):  # the wire refuses it, as its own row shows
        fields = json.loads(path.read_bytes())
        if isinstance(fields, dict):
            judged("onnxruntime", request, lambda part: (fields.get(part, {}), parts[part][1]))

"""A build request as JSON, and back; the graph's bytes travel beside it, or were brought to the place before."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seatrial.engines.base import BuildRequest
from seatrial.engines.build_cache import keep_within
from seatrial.engines.builder_options import BuilderOptions
from seatrial.engines.places.contents import named_content
from seatrial.engines.places.wire import Array, Message

# Of a board: where its built engines are kept, and how many bytes of them.
ENGINES_VARIABLE = "SEATRIAL_ENGINES"
ENGINES_BYTES_VARIABLE = "SEATRIAL_ENGINES_BYTES"
_ENGINES_BYTES = 4 << 30


def request_fields(request: BuildRequest) -> dict[str, Any]:
    """All but `onnx_bytes`, as JSON values."""
    fields = {
        field.name: getattr(request, field.name)
        for field in dataclasses.fields(request)
        if field.name not in ("onnx_bytes", "builder", "cache")
    }
    return {
        **fields,
        "builder": dataclasses.asdict(request.builder),
        "cache": None if request.cache is None else str(request.cache),
    }


def request_of(fields: dict[str, Any], onnx_bytes: bytes) -> BuildRequest:
    """What `request_fields` took apart."""
    rest = dict(fields)
    builder, cache, shape = rest.pop("builder"), rest.pop("cache"), rest.pop("input_shape")
    return BuildRequest(
        onnx_bytes=onnx_bytes,
        input_shape=tuple(shape),
        builder=BuilderOptions(**builder),
        cache=None if cache is None else Path(cache),
        **rest,
    )


def given_content(message: Message, arrays: Sequence[Array]) -> bytes:
    """The graph of a message: what it names, else the last array beside it."""
    named = message["graph"]
    return arrays[-1].tobytes() if named is None else named_content(named)


@contextlib.contextmanager
def request_here(message: Message, arrays: Sequence[Array]) -> Iterator[BuildRequest]:
    """The request of a message, where it is built. A board has a folder of its own for what it builds, which is kept
    within bounds.
    """
    request = request_of(message["request"], given_content(message, arrays))
    own = os.environ.get(ENGINES_VARIABLE)
    if own is None or request.cache is None:
        yield request
        return
    folder = Path(own)
    yield dataclasses.replace(request, cache=folder)
    keep_within(folder, int(os.environ.get(ENGINES_BYTES_VARIABLE, _ENGINES_BYTES)))

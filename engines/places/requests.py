"""A build request as JSON, and back; the graph's bytes travel beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from seatrial.engines.base import BuildRequest
from seatrial.engines.builder_options import BuilderOptions


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

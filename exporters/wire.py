"""How much an ONNX file grows when it is parsed, read off its bytes beforehand.

Two bytes of a file can become 170 in memory (an empty node), and a kilobyte can claim nothing worse than itself: what
is bounded here is the number of fields and of packed numbers, by a walk over protobuf's wire format that allocates
nothing.
"""

from __future__ import annotations

import functools
import mmap
from collections.abc import Mapping
from typing import Any

import onnx

# A network of 20,000 nodes has about 500,000 fields.
MAX_FIELDS = 2_000_000
# Packed integers take one byte or more in the file and eight in memory.
MAX_PACKED_BYTES = 2**29
_MAX_DEPTH = 100  # protobuf's own
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PACKED = "packed"


def growth_error(raw: bytes | mmap.mmap) -> str | None:
    """What makes these bytes unreasonable as an ONNX model; None where nothing does, or they are no protobuf at all.

    A file that is cut short or malformed is left to the parser, which says so better.
    """
    fields = packed = 0
    messages: list[tuple[int, Mapping[int, Any]]] = [(len(raw), _layout(onnx.ModelProto.DESCRIPTOR))]
    position = 0
    while messages:
        end, layout = messages[-1]
        if position >= end:
            messages.pop()
            continue
        fields += 1
        if fields > MAX_FIELDS:
            return f"it has more than {MAX_FIELDS} fields"
        tag, position = _varint(raw, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _varint(raw, position)
        elif kind == _FIXED64:
            position += 8
        elif kind == _FIXED32:
            position += 4
        elif kind == _BYTES:
            length, position = _varint(raw, position)
            if position + length > end:
                return None
            inner = layout.get(tag >> 3)
            if inner is None:
                position += length
            elif inner == _PACKED:
                packed += length
                if packed > MAX_PACKED_BYTES:
                    return f"it packs more than {MAX_PACKED_BYTES} bytes of integers"
                position += length
            elif len(messages) == _MAX_DEPTH:
                return f"it nests messages more than {_MAX_DEPTH} deep"
            else:
                messages.append((position + length, inner))
        else:
            return "it is no protobuf that ONNX knows"
    return None


def _varint(raw: bytes | mmap.mmap, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(raw):
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            break
    return value, position


@functools.cache
def _layout(descriptor: Any) -> Mapping[int, Any]:
    """Field number -> the layout of its message, or that it packs varints; other fields are left out."""
    layout: dict[int, Any] = {}
    _LAYOUTS[descriptor.full_name] = layout
    for field in descriptor.fields:
        if field.message_type is not None:
            known = _LAYOUTS.get(field.message_type.full_name)
            layout[field.number] = _layout(field.message_type) if known is None else known
        elif field.type in (field.TYPE_INT32, field.TYPE_INT64, field.TYPE_UINT64) and field.has_options:
            layout[field.number] = _PACKED
    return layout


_LAYOUTS: dict[str, dict[int, Any]] = {}

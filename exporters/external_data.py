"""Weights that lie in other files: read from the model's own folder, and from nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import NoReturn

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError
from seatrial.exporters.graphs import all_tensors
from seatrial.exporters.tensors import byte_count, type_name

_MAX_BYTES = 2**31 - 1
_SAVE_AS_ONE = (
    "Save it as one file where it was made: onnx.save_model(onnx.load(path), out, save_as_external_data=False)."
)


def embed_external_data(model: onnx.ModelProto, path: Path) -> None:
    """Replaces, in place, every tensor that points to another file by its values, so that the model is whole.

    A tensor may name a regular file by a relative path below the folder of `path`, with no link in it; its offset and
    length must lie inside the file and be what its shape and type take. All together may take 2 GiB, protobuf's limit.
    Raises BadInputError that names the tensor otherwise.
    """
    elsewhere = [
        (name, tensor)
        for name, tensor in all_tensors(model)
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data
    ]
    sizes = [_claimed_bytes(tensor, name, path) for name, tensor in elsewhere]
    if model.ByteSize() + sum(sizes) > _MAX_BYTES:
        raise BadInputError(
            f"{path} is above 2 GiB with the weights in its other files, which is more than one ONNX graph can hold."
        )
    for (name, tensor), size in zip(elsewhere, sizes, strict=True):
        raw = _read(tensor, name, path, size)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = raw


def _claimed_bytes(tensor: onnx.TensorProto, name: str, path: Path) -> int:
    size = byte_count(tensor.data_type, tensor.dims)
    if size is None or min(tensor.dims, default=0) < 0:
        _refuse(path, name, f"has the shape {list(tensor.dims)} and type {type_name(tensor.data_type)}")
    if tensor.HasField("raw_data") or any(
        len(getattr(tensor, f"{kind}_data")) for kind in ("float", "int32", "int64", "double", "uint64", "string")
    ):
        _refuse(path, name, "has values here and in another file")
    return size


def _read(tensor: onnx.TensorProto, name: str, path: Path, size: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if not all(isinstance(word, str) for entry in entries.items() for word in entry):
        _refuse(path, name, "lies where its name is no text")  # protobuf gives bytes then
    location = entries.get("location", "")
    offset, length = _number(entries, "offset", 0, name, path), _number(entries, "length", size, name, path)
    if length != size:
        _refuse(path, name, f"takes {size} bytes by its shape and {length} by its length in {location!r}")
    parts = PurePosixPath(location).parts
    if not parts or location.startswith("/") or ".." in parts or "\\" in location or "\0" in location:
        _refuse(path, name, f"lies in {location!r}, which is outside the model's folder")
    try:
        descriptor = _open_below(path.parent, parts)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            _refuse(path, name, f"lies in {location!r}, which is no regular file")
        with os.fdopen(descriptor, "rb") as stream:
            if offset + size > status.st_size:
                needs = f"needs bytes {offset} to {offset + size} of {location!r}"
                _refuse(path, name, f"{needs}, which has {status.st_size}")
            stream.seek(offset)
            raw = stream.read(size)
    except OSError as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be opened ({error.strerror})"
        advice = "Keep the file beside the model, under the same name; no link may lead there"
        _refuse(path, name, f"lies in {location!r}, which {reason}. {advice}")
    if len(raw) != size:
        _refuse(path, name, f"ends early in {location!r}")
    return raw


def _open_below(folder: Path, parts: tuple[str, ...]) -> int:
    """Opens a file below a folder without following a link anywhere, and without waiting for a pipe."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    current = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        try:
            below = os.open(part, flags if last else flags | os.O_DIRECTORY, dir_fd=current)
        finally:
            os.close(current)
        current = below
    return current


def _number(entries: dict[str, str], key: str, default: int, name: str, path: Path) -> int:
    text = entries.get(key)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        _refuse(path, name, f"has the {key} {text[:40]!r}")
    return int(text)


def _refuse(path: Path, name: str, what: str) -> NoReturn:
    raise BadInputError(f"{path}: the weight {name!r} {what}. {_SAVE_AS_ONE}")

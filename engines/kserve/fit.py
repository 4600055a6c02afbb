"""Whether a served model takes what the user's model takes, and gives what it gives."""

from __future__ import annotations

import dataclasses
import math

from seatrial.engines.base import BuildRequest
from seatrial.engines.kserve.described import Described, Tensor
from seatrial.errors import UnsupportedError

# The protocol's words for what a contract may be written in, and for scores with their types in memory.
INPUTS = {"float32": "FP32", "float16": "FP16", "uint8": "UINT8"}
SCORES = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
# Of one query: what stands before a server often takes no more.
_MOST_BYTES = 16 << 20


@dataclasses.dataclass(frozen=True)
class Fit:
    """How it is asked. output: None where the server names none, and gives one. batch: that it is frozen at, None for
    any; most: images of one query.
    """

    input: str
    datatype: str
    output: str | None
    batch: int | None
    most: int


def fitted(request: BuildRequest, found: Described, where: str) -> Fit:
    """UnsupportedError, with what is served and what was expected, where the two do not fit.

    What the server does not tell is the user's model's.
    """
    datatype = INPUTS[request.input_dtype]
    asked, batch = _input(request, found, datatype, where)
    output = _output(request, found, where)
    most = max(1, _MOST_BYTES // max(1, _bytes_of_one(request)))
    if found.most_batch:
        most = min(most, found.most_batch)
    if batch is not None:
        if found.most_batch and batch > found.most_batch:
            raise UnsupportedError(f"{where} has batch {batch}, and takes at most {found.most_batch} images at once.")
        most = batch
    return Fit(asked, datatype, output, batch, most)


def _input(request: BuildRequest, found: Described, datatype: str, where: str) -> tuple[str, int | None]:
    if not found.inputs:
        return request.input_name, None
    expected = f"{datatype} [N, {', '.join(map(str, request.input_shape))}]"
    if len(found.inputs) > 1:
        raise UnsupportedError(
            f"{where} has {len(found.inputs)} inputs ({_named(found.inputs)}); a classifier of images has one, "
            f"{expected}."
        )
    (tensor,) = found.inputs
    if tensor.datatype != datatype:
        raise UnsupportedError(
            f"{where} takes {tensor}; the input contract of --model gives {expected}. Give the --model, or the "
            "contract, whose input is what is served."
        )
    if len(tensor.shape) != len(request.input_shape) + 1 or not _alike(tensor.shape[1:], request.input_shape):
        raise UnsupportedError(
            f"{where} takes {tensor}; the input contract of --model gives {expected}. Give the --model with the size "
            "and layout that are served; a model without a batch cannot be asked."
        )
    return tensor.name, tensor.shape[0] if tensor.shape[0] > 0 else None


def _output(request: BuildRequest, found: Described, where: str) -> str | None:
    if not found.outputs:
        return None
    named = [one for one in found.outputs if one.name == request.output_name]
    if len(found.outputs) > 1 and not named:
        raise UnsupportedError(
            f"{where} has {len(found.outputs)} outputs ({_named(found.outputs)}), none called {request.output_name!r} "
            "as in --model. Name the right one by --output NAME."
        )
    tensor = named[0] if named else found.outputs[0]
    expected = f"scores [N, {request.columns}]"
    if tensor.datatype not in SCORES:
        raise UnsupportedError(
            f"{where} gives {tensor}; expected are {expected} in {', '.join(SCORES)}. Labels alone, or quantized "
            "scores, cannot be compared."
        )
    rest = tensor.shape[1:]
    if not tensor.shape or (rest and not _alike((math.prod(rest),) if min(rest) > 0 else (-1,), (request.columns,))):
        raise UnsupportedError(f"{where} gives {tensor}; the --model has {request.columns} classes: {expected}.")
    return tensor.name


def _alike(told: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(told) == len(expected) and all(
        one < 0 or one == other for one, other in zip(told, expected, strict=True)
    )


def _named(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(map(str, tensors[:8]))


def _bytes_of_one(request: BuildRequest) -> int:
    size = {"float32": 4, "float16": 2, "uint8": 1}[request.input_dtype]
    return size * math.prod(request.input_shape)

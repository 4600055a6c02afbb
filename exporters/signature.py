"""Names, shapes and types at the graph's border, and which input contract they allow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.options import ContractOptions
from seatrial.exporters.shapes import dimensions
from seatrial.exporters.tensors import type_name

_DTYPES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8"}
# Colour first: of an input [batch, 3, height, 1], the three are the channels.
_CHANNELS = (3, 1)
# A shape with up to so many in a channel's place has other channels than a camera; with more, none at all.
_MOST_BANDS = 32
_WAYS_OUT: dict[int, str] = {
    TensorProto.INT8: "Let the graph take uint8 and subtract 128 inside, or export it with a float input.",
    TensorProto.DOUBLE: "Export it from a float32 model (`model.float()`): no edge engine computes in float64.",
    TensorProto.BFLOAT16: "Export it with a float32 or float16 input and a Cast behind it.",
}


@dataclasses.dataclass(frozen=True)
class Signature:
    """The one image input. layout: "nchw" or "nhwc", None where the shape fits both. channels: 3 or 1, None where the
    shape fits both. Unknown extents are None.
    """

    input_name: str
    layout: str | None
    dtype: str
    batch: int | None
    channels: int | None
    shape: tuple[int | None, ...]

    def size(self, layout: str) -> tuple[int | None, int | None]:
        """(height, width) in pixels, as the layout places them."""
        return (self.shape[1], self.shape[2]) if layout == "nhwc" else (self.shape[2], self.shape[3])


def read_signature(model: onnx.ModelProto, path: Path) -> Signature:
    """The one image input; BadInputError with what was found otherwise."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise BadInputError(f"{path} has {len(inputs)} inputs ({names}); an image classifier has one.")
    (source,) = inputs
    data_type = source.type.tensor_type.elem_type
    if data_type not in _DTYPES:
        way = _WAYS_OUT.get(data_type, "Export it with one of these.")
        raise BadInputError(
            f"{path}: input {source.name!r} is {type_name(data_type)}; expected FLOAT, FLOAT16 or UINT8. {way}"
        )
    shape = dimensions(source)
    if shape is None or len(shape) != 4 or not {shape[1], shape[3]} & {*_CHANNELS, None}:
        raise BadInputError(
            f"{path}: input {source.name!r} has shape {spell_shape(shape)}; expected [batch, 3, height, width] or "
            f"[batch, height, width, 3], colour images, or one channel in place of three: gray ones. {_way_out(shape)}"
        )
    layout = _layout(shape[1], shape[3])
    found = shape[3] if layout == "nhwc" else shape[1]
    return Signature(source.name, layout, _DTYPES[data_type], shape[0], found, shape)


def fit_contract(
    signature: Signature, contract: InputContract, options: ContractOptions | None, path: Path
) -> InputContract:
    """The contract with the layout and the dtype that the file's input has.

    Where the shape fits both layouts, the contract's counts. One channel makes the contract gray. A uint8 input takes
    the pixels as they are: of a contract that normalises (a preset's, or one that was made for a float input), it keeps
    geometry and colour order only.
    options: the flags that were given; raises UsageError where they ask for numbers or a layout that the input does not
    take, or the size is another.
    """
    layout = signature.layout or contract.layout
    if options is not None and options.layout not in (None, layout):
        raise UsageError(
            f"The layout {options.layout} does not fit {path}: its input has the shape {spell_shape(signature.shape)}."
        )
    gray = signature.channels == 1 or (signature.channels is None and contract.color == "gray")
    if gray != (contract.color == "gray"):
        if options is not None and options.color is not None:
            raise UsageError(
                f"--color {options.color} does not fit {path}: its input has the shape "
                f"{spell_shape(signature.shape)}. Leave it out: "
                + ("one channel is gray." if gray else "gray images feed three channels alike.")
            )
        contract = dataclasses.replace(contract, color="gray" if gray else "rgb")
    fields: dict[str, object] = {"layout": layout, "dtype": signature.dtype}
    if signature.dtype == "uint8":
        given = [
            name for name in ("divisor", "mean", "std") if options is not None and getattr(options, name) is not None
        ]
        if given:
            raise UsageError(
                f"{path} takes uint8 pixels as they are, so --{' and --'.join(given)} cannot apply: what scaling "
                "there is "
                "lies in the graph. Leave them out."
            )
        fields.update(divisor=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    contract = dataclasses.replace(contract, **fields)  # type: ignore[arg-type]
    own = signature.size(layout)
    for side, has, asked in zip(("height", "width"), own, contract.size, strict=True):
        if has is not None and has != asked:
            raise UsageError(
                f"The input contract gives a {side} of {asked} px, but {path} takes {own[0]}x{own[1]}. Correct --size "
                "(or "
                "--preset, --resize, --crop)."
            )
    return contract


def spell_shape(shape: tuple[int | None, ...] | None) -> str:
    """As in [?, 3, 224, 224]; "unknown" for None."""
    return "unknown" if shape is None else "[" + ", ".join("?" if dim is None else str(dim) for dim in shape) + "]"


def _layout(second: int | None, last: int | None) -> str | None:
    if second == last:
        return None
    for known in (*_CHANNELS, None):
        if known in (second, last):
            return "nhwc" if last == known else "nchw"
    raise AssertionError("neither can be the channels")


def _way_out(shape: tuple[int | None, ...] | None) -> str:
    if shape is not None and len(shape) == 4 and min(shape[1] or 0, shape[3] or 0) <= _MOST_BANDS:
        bands = min(shape[1] or 0, shape[3] or 0)
        return (
            f"What {bands} channels mean of an image file is not known here. Export the model with three, or with one, "
            "and make the others inside the graph (a constant, a copy, a convolution)."
        )
    if shape is not None and len(shape) == 2:
        return (
            "A flat input is a gray image of the contract's size where it has as many pixels: correct --size. Else "
            "export the model with the Reshape from an image to its flat vector inside."
        )
    return "Export the model with an image as its input, such as [1, 3, 224, 224]."

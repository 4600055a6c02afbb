"""Names, shapes and types at the graph's border, and which input contract they allow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import onnx
from onnx import TensorProto

from exporters.contract import InputContract
from exporters.options import ContractOptions
from exporters.shapes import dimensions
from exporters.tensors import type_name
from shipcheck.errors import BadInputError, UsageError

_DTYPES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8"}
_WAYS_OUT: dict[int, str] = {
    TensorProto.INT8: "Let the graph take uint8 and subtract 128 inside, or export it with a float input.",
    TensorProto.DOUBLE: "Export it from a float32 model (`model.float()`): no edge engine computes in float64.",
    TensorProto.BFLOAT16: "Export it with a float32 or float16 input and a Cast behind it.",
}


@dataclasses.dataclass(frozen=True)
class Signature:
    """The one image input. layout: "nchw" or "nhwc", None where the shape fits both. Unknown extents are None."""

    input_name: str
    layout: str | None
    dtype: str
    batch: int | None
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
    if shape is None or len(shape) != 4 or not {shape[1], shape[3]} & {3, None}:
        raise BadInputError(
            f"{path}: input {source.name!r} has shape {spell_shape(shape)}; expected [batch, 3, height, width] or "
            "[batch, "
            "height, width, 3]: colour images, one tensor."
        )
    return Signature(source.name, _layout(shape[1], shape[3]), _DTYPES[data_type], shape[0], shape)


def fit_contract(
    signature: Signature, contract: InputContract, options: ContractOptions | None, path: Path
) -> InputContract:
    """The contract with the layout and the dtype that the file's input has.

    Where the shape fits both layouts, the contract's counts. A uint8 input takes the pixels as they are: of a contract
    that normalises (a preset's, or one that was made for a float input), it keeps geometry and colour order only.
    options: the flags that were given; raises UsageError where they ask for numbers or a layout that the input does not
    take, or the size is another.
    """
    layout = signature.layout or contract.layout
    if options is not None and options.layout not in (None, layout):
        raise UsageError(
            f"The layout {options.layout} does not fit {path}: its input has the shape {spell_shape(signature.shape)}."
        )
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
    return "nhwc" if last == 3 or (last is None and second != 3) else "nchw"

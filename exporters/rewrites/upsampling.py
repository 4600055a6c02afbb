"""Upsampling inside the graph with another filter: SysNoise's "upsample"."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from seatrial.exporters.graphs import attribute_of, opset_of
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.rewrites.finish import copied, drop_attributes, finished, known, set_attributes, sizes_in
from seatrial.exporters.rewrites.registry import REWRITES
from seatrial.exporters.shapes import Shapes

# The first operator set that says where a pixel's centre is.
_COORDINATES_OPSET = 11
_COORDINATES = "coordinate_transformation_mode"
# They mean something for single modes only, or for shrinking.
_OF_A_MODE = (_COORDINATES, "nearest_mode", "cubic_coeff_a", "exclude_outside", "antialias")


@REWRITES.register("upsample-bilinear")
def upsample_bilinear(model: DeployableModel) -> DeployableModel | str:
    """Upsampling by the nearest neighbour becomes bilinear, as PyTorch's `Upsample(mode="bilinear")` computes it
    (half-pixel centres, corners not aligned).
    """
    if opset_of(model.proto) < _COORDINATES_OPSET and next(_upsamplers(model.proto, sizes_in(model), b"nearest"), None):
        return f"opset {opset_of(model.proto)} has no bilinear upsampling with half-pixel centres; export with opset 11"
    return _with_filter(model, b"nearest", "bilinear", {"mode": "linear", _COORDINATES: "half_pixel"})


@REWRITES.register("upsample-nearest")
def upsample_nearest(model: DeployableModel) -> DeployableModel | str:
    """Bilinear upsampling takes the nearest neighbour, as PyTorch's `Upsample(mode="nearest")` finds it (the pixel at
    the coordinate divided by the scale, rounded down).
    """
    attributes = {"mode": "nearest"}
    if opset_of(model.proto) >= _COORDINATES_OPSET:
        attributes |= {_COORDINATES: "asymmetric", "nearest_mode": "floor"}
    return _with_filter(model, b"linear", "nearest", attributes)


def _with_filter(model: DeployableModel, mode: bytes, new: str, attributes: dict[str, str]) -> DeployableModel | str:
    proto = copied(model)
    changed: list[str] = []
    for node in _upsamplers(proto, sizes_in(model), mode):
        drop_attributes(node, _OF_A_MODE)
        set_attributes(node, **attributes)
        changed.extend(node.output)
    if not changed:
        return f"the graph has no {'bilinear' if mode == b'linear' else mode.decode()} upsampling"
    return finished(model, proto, changed)


def _upsamplers(proto: onnx.ModelProto, shapes: Shapes, mode: bytes) -> Iterator[onnx.NodeProto]:
    """The nodes that enlarge images [N, C, H, W] or [N, H, W, C] in that mode."""
    for node in proto.graph.node:
        if node.op_type not in ("Resize", "Upsample"):
            continue
        has, coordinates = attribute_of(node, "mode"), attribute_of(node, _COORDINATES)
        before, after = known(shapes, node.input[0]), known(shapes, node.output[0])
        cropping = coordinates is not None and coordinates.s == b"tf_crop_and_resize"
        if (b"nearest" if has is None else has.s) != mode or cropping or before is None or after is None:
            continue
        grows = len(before) == 4 and all(was <= becomes for was, becomes in zip(before, after, strict=True))
        if grows and before != after:
            yield node

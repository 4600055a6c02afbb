"""Resize and Upsample: nearest and linear, axis by axis, with the coordinates of the ONNX specification."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op

Coordinates = npt.NDArray[np.float32]
# ONNX Runtime, too, computes coordinates in float32.
_HALF = np.float32(0.5)

# (output positions, scale, input extent, output extent) -> input coordinates.
_TRANSFORMS: dict[str, Callable[[Coordinates, np.float32, int, int], Coordinates]] = {
    "half_pixel": lambda i, scale, size, out: (i + _HALF) / scale - _HALF,
    "half_pixel_symmetric": lambda i, scale, size, out: (
        np.float32(size / 2) * (1 - np.float32(out) / (scale * np.float32(size))) + (i + _HALF) / scale - _HALF
    ),
    "pytorch_half_pixel": lambda i, scale, size, out: (i + _HALF) / scale - _HALF if out > 1 else np.zeros_like(i),
    "align_corners": lambda i, scale, size, out: (
        i * np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.zeros_like(i)
    ),
    "asymmetric": lambda i, scale, size, out: i / scale,
    "tf_half_pixel_for_nn": lambda i, scale, size, out: (i + _HALF) / scale,
}
_ROUNDINGS: dict[str, Callable[[Coordinates], Coordinates]] = {
    "round_prefer_floor": lambda x: np.ceil(x - _HALF),
    "round_prefer_ceil": lambda x: np.floor(x + _HALF),
    "floor": np.floor,
    "ceil": np.ceil,
}


@op("Resize", host=(1, 2, 3), held=True)
def resize(node: Node) -> Compute:
    """Another size by scales or by sizes; cubic, antialiased and cropping forms are not supported.

    Opset 10 says little of coordinates: asymmetric and floor are taken, as for Upsample, and shrinking is refused.
    """
    mode = node.require("mode", "nearest", "linear")
    _refuse_interpolated_integers(node, mode)
    if node.opset < 11:
        return _by_scales(node, mode, node.numbers(1))
    node.require("antialias", 0)
    node.require("keep_aspect_ratio_policy", "stretch")
    for name in ("cubic_coeff_a", "exclude_outside", "extrapolation_value"):
        node.attribute(name)  # of the forms that are refused
    name = node.require("coordinate_transformation_mode", "half_pixel", *_TRANSFORMS)
    rounding = _ROUNDINGS[node.require("nearest_mode", "round_prefer_floor", *_ROUNDINGS)]
    chosen = node.attribute("axes")
    read_scales, read_sizes = node.numbers(2), node.numbers(3)

    def compute(
        x: Tensor, roi: Tensor | None = None, scales_input: Tensor | None = None, sizes_input: Tensor | None = None
    ) -> Tensor:
        scales, sizes = read_scales(scales_input), read_sizes(sizes_input)
        axes = [axis % x.ndim for axis in (range(x.ndim) if chosen is None else chosen)]
        for place, axis in enumerate(axes):
            size = x.shape[axis]
            if sizes:
                out, scale = int(sizes[place]), np.float32(sizes[place] / size)
            else:
                assert scales is not None
                out, scale = int(size * scales[place]), np.float32(scales[place])
            x = _along(
                x, axis, out, _TRANSFORMS[name](np.arange(out, dtype=np.float32), scale, size, out), mode, rounding
            )
        return x

    return compute


@op("Upsample", host=(1,), held=True)
def upsample(node: Node) -> Compute:
    """Enlarged by scales, which are an attribute before opset 9."""
    mode = node.require("mode", "nearest", "linear")
    _refuse_interpolated_integers(node, mode)
    return _by_scales(node, mode, node.attribute_or_numbers("scales", 1, before=9))


def _by_scales(node: Node, mode: str, read_scales: Callable[[Tensor | None], Any]) -> Compute:
    known = read_scales(None)
    if known is None or min(known) < 1:
        raise node.unsupported("scales below 1, or such as are not constant, have no defined coordinates there")

    def compute(x: Tensor, scales: Tensor | None = None) -> Tensor:
        for axis, scale in enumerate(known):
            out = int(x.shape[axis] * scale)
            at = np.arange(out, dtype=np.float32) / np.float32(scale)
            x = _along(x, axis, out, at, mode, np.floor)
        return x

    return compute


def _refuse_interpolated_integers(node: Node, mode: str) -> None:
    if mode != "nearest" and node.holds_as_float(node.inputs[:1]):
        raise node.unsupported("interpolation between integers is not supported")


def _along(
    x: Tensor, axis: int, out: int, at: Coordinates, mode: str, rounding: Callable[[Coordinates], Coordinates]
) -> Tensor:
    size = x.shape[axis]
    if out == size and np.array_equal(at, np.arange(size)):
        return x
    if mode == "nearest":
        return x.index_select(axis, _index(rounding(at), size, x))
    at = np.clip(at, 0, size - 1)
    low = np.floor(at)
    weight = torch.from_numpy(at - low).to(x).reshape(-1, *[1] * (x.ndim - 1 - axis))
    first, second = (x.index_select(axis, _index(place, size, x)) for place in (low, low + 1))
    return first * (1 - weight) + second * weight


def _index(at: Coordinates, size: int, like: Tensor) -> Tensor:
    return torch.from_numpy(np.clip(at, 0, size - 1).astype(np.int64)).to(like.device)

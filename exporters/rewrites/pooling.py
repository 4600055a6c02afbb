"""Max pooling of stride 2 that rounds its output's size the other way: SysNoise's "ceil mode"."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import onnx

from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.rewrites.finish import copied, drop_attributes, finished, known, set_attributes, sizes_in
from seatrial.exporters.rewrites.registry import REWRITES


@REWRITES.register("ceil-mode")
def ceil_mode(model: DeployableModel) -> DeployableModel | str:
    """Max pooling of stride 2 rounds its output's size up, as PyTorch's `MaxPool2d(ceil_mode=True)` does.

    Written as padding at the end, as wide as the last window needs: the same numbers, from opset 7 on, and on every
    runtime. Of the attribute `ceil_mode` they make different things where the last window would lie in the padding
    alone: ONNX Runtime drops it, as PyTorch does, OpenVINO 2026.4 keeps it.
    """

    def round_up(node: onnx.NodeProto, window: _Window, size: tuple[int, ...]) -> bool:
        ends = window.ends_in_ceil_mode(size)
        drop_attributes(node, ["auto_pad"])
        set_attributes(node, pads=[*window.begins, *ends])
        return ends != window.ends

    return _round(model, False, round_up)


@REWRITES.register("floor-mode")
def floor_mode(model: DeployableModel) -> DeployableModel | str:
    """Max pooling of stride 2 that the file has in ceil mode rounds its output's size down."""

    def round_down(node: onnx.NodeProto, window: _Window, size: tuple[int, ...]) -> bool:
        set_attributes(node, ceil_mode=0)
        return window.ends_in_ceil_mode(size) != window.ends

    return _round(model, True, round_down)


@dataclasses.dataclass(frozen=True)
class _Window:
    """A pooling window, per axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    def ends_in_ceil_mode(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """The padding at the end with which rounding down gives the sizes of rounding up.

        A window that would begin in that padding is dropped, as PyTorch does and ONNX demands from opset 22 on.
        """
        ends = []
        for extent, kernel, stride, begin, end in zip(
            size, self.kernel, self.strides, self.begins, self.ends, strict=True
        ):
            steps, left = divmod(extent + begin + end - kernel, stride)
            begins_inside = (steps + 1) * stride < extent + begin
            ends.append(end + stride - left if left and begins_inside else end)
        return tuple(ends)


def _round(
    model: DeployableModel,
    in_ceil_mode: bool,
    rewrite: Callable[[onnx.NodeProto, _Window, tuple[int, ...]], bool],
) -> DeployableModel | str:
    proto, shapes = copied(model), sizes_in(model)
    found = 0
    changed: list[str] = []
    for node, window in _windows(proto.graph, in_ceil_mode):
        found += 1
        shape = known(shapes, node.input[0])
        if shape is None:
            return f"nothing says what size the input of MaxPool {node.name or node.output[0]!r} has"
        if rewrite(node, window, shape[2:]):
            changed.extend(node.output)
    mode, other = ("ceil", "floor") if in_ceil_mode else ("floor", "ceil")
    if not found:
        return f"the graph has no max pooling of stride 2 in {mode} mode"
    if not changed:
        height, width = model.contract.size
        return f"at {height}x{width} px, max pooling of stride 2 gives the same sizes in {other} mode"
    return finished(model, proto, changed)


def _windows(graph: onnx.GraphProto, in_ceil_mode: bool) -> Iterator[tuple[onnx.NodeProto, _Window]]:
    """The max pooling of stride 2 in that mode. Automatic padding, which always rounds up, and dilation are neither."""
    for node in graph.node:
        if node.op_type != "MaxPool":
            continue
        mode, automatic = attribute_of(node, "ceil_mode"), attribute_of(node, "auto_pad")
        kernel = _integers(node, "kernel_shape", ())
        rank = len(kernel)
        strides = _integers(node, "strides", (1,) * rank)
        pads = _integers(node, "pads", (0,) * rank * 2)
        dilated = set(_integers(node, "dilations", (1,) * rank)) != {1}
        same = automatic is not None and automatic.s.startswith(b"SAME")
        if 2 in strides and not dilated and not same and (mode is not None and mode.i == 1) == in_ceil_mode:
            yield node, _Window(kernel, strides, pads[:rank], pads[rank:])


def _integers(node: onnx.NodeProto, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    attribute = attribute_of(node, name)
    return default if attribute is None else tuple(attribute.ints)

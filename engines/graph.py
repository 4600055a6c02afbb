"""Views of an ONNX graph that show more of it than its outputs."""

from __future__ import annotations

from collections.abc import Container


def with_every_output(onnx_bytes: bytes, wanted: Container[str] | None = None) -> tuple[bytes, list[str]]:
    """The same graph with the outputs of all its nodes as outputs of its own, and their names in order.

    wanted: of these names alone, None for all.
    """
    import onnx  # an engine that is built and asked for logits needs its runtime alone

    model = onnx.load_model_from_string(onnx_bytes)
    names = [name for node in model.graph.node for name in node.output if name and (wanted is None or name in wanted)]
    shown = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in shown)
    return model.SerializeToString(), names

"""SignNet -> one ONNX file: batch norm folded, dynamic batch, contract embedded, no build traces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
import torch

from exporters.contract import InputContract, embed

OPSET = 18


def to_onnx(network: torch.nn.Module, contract: InputContract, class_names: Sequence[str]) -> onnx.ModelProto:
    """Export in eval mode, so that batch normalisation is folded into the convolutions.

    Input `input` float32 [batch, 3, H, W], output `logits` float32 [batch, classes]. Raises ValueError if an
    operator other than the few expected ones is left over.
    """
    network.eval()
    example = torch.zeros(2, 3, *contract.size)
    program = torch.onnx.export(
        network,
        (example,),
        input_names=["input"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=OPSET,
        dynamo=True,
        optimize=True,
        verbose=False,
    )
    assert program is not None  # only the older exporter returns None
    model = program.model_proto
    _strip(model)
    unexpected = {node.op_type for node in model.graph.node} - {"Conv", "Relu", "Add", "ReduceMean", "Gemm"}
    if unexpected:
        raise ValueError(f"The exported graph still holds {sorted(unexpected)}.")
    embed(model, contract, class_names)
    onnx.checker.check_model(model, full_check=True)
    return model


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about sources and stack traces: it names paths of the machine."""
    graph = model.graph
    model.doc_string = graph.doc_string = ""
    del model.metadata_props[:]
    del graph.metadata_props[:]
    _clear(graph.node)
    _clear(graph.initializer)
    _clear([*graph.input, *graph.output, *graph.value_info])


def _clear(protos: Iterable[onnx.NodeProto | onnx.TensorProto | onnx.ValueInfoProto]) -> None:
    for proto in protos:
        proto.doc_string = ""
        del proto.metadata_props[:]

"""nn.Module -> ONNX by PyTorch's exporter: batch normalisation folded, batch free, no build traces."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import onnx

from seatrial.errors import BuildError, UsageError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.torch_sources.runtime import need, quiet

# The newest that all supported runtimes take, TensorRT 10 and ONNX Runtime 1.20 among them.
OPSET = 18
INPUT = "input"
OUTPUT = "logits"


_KNOWN_BATCH = "A module whose shapes need a known batch exports with --batch 1."
_ONE_CHANNEL = "Its first convolution reads one channel: for gray images give --color gray."


@dataclasses.dataclass(frozen=True)
class Export:
    """proto: the ONNX model. program: the ExportedProgram it was made from, whose values bear the same names."""

    proto: onnx.ModelProto
    program: Any


def to_onnx(module: Any, contract: InputContract, *, batch: int | None = None, opset: int = OPSET) -> Export:
    """Exports in eval mode: input `input` float32 [batch, C, H, W], and `logits` if there is one output.

    batch: None for a free batch, else the number at which the graph is frozen. The module is left in eval mode.
    Raises UsageError for a contract that is not float32 NCHW, BuildError with PyTorch's reason where the module cannot
    be traced.
    """
    torch = need("torch")
    need("onnxscript")
    if (contract.layout, contract.dtype) != ("nchw", "float32"):
        raise UsageError("A PyTorch module is exported with a float32 NCHW input; its contract says otherwise.")
    examples = (torch.zeros(batch or 2, *contract.tensor_shape),)
    try:
        with quiet(), torch.no_grad():
            shapes = None if batch else ({0: torch.export.Dim("batch")},)
            program = torch.export.export(module, examples, dynamic_shapes=shapes)
            outputs = program.graph_signature.user_outputs
            exported = torch.onnx.export(
                program,
                examples,
                input_names=[INPUT],
                output_names=[OUTPUT] if len(outputs) == 1 else None,
                dynamic_shapes=shapes,
                opset_version=opset,
                dynamo=True,
                optimize=True,
                verbose=False,
            )
    except Exception as error:  # the exporter has a dozen types of its own
        raise BuildError(
            f"PyTorch cannot export the module: {_reason(error)} "
            + (_ONE_CHANNEL if contract.channels == 3 and _first_reads_one_channel(module) else _KNOWN_BATCH)
        ) from error
    proto = exported.model_proto
    _strip(proto)
    return Export(proto, exported.exported_program)


def _first_reads_one_channel(module: Any) -> bool:
    kernels = (weight for weight in module.state_dict().values() if weight.dim() == 4)
    first = next(kernels, None)
    return first is not None and first.shape[1] == 1


def _reason(error: BaseException) -> str:
    # The first cause says why; what wraps it repeats the exporter's manual.
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}."


def _strip(model: onnx.ModelProto) -> None:
    """Drops what the exporter notes about sources and stack traces: it names paths of the machine."""
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

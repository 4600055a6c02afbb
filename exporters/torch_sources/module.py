"""A PyTorch module as a source: exported on demand, and asked for its own answers, which the export must give, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.errors import BadInputError
from seatrial.exporters.contract import InputContract
from seatrial.exporters.torch_sources.runtime import need
from seatrial.exporters.torch_sources.to_onnx import OUTPUT, Export, to_onnx

Array = npt.NDArray[Any]


@dataclasses.dataclass
class TorchSource:
    """name: for people. module: an nn.Module in float32. contract, class_names: what the source knows of itself.

    frozen: True for a traced module, which has no modes. batch: the batch that it was traced at, None if free.
    output: which of several outputs holds the logits.
    """

    name: str
    module: Any
    contract: InputContract | None = None
    class_names: tuple[str, ...] | None = None
    frozen: bool = False
    batch: int | None = None
    output: int = 0
    _export: Export | None = dataclasses.field(default=None, init=False)

    def __post_init__(self) -> None:
        """BadInputError for a module with other float parameters than float32."""
        torch = need("torch")
        kinds = {value.dtype for value in self.module.state_dict().values() if value.is_floating_point()}
        if kinds - {torch.float32}:
            raise BadInputError(
                f"{self.name} has parameters in {', '.join(sorted(map(str, kinds - {torch.float32})))}; give it in "
                "float32 (`.float()`): a lower precision is a target, not a source."
            )
        if not self.frozen:
            self.module.eval()

    def to_onnx(self, contract: InputContract, *, batch: int | None = None) -> onnx.ModelProto:
        """The graph as PyTorch exports it, fed as `contract` says; what `to_onnx` raises."""
        self._export = to_onnx(self.module, contract, batch=batch or self.batch)
        return self._export.proto

    def infer(self, batch: Array) -> npt.NDArray[np.float32]:
        """float32 [N, 3, H, W] -> float32 [N, classes]: what the module itself answers, eagerly."""
        torch = need("torch")
        size = self.batch or len(batch)
        parts = []
        for start in range(0, len(batch), size):
            with torch.inference_mode():
                found = list(_tensors(self.module(torch.from_numpy(_filled(batch[start : start + size], size)))))
            parts.append(found[self.output].numpy().reshape(size, -1))
        logits: npt.NDArray[np.float32] = np.concatenate(parts)[: len(batch)]
        return logits

    def intermediates(self, batch: Array) -> dict[str, Array]:
        """Every float value that the traced program computes, by the name it has in the ONNX graph; after `to_onnx`."""
        torch = need("torch")
        assert self._export is not None
        program = self._export.program
        values: dict[str, Array] = {}

        base: Any = torch.fx.Interpreter

        class Recorder(base):  # type: ignore[misc]  # the base is imported lazily
            def run_node(self, node: Any) -> Any:
                result = super().run_node(node)
                if node.op == "call_function" and isinstance(result, torch.Tensor) and result.is_floating_point():
                    values[node.name] = result.detach().numpy()
                return result

        with torch.no_grad():
            Recorder(program.graph_module).run(
                *_arguments(program, torch.from_numpy(_filled(batch, self.batch or len(batch))))
            )
        results = program.graph_signature.user_outputs
        if len(results) == 1 and results[0] in values:
            values[OUTPUT] = values[results[0]]
        return values


def _filled(batch: Array, size: int) -> Array:
    # A module that was traced at a batch takes no smaller one.
    return np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)]) if len(batch) < size else batch


def _tensors(answer: Any) -> Iterator[Any]:
    # In the order in which the exporter flattens a module's answer.
    if isinstance(answer, Mapping):
        answer = list(answer.values())
    if isinstance(answer, (tuple, list)):
        for part in answer:
            yield from _tensors(part)
    elif answer is not None:
        yield answer


def _arguments(program: Any, image: Any) -> list[Any]:
    # The program takes its weights as arguments, in the order of its signature.
    found = []
    for spec in program.graph_signature.input_specs:
        if spec.target is None:
            found.append(image)
        else:
            found.append(
                program.state_dict[spec.target] if spec.target in program.state_dict else program.constants[spec.target]
            )
    return found

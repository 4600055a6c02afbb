"""Any source -> DeployableModel: an ONNX graph that carries its input contract."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.exporters.contract import InputContract, embed
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.onnx_file import NO_CONTRACT, describe, load_onnx
from seatrial.exporters.options import ContractOptions
from seatrial.exporters.simplify import simplify as simplified
from seatrial.exporters.sources import OnnxSource, open_source

if TYPE_CHECKING:
    from seatrial.exporters.torch_sources.module import TorchSource
    from seatrial.exporters.torch_sources.placed import PlacedSource

__all__ = ["ContractOptions", "DeployableModel", "InputContract", "OnnxSource", "deploy", "load", "open_source"]


def load(
    source: str | os.PathLike[str],
    *,
    contract: InputContract | ContractOptions | None = None,
    weights: Path | None = None,
    output: str | None = None,
) -> DeployableModel:
    """Loads a model from an ONNX file, as it is, or exports it from PyTorch.

    contract: overrides what the source says of its input, whole or by single fields. weights: a state dict. output:
    which of several outputs holds the logits. Raises BadInputError (not a usable model), UsageError (no contract, or
    one that does not fit), UnsupportedError (a library is missing) or BuildError (PyTorch cannot export it).
    """
    return deploy(open_source(os.fspath(source), weights), contract=contract, output=output)


def deploy(
    source: OnnxSource | PlacedSource | TorchSource,
    *,
    contract: InputContract | ContractOptions | None = None,
    output: str | None = None,
    batch: int | None = None,
    simplify: bool = True,
) -> DeployableModel:
    """The source as a deployable model; an ONNX file is left as it is.

    batch: the batch at which a PyTorch module's graph is frozen, None for a free one. simplify: whether an exported
    graph is simplified.
    """
    if isinstance(source, OnnxSource):
        return load_onnx(source.path, contract, output)
    if not isinstance(contract, InputContract):
        contract = (contract or ContractOptions()).resolve(source.contract)
    if contract is None:
        raise UsageError(NO_CONTRACT.format(source.name))
    proto = source.to_onnx(contract, batch=batch)
    names = [value.name for value in proto.graph.output]
    source.output = names.index(output) if output in names else 0
    if simplify:
        proto = simplified(proto)
    embed(proto, contract, source.class_names or ())
    return describe(proto, source.name, Path(source.name), contract, output)

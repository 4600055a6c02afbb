"""Any source -> DeployableModel: an ONNX graph that carries its input contract."""

from __future__ import annotations

import os
from pathlib import Path

from exporters.contract import InputContract
from exporters.model import DeployableModel
from exporters.onnx_file import load_onnx
from exporters.options import ContractOptions

__all__ = ["ContractOptions", "DeployableModel", "InputContract", "load"]


def load(source: str | os.PathLike[str], *, contract: InputContract | ContractOptions | None = None) -> DeployableModel:
    """Loads a model from an ONNX file; `contract` overrides what the file says of its input, whole or by single fields.

    Raises BadInputError (not a usable model) or UsageError (no contract, or one that does not fit).
    """
    return load_onnx(Path(source), contract)

"""PyTorch and its companions, imported when a source needs them."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from shipcheck.errors import UnsupportedError

_EXTRAS = {
    "torch": "torch",
    "onnxscript": "torch",
    "safetensors.torch": "torch",
    "timm": "zoo",
    "timm.data": "zoo",
    "torchvision": "zoo",
    "torchvision.models": "zoo",
}


def need(module: str) -> Any:
    """The module, imported now; UnsupportedError with the install line where that fails."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:  # a torchvision built for another PyTorch raises RuntimeError
        raise UnsupportedError(
            f"This source needs {module.partition('.')[0]}, which cannot be imported ({error}). "
            f"Install it: pip install 'shipcheck[{_EXTRAS[module]}]'"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences the exporter's log and warnings, which speak of its own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

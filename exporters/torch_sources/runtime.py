"""PyTorch and its companions, imported when a source needs them."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from seatrial import packages

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
    """The module, imported now; PackageError where it is missing, or is there and broken."""
    extras = "torch" if _EXTRAS[module] == "torch" else f"torch,{_EXTRAS[module]}"
    return packages.need(module, "This source", f"pip install 'seatrial[{extras}]'")


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

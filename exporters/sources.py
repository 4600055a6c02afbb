"""What people have, by how they name it: an ONNX file, a factory in a Python file, a .pt2 program, a model of a zoo."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import UsageError

if TYPE_CHECKING:
    from seatrial.exporters.torch_sources.module import TorchSource
    from seatrial.exporters.torch_sources.placed import PlacedSource

_TIMM, _TORCHVISION = "timm:", "torchvision:"
KNOWN = "an .onnx file, file.py:factory, a .pt2 file, timm:NAME or torchvision:NAME"


@dataclasses.dataclass(frozen=True)
class OnnxSource:
    """An ONNX file."""

    path: Path

    @property
    def name(self) -> str:
        """For people."""
        return self.path.stem


def open_source(text: str, weights: Path | None = None) -> OnnxSource | PlacedSource | TorchSource:
    """The source that `text` names; PyTorch is imported where it needs it.

    weights: a state dict for a factory's module or a zoo's architecture. A factory's file is the user's own code and
    is run, in a process of its own. Raises UsageError for what is none of the known kinds, UnsupportedError where a
    library is missing, and what the kinds raise.
    """
    if text.startswith(_TIMM):
        from seatrial.exporters.torch_sources.zoo import timm_source

        return timm_source(text.removeprefix(_TIMM), weights)
    if text.startswith(_TORCHVISION):
        from seatrial.exporters.torch_sources.zoo import torchvision_source

        return torchvision_source(text.removeprefix(_TORCHVISION), weights)
    factory = _factory(text)
    if factory is not None:
        from seatrial.exporters.torch_sources.placed import PlacedSource

        return PlacedSource(*factory, weights)
    if weights is not None:
        raise UsageError(f"--weights go with file.py:factory, timm:NAME or torchvision:NAME, not with {text!r}.")
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix == ".pt2":
        return _from_program(path)
    if suffix in (".pt", ".pth", ".bin", ".ckpt", ".safetensors"):
        raise UsageError(
            f"{text} holds weights without their network. Give both: --model file.py:factory --weights {text}"
        )
    if suffix == ".py":
        raise UsageError(f"Which function of {text} makes the network? Give --model {text}:NAME.")
    if not path.exists() and suffix != ".onnx":
        raise UsageError(f"There is no model {text!r}. --model takes {KNOWN}.")
    return OnnxSource(path)


def absolute_source(text: str) -> str:
    """The same source from any folder: the path in `text` made absolute, names of zoos as they are."""
    if text.startswith((_TIMM, _TORCHVISION)):
        return text
    factory = _factory(text)
    return str(Path(text).absolute()) if factory is None else f"{factory[0].absolute()}:{factory[1]}"


def _factory(text: str) -> tuple[Path, str] | None:
    file, _, name = text.rpartition(":")
    return (Path(file), name) if file.lower().endswith(".py") and name.isidentifier() else None


def _from_program(path: Path) -> TorchSource:
    from seatrial.exporters.torch_sources.module import TorchSource
    from seatrial.exporters.torch_sources.program import module_from_program

    module, batch = module_from_program(path)
    return TorchSource(path.stem, module, frozen=True, batch=batch)

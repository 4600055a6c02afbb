"""Weights from files, without ever unpickling more than tensors."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.torch_sources.runtime import need
from seatrial.files import ZIP_ERRORS

# Where training scripts put the weights beside optimizer and epoch; the exponential average first, as it is what ships.
_NESTED = ("model_ema", "ema_state_dict", "state_dict_ema", "state_dict", "model_state_dict", "model", "net", "params")
# Prefixes of DataParallel, torch.compile and Lightning.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_MAX_BYTES = 16 << 30


def load_weights(module: Any, path: Path) -> None:
    """Loads a state dict (.pt, .pth, .bin by torch.load(weights_only=True), or .safetensors) into `module`.

    Checkpoints that hold it under a usual key are unwrapped, usual prefixes of wrappers are dropped. Raises
    BadInputError for a file that holds other objects than tensors, is damaged, or does not fit the module.
    """
    state = _unwrap(read_state_dict(path))
    expected = set(module.state_dict())
    state = _without_prefix(state, expected)
    missing, extra = sorted(expected - set(state)), sorted(set(state) - expected)
    if missing or extra:
        raise BadInputError(
            f"{path} does not fit the module: {_some('missing', missing)}{_some('unexpected', extra)}"
            "Check --weights and the factory (architecture, number of classes)."
        )
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:  # shapes that differ
        raise BadInputError(f"{path} does not fit the module: {error}") from error


def read_state_dict(path: Path) -> Mapping[str, Any]:
    """What the file holds: a mapping, perhaps a nested checkpoint; BadInputError otherwise."""
    if not path.is_file():
        raise UsageError(f"There is no weights file {path}. Check --weights.")
    if path.stat().st_size > _MAX_BYTES:
        raise BadInputError(f"{path} is above {_MAX_BYTES >> 30} GiB: not the weights of an image classifier.")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    torch = need("torch")
    _refuse_packed(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # UnpicklingError, RuntimeError, EOFError, ValueError, ... by kind of damage
        raise BadInputError(
            f"{path} cannot be loaded as tensors alone, and nothing else is unpickled: {_first_line(error)} "
            "Save it with torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(content, Mapping):
        raise BadInputError(f"{path} holds a {type(content).__name__}, not a state dict.")
    return content


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    safetensors = need("safetensors.torch")
    try:
        content: Mapping[str, Any] = safetensors.load_file(path)
    except Exception as error:
        raise BadInputError(f"{path} is not a readable .safetensors file: {error}") from error
    return content


def _refuse_packed(path: Path) -> None:
    # torch.save stores; a packed member may unfold to thousands of times its size.
    try:
        if not zipfile.is_zipfile(path):  # raises of one that spans several disks
            return
        with zipfile.ZipFile(path) as archive:
            packed = [member.filename for member in archive.infolist() if member.compress_type != zipfile.ZIP_STORED]
    except ZIP_ERRORS as error:
        raise BadInputError(f"{path} is damaged: {error}.") from error
    if packed:
        raise BadInputError(f"{path} has compressed members ({packed[0]!r}), which torch.save never writes.")


def _unwrap(content: Mapping[str, Any]) -> Mapping[str, Any]:
    torch = need("torch")
    for key in _NESTED:
        inner = content.get(key)
        if isinstance(inner, Mapping) and any(isinstance(value, torch.Tensor) for value in inner.values()):
            return inner
    return content


def _without_prefix(state: Mapping[str, Any], expected: set[str]) -> dict[str, Any]:
    result = dict(state)
    while not expected & set(result):
        prefix = next((word for word in _PREFIXES if result and all(key.startswith(word) for key in result)), None)
        if prefix is None:
            break
        result = {key.removeprefix(prefix): value for key, value in result.items()}
    return result


def _some(what: str, names: list[str]) -> str:
    return f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}). " if names else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

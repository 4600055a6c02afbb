"""What a server tells of itself and of a model, read as what anybody may have sent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from seatrial.engines.kserve.endpoint import Address
from seatrial.errors import DeviceError
from seatrial.text import shown

_MOST_TENSORS = 64
_MOST_AXES = 16
_LONGEST = 200
_MOST_BATCH = 1 << 20
_NO_ANSWER = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output as the server names it. shape: with the batch, -1 for any extent."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} [{', '.join(map(str, self.shape))}]"


@dataclasses.dataclass(frozen=True)
class Described:
    """server: name and version. model, versions: as the server has them. inputs, outputs: empty where it tells none.
    most_batch: images that it takes at once, 0 for a model without a batch, None where it does not tell. digest:
    SHA-256 of all of that it tells, in which what was served before can be told from what is served now.
    """

    server: str
    model: str
    versions: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    most_batch: int | None
    digest: str

    def identity(self, address: Address) -> str:
        """In one line: what stands for a version of the runtime."""
        version = address.version or "/".join(self.versions)
        which = f"{address.model} version {version}" if version else address.model
        return f"{self.server}, {which}, metadata {self.digest[:16]}"


def described_of(server: Any, model: Any, config: Any, address: Address) -> Described:
    """server, model: answers to `/v2` and `/v2/models/NAME`; config: of Triton's extension, None where there is none.
    All as parsed JSON.

    DeviceError for what is none.
    """
    try:
        versions = tuple(_word(one) for one in _list(model.get("versions")))
        hashed = {"server": server, "model": model, "config": config}
        if address.version is not None:  # another version beside it changes nothing
            hashed["model"] = {name: value for name, value in model.items() if name != "versions"}
        return Described(
            server=" ".join(_word(server.get(name) or "") for name in ("name", "version")).strip() or "a server",
            model=_word(model.get("name") or address.model),
            versions=() if address.version is not None else versions,
            inputs=_tensors(model.get("inputs")),
            outputs=_tensors(model.get("outputs")),
            most_batch=None if config is None else _batch(config),
            digest=hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest(),
        )
    except _NO_ANSWER as error:
        raise DeviceError(f"The server's metadata are none ({shown(repr(error)[:_LONGEST])}).") from error


def parsed(content: bytes) -> Any:
    """JSON values; DeviceError for what is no JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        begin = shown(content[:60].decode("utf-8", "replace"))
        raise DeviceError(f"The server sent what is no JSON: it begins with {begin!r}.") from error


def _tensors(found: Any) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(_word(one["name"]), _word(one["datatype"]), tuple(map(int, _list(one["shape"], _MOST_AXES))))
        for one in _list(found)
    )


def _list(found: Any, most: int = _MOST_TENSORS) -> list[Any]:
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > most:
        raise ValueError("a list that is none, or too long")
    return found


def _word(found: Any) -> str:
    if not isinstance(found, (str, int)) or len(str(found)) > _LONGEST:
        raise ValueError("a name that is none, or too long")
    return shown(str(found))


def _batch(config: Any) -> int | None:
    found = config.get("max_batch_size")
    if found is None:  # Triton's gRPC leaves out what is 0
        return 0
    return min(max(int(found), 0), _MOST_BATCH)

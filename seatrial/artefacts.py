"""What was made once and is kept: a file with a checksum, read only if it is what was written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from seatrial.files import read_bytes, replacing

_LOG = logging.getLogger("seatrial")
_MAGIC = b"seatrial artefact 1 "
# What a reader raises of content that is none of its own.
UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, EOFError, OSError, RecursionError)
T = TypeVar("T")
_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Artefact:
    """content: the file's bytes as they were given. facts: JSON values that are known of it."""

    content: bytes
    facts: Mapping[str, Any]


def write_artefact(path: Path, content: bytes, facts: Mapping[str, Any] = _NO_FACTS) -> None:
    """Files it atomically under its name, which says what it is of: no other name's is ever read."""
    body = json.dumps(dict(facts), allow_nan=False).encode() + b"\n" + content
    with replacing(path) as temporary:
        temporary.write_bytes(_MAGIC + _checksum(path, body) + b"\n" + body)


def read_artefact(path: Path) -> Artefact | None:
    """What was written there. None where nothing was; also where the file is damaged, which the log of `seatrial` says:
    it is to be made again, and written over.
    """
    try:
        stored = read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        say_damaged(path, str(error))
        return None
    head, _, body = stored.partition(b"\n")
    if head != _MAGIC + _checksum(path, body):
        say_damaged(path, "its checksum does not hold")
        return None
    facts, _, content = body.partition(b"\n")
    try:
        known = json.loads(facts)
        if not isinstance(known, dict):
            raise ValueError("its facts are no object")
    except (ValueError, RecursionError) as error:
        say_damaged(path, str(error))
        return None
    return Artefact(content, known)


def read_as(path: Path, kind: Callable[[Artefact], T]) -> T | None:
    """What `kind` makes of what was written there; None as of `read_artefact`, and where `kind` cannot read it."""
    found = read_artefact(path)
    if found is None:
        return None
    try:
        return kind(found)
    except UNREADABLE as error:
        say_damaged(path, repr(error))
        return None


def say_damaged(path: Path, why: str) -> None:
    """Says that a kept file cannot be used."""
    _LOG.warning("%s is damaged (%s), and is made again.", path, why)


def _checksum(path: Path, body: bytes) -> bytes:
    digest = hashlib.sha256(path.name.encode() + b"\n")
    digest.update(body)
    return digest.hexdigest().encode()

"""Other files of the same task, tested beside the model: `NAME=FILE`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seatrial.errors import UsageError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Words of conditions and tables for files of the model's own.
_TAKEN = re.compile(r"fp32|qdq(-.*)?")


def check_variant_name(name: str) -> None:
    """UsageError for what is no name of a variant."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a variant: small letters, digits and . _ - alone, a letter or a digit first."
        )
    if _TAKEN.fullmatch(name):
        raise UsageError(f"--variant {name}: that name is taken. Give another: --variant NAME=FILE.")


def named_variant(text: str) -> tuple[str, str]:
    """`NAME=FILE` -> name and file; UsageError for anything else.

    >>> named_variant("vendor=models/int8.onnx")
    ('vendor', 'models/int8.onnx')
    """
    name, equals, file = text.partition("=")
    if not equals or not file:
        raise UsageError(f"--variant {text!r} has no name or no file: give NAME=FILE, as in vendor=vendor_int8.onnx.")
    check_variant_name(name)
    return name, file


def check_variants(texts: Sequence[str]) -> None:
    """UsageError for a malformed one, and a name that is given twice."""
    names = [name for name, _ in map(named_variant, texts)]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--variant {name} is given twice: each file has a name of its own.")


def with_variants(known: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """Those of `known` and `given`, each name once; the file that is given counts.

    >>> with_variants(["a=1.onnx", "b=2.onnx"], ["b=3.onnx", "c=4.onnx"])
    ('a=1.onnx', 'b=3.onnx', 'c=4.onnx')
    """
    check_variants(given := tuple(given))
    files = dict(map(named_variant, (*known, *given)))
    return tuple(f"{name}={file}" for name, file in files.items())

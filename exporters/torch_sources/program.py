"""`.pt2`: a program that torch.export saved, loaded without running anything that the file brings along.

The format is more than data: an archive may hold pickles and compiled libraries, its symbolic sizes are evaluated as
Python and its nodes name functions to call. So everything in it is checked against what an exported image classifier
needs, before PyTorch reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.errors import BadInputError
from seatrial.exporters.torch_sources.runtime import need, quiet
from seatrial.files import ZIP_ERRORS, no_file

_MAX_JSON_BYTES = 256 << 20
_MEMBERS = re.compile(
    r"[^/]+/(\.data/\w+|\.format_version|\.storage_alignment|archive_format|archive_version|byteorder|version"
    r"|models/[\w.-]+\.json|sample_inputs/[\w.-]+\.pt|data/sample_inputs/[\w.-]+\.pt|extra/[\w.-]+"
    r"|data/weights/(weight_\d+|[\w.-]+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|[\w.-]+_constants_config\.json))"
)
# What a node may call; of aten everything but the few operators that touch files.
_CALL = re.compile(
    r"torch\.ops\.aten\.(?!from_file|save|load)\w+(\.\w+)?"
    r"|torch\.ops\.(prims|quantized_decomposed|higher_order)\.\w+(\.\w+)?"
    r"|_operator\.(getitem|add|sub|mul|neg|floordiv|truediv|mod|pow|eq|ne|lt|le|gt|ge|and_|or_)"
    r"|torch\.sym_(int|float|not|min|max|ite|sum)|math\.(ceil|floor|trunc)"
)
# Sizes are sums, products and quotients of symbols, as in Add(Integer(1), Symbol('s77', positive=True, integer=True)).
_TOKEN = re.compile(r"'\w*'|\w+(?:\.\d+)?|[-+*/(),= ]|.", re.DOTALL)
_WORD = re.compile(r"'[su]\d+'|[su]\d+|\d+(\.\d+)?|[-+*/(),= ]")
_FUNCTION = re.compile(
    r"Symbol|Integer|Rational|Float|Add|Mul|Max|Min|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|ModularIndexing|Where"
    r"|Eq|Ne|Lt|Le|Gt|Ge|TruncToInt|CeilToInt|FloorToInt|ToFloat|floor|ceiling"
    r"|True|False|positive|integer|nonnegative|evaluate|precision"
)


def module_from_program(path: Path) -> tuple[Any, int | None]:
    """The nn.Module of an ExportedProgram, and the batch that it is frozen at, None if free.

    Raises BadInputError for a damaged file, one that holds more than a program, and one that was exported in training
    mode. Archives of PyTorch before 2.8 have another layout and are refused.
    """
    torch = need("torch")
    check_archive(path)
    try:
        with quiet(), _tensors_only():
            program = torch.export.load(path)
    except Exception as error:  # the reader raises whatever it meets
        raise BadInputError(f"{path} does not load as a torch.export program: {str(error).strip()[:300]}") from error
    if any(_trains(node) for node in program.graph.nodes):
        raise BadInputError(f"{path} was exported in training mode. Call model.eval() before torch.export.export.")
    # Guards are Python text of the file; the export checks shapes anyway.
    program._guards_code = []
    return program.module(), _frozen_batch(program)


def _trains(node: Any) -> bool:
    # aten's `training` of batch_norm is its sixth argument, `train` of dropout its third.
    position = {"aten.batch_norm.default": 5, "aten.dropout.default": 2}.get(str(node.target))
    return position is not None and len(node.args) > position and node.args[position] is True


def _frozen_batch(program: Any) -> int | None:
    names = program.graph_signature.user_inputs
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            batch = node.meta["val"].shape[0]
            return batch if isinstance(batch, int) else None
    return None


def check_archive(path: Path) -> None:
    """BadInputError for anything in the archive that is not a plain tensor, a known operator or a size expression."""
    if missing := no_file(path, "model file"):
        raise BadInputError(missing)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED or not _MEMBERS.fullmatch(member.filename):
                    raise BadInputError(
                        f"{path} holds {member.filename!r}, which is no part of a plain exported program "
                        "(compiled libraries, pickled objects and archives of PyTorch before 2.8 are not loaded). "
                        "Save it with torch.export.save of PyTorch 2.8 or newer."
                    )
                if member.filename.endswith(".json"):
                    _check_json(path, member, archive)
    except ZIP_ERRORS as error:
        raise BadInputError(f"{path} is not a readable .pt2 archive: {error}.") from error


def _check_json(path: Path, member: zipfile.ZipInfo, archive: zipfile.ZipFile) -> None:
    if member.file_size > _MAX_JSON_BYTES:
        raise BadInputError(f"{path}: {member.filename!r} is absurdly large.")
    try:
        content = json.loads(archive.read(member))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: {member.filename!r} is not JSON: {error}.") from error
    for entry in _objects(content):
        if entry.get("use_pickle"):
            raise BadInputError(f"{path} holds pickled weights, which are not loaded. Save plain tensors.")
        for call in (entry.get("as_operator"), entry["target"] if "inputs" in entry and "target" in entry else None):
            if call is not None and not (isinstance(call, str) and _CALL.fullmatch(call)):
                raise BadInputError(f"{path} calls {str(call)[:80]!r}, which is no operator of an image classifier.")
        expression = entry.get("expr_str")
        if expression is not None and not (isinstance(expression, str) and _is_size(expression)):
            raise BadInputError(f"{path} has the size expression {str(expression)[:80]!r}, which is not evaluated.")


def _is_size(expression: str) -> bool:
    # Powers are left out: a tower of them would be computed when it is read.
    tokens = _TOKEN.findall(expression)
    return "**" not in expression and all(_FUNCTION.fullmatch(token) or _WORD.fullmatch(token) for token in tokens)


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


@contextlib.contextmanager
def _tensors_only() -> Iterator[None]:
    # PyTorch's own switch: whatever a caller asks of torch.load, only tensors are unpickled.
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

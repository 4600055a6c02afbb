"""Writes type stubs of NVIDIA's bindings from the signatures that they carry: `signatures.py MODULE FOLDER`.

FOLDER gets `tensorrt_typing.pyi` with a class `Bindings`, the type of the module itself: its classes lie inside. What
pybind11 does not say is added: sequences of integers become Dims ("Dims behaves like iterables and lists or tuples in
the Python API can be converted to Dims", NVIDIA's documentation), and which classes offer the buffer protocol is read
from the type itself.
"""

import ast
import ctypes
import importlib
import inspect
import keyword
import re
import sys
from pathlib import Path

_HEAD = """# mypy: ignore-errors
from __future__ import annotations
from collections.abc import Sequence
from typing import Any, Callable, ClassVar, Iterable, Iterator, SupportsFloat, SupportsIndex, SupportsInt, overload
from typing_extensions import Buffer
"""
_PREFIX = re.compile(r"\btensorrt(?:_rtx)?_bindings\.tensorrt(?:_rtx)?\.")
# A class that was not yet registered when the signature was made is named as in C++: nvonnxparser::IParserError.
_CPP = re.compile(r"\b(?:\w+::)+(\w+)")
_CPP_NAMES = {"IParser": "OnnxParser", "IParserError": "ParserError"}
_DEFAULT = re.compile(r"<[^<>]*>")
# These give None where they fail; their signatures do not say so in every version.
_NULLABLE = ("build_serialized_network", "deserialize_cuda_engine", "create_execution_context")
_BF_GETBUFFER = 20  # position of tp_as_buffer among the pointers of a PyTypeObject


def stub_of(module):
    """The text of the stub."""
    classes = {name for name, value in vars(module).items() if isinstance(value, type)}
    lines = [_HEAD, "class Bindings:"]
    for name, value in vars(module).items():
        if name.startswith("_") and name != "__version__":
            continue
        kind = type(value).__name__
        if isinstance(value, type):
            lines += _class(value, "    ")
        elif inspect.isroutine(value):
            lines += ["    @staticmethod", f"    def {name}({_loose(value)}) -> Any: ..."]
        elif kind in classes or isinstance(value, (str, int)):
            lines.append(f"    {name}: {kind}")
    inside = re.compile(rf"(: |-> |\[|\| |, )({'|'.join(sorted(classes, key=len, reverse=True))})\b")
    return "\n".join(inside.sub(r"\1Bindings.\2", line) for line in lines) + "\n"


def _class(cls, indent):
    bases = [base.__qualname__ for base in cls.__bases__ if not base.__module__.startswith(("pybind11", "builtins"))]
    inherits = f"({', '.join(bases)})" if bases else ""
    yield f"{indent}class {cls.__name__}{inherits}:"
    inner = indent + "    "
    members = getattr(cls, "__members__", {})
    for member in members:
        yield f"{inner}{member if not keyword.iskeyword(member) else member + '_'}: ClassVar[{cls.__qualname__}]"
    if members:
        yield f"{inner}__members__: ClassVar[dict[str, {cls.__qualname__}]]"
        yield f"{inner}name: str"
    if _gives_buffer(cls):
        yield f"{inner}def __buffer__(self, flags: int, /) -> memoryview: ..."
    for name, value in vars(cls).items():
        if name in members or (name in ("__members__", "name") and members) or keyword.iskeyword(name):
            continue
        if isinstance(value, type):
            yield from _class(value, inner)
        elif isinstance(value, property):
            yield from _property(name, value, inner)
        elif name in (
            "__enter__",
            "__exit__",
            "__doc__",
            "__module__",
            "__getstate__",
            "__setstate__",
            "__eq__",
            "__ne__",
        ):
            continue
        elif inspect.isroutine(value) or type(value).__name__ in ("instancemethod", "staticmethod"):
            yield from _method(name, getattr(cls, name), isinstance(value, staticmethod), inner)
    yield f"{inner}..."


def _method(name, function, static, indent):
    found = [parsed for line in _signatures(name, function.__doc__) if (parsed := _parsed(line, not static))]
    for parameters, result in found or [
        ("*args: Any, **kwargs: Any" if static else "self, *args: Any, **kw: Any", "Any")
    ]:
        if name in _NULLABLE and "None" not in result:
            result += " | None"
        if len(found) > 1:
            yield f"{indent}@overload"
        if static:
            yield f"{indent}@staticmethod"
        yield f"{indent}def {name}({parameters}) -> {'None' if name == '__init__' else result}: ..."


def _property(name, value, indent):
    getter = _parsed(f"f{(value.fget.__doc__ or '').strip().splitlines()[0]}" if value.fget.__doc__ else "", True)
    kind = getter[1] if getter else "Any"
    yield f"{indent}@property"
    yield f"{indent}def {name}(self) -> {kind}: ..."
    if value.fset is not None:
        yield f"{indent}@{name}.setter"
        yield f"{indent}def {name}(self, value: {kind}) -> None: ..."


def _signatures(name, documentation):
    for line in (documentation or "").splitlines():
        if re.match(rf"\s*(\d+\. )?{re.escape(name)}\(", line) and " -> " in line and "*args, **kwargs" not in line:
            yield re.sub(r"^\s*(\d+\. )?", "", line)


def _parsed(line, bound):
    """Parameters and result of one of pybind11's signatures; None for what is not Python."""
    text = _DEFAULT.sub("...", _PREFIX.sub("", line))
    text = _CPP.sub(lambda found: _CPP_NAMES.get(found[1], found[1]), text)
    try:
        function = ast.parse(f"def {text}: ...").body[0]
    except SyntaxError:
        return None
    given = function.args.args
    defaults = [None] * (len(given) - len(function.args.defaults)) + function.args.defaults
    parameters = ["self"] if bound else []
    for argument, default in list(zip(given, defaults, strict=True))[bound:]:
        kind = _type(argument.annotation, parameter=True)
        if isinstance(default, ast.Constant) and default.value is None:
            kind += " | None"
        parameters.append(f"{argument.arg}: {kind}{'' if default is None else ' = ...'}")
    return ", ".join(parameters), _type(function.returns, parameter=False)


def _type(annotation, parameter):
    if annotation is None:
        return "Any"
    text = ast.unparse(annotation)
    if parameter and text == "Dims":
        return "Dims | Sequence[int]"
    text = re.sub(r"\b(typing|typing_extensions|collections\.abc)\.", "", text)
    text = re.sub(r"\bbuffer\b", "Buffer", text)
    known = re.fullmatch(r"[\w.\[\], |]+", text) and not re.search(
        r"\b(capsule|handle|numpy|object|List|Dict|Tuple)\b", text
    )
    return text if known else "Any"


def _loose(function):
    try:
        names = [
            f"{name}: Any" + ("" if parameter.default is parameter.empty else " = ...")
            for name, parameter in inspect.signature(function).parameters.items()
        ]
        return ", ".join(names)
    except ValueError:
        return "*args: Any, **kwargs: Any"


def _gives_buffer(cls):
    slots = ctypes.cast(id(cls), ctypes.POINTER(ctypes.c_void_p))
    procedures = slots[_BF_GETBUFFER]
    return bool(procedures and ctypes.cast(procedures, ctypes.POINTER(ctypes.c_void_p))[0])


if __name__ == "__main__":
    Path(sys.argv[2], "tensorrt_typing.pyi").write_text(stub_of(importlib.import_module(sys.argv[1])))

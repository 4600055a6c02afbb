"""Specs as JSON values, and back: what a run directory keeps, and another process runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from seatrial.errors import BadInputError
from seatrial.harness.spec.attacks import named_surrogate
from seatrial.harness.spec.run import RunSpec

Spec = TypeVar("Spec")


def to_dict(spec: Any) -> dict[str, Any]:
    """JSON values of any spec, or part of one."""
    values: dict[str, Any] = _adapter(type(spec)).dump_python(spec, mode="json")
    return values


def from_dict(kind: type[Spec], values: Any) -> Spec:
    """The inverse of `to_dict`. BadInputError for unknown fields and values of another type, UsageError for values that
    none can be.
    """
    from pydantic import ValidationError

    try:
        spec: Spec = _adapter(kind).validate_json(json.dumps(values), strict=True)
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        raise BadInputError(f"This is no {kind.__name__}: {_spelled(error)}.") from error
    unknown = _unknown(values, to_dict(spec))
    if unknown:
        raise BadInputError(f"A {kind.__name__} has no {', '.join(unknown)}: another version of seatrial wrote it.")
    return spec


def anywhere(spec: RunSpec) -> RunSpec:
    """The same spec with all paths made absolute, so that it means the same in another folder."""
    source, conditions, attacks = spec.source, spec.conditions, spec.attacks
    return dataclasses.replace(
        spec,
        source=dataclasses.replace(
            source, model=_model(source.model), weights=_path(source.weights), classes=_path(source.classes)
        ),
        images=dataclasses.replace(spec.images, data=_data(spec.images.data)),
        calibration=dataclasses.replace(spec.calibration, data=_data(spec.calibration.data)),
        conditions=dataclasses.replace(conditions, frost_textures=_path(conditions.frost_textures)),
        attacks=dataclasses.replace(attacks, surrogates=tuple(map(_surrogate, attacks.surrogates))),
        out=_path(spec.out),
        reuse=_path(spec.reuse),
    )


def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter  # a tenth of a second, which not every command needs

    return TypeAdapter(kind)


def _unknown(given: Any, known: Any, at: str = "") -> list[str]:
    if not isinstance(given, dict) or not isinstance(known, dict):
        return []
    found = [f"{at}{name}" for name in given if name not in known]
    for name in given.keys() & known.keys():
        found.extend(_unknown(given[name], known[name], f"{at}{name}."))
    return found


def _spelled(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error) or type(error).__name__
    first = errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"


def _path(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _data(source: str | None) -> str | None:
    return str(Path(source).absolute()) if source is not None and Path(source).exists() else source


def _model(source: str) -> str:
    """A file, also one with a name in it behind a colon."""
    file, colon, name = source.rpartition(":")
    if colon and not Path(source).exists() and Path(file).exists():
        return f"{Path(file).absolute()}:{name}"
    return str(_data(source))


def _surrogate(text: str) -> str:
    name, model = named_surrogate(text)
    return f"{name}={_model(model)}"

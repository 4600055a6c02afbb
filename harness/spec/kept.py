"""Specs as JSON values, and back: what a run directory keeps, and another process runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from seatrial.engines.boards import Board
from seatrial.errors import BadInputError, UsageError
from seatrial.exporters.sources import absolute_source
from seatrial.harness.spec.attacks import named_surrogate
from seatrial.harness.spec.model import DEMO
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.variants import named_variant
from seatrial.harness.spec.work import THREADS

Spec = TypeVar("Spec")
SCHEMA = 1
_ADAPTERS: dict[type, Any] = {}  # making one takes longer than using it


def to_dict(spec: Any) -> dict[str, Any]:
    """JSON values of any spec, paths as they are given; UsageError for a name that JSON cannot hold."""
    values = _values(spec)
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        name = error.object[: error.start].rpartition('"')[2] + error.object[error.start :].partition('"')[0]
        raise UsageError(f"{name!r} is not UTF-8, and cannot be written down. Rename it.") from error
    return {"schema": SCHEMA, **values}


def from_dict(kind: type[Spec], values: Any) -> Spec:
    """The inverse of `to_dict`; what is missing has its default. BadInputError for another schema, unknown fields and
    values of another type, UsageError for values that none can be.
    """
    from pydantic import ValidationError

    if not isinstance(values, dict):
        raise BadInputError(f"This is no {kind.__name__}: it is no JSON object.")
    schema = values.get("schema")
    if type(schema) is not int:
        raise BadInputError(f"This is no {kind.__name__}: it has no schema number.")
    if schema != SCHEMA:
        raise BadInputError(f"This {kind.__name__} has schema {schema}; this version of seatrial reads {SCHEMA}.")
    fields = {name: value for name, value in values.items() if name != "schema"}
    try:
        spec: Spec = _adapter(kind).validate_json(json.dumps(fields, allow_nan=False), strict=True)
    except (ValidationError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise BadInputError(f"This is no {kind.__name__}: {_spelled(error)}.") from error
    unknown = _unknown(fields, _values(spec))
    if unknown:
        raise BadInputError(f"A {kind.__name__} has no {', '.join(unknown)}: another version of seatrial wrote it.")
    return spec


def anywhere(spec: RunSpec) -> RunSpec:
    """The same spec with all paths made absolute, so that it means the same in another folder. Of boards stays what
    shapes their timing: how they are reached, what is run for them, and where else trials run, is the business of
    whoever runs, and so is where endpoints are, which may get a token.
    """
    source, conditions, attacks = spec.source, spec.conditions, spec.attacks
    return dataclasses.replace(
        spec,
        source=dataclasses.replace(
            source,
            model=_model(source.model),
            weights=_path(source.weights),
            classes=_path(source.classes),
            float_model=None if source.float_model is None else absolute_source(source.float_model),
            variants=tuple(map(_variant, source.variants)),
        ),
        images=dataclasses.replace(spec.images, data=_data(spec.images.data)),
        calibration=dataclasses.replace(spec.calibration, data=_data(spec.calibration.data)),
        conditions=dataclasses.replace(conditions, frost_textures=_path(conditions.frost_textures)),
        attacks=dataclasses.replace(attacks, surrogates=tuple(map(_surrogate, attacks.surrogates))),
        boards={
            name: Board(name, cool_down=board.cool_down, power_command=board.power_command)
            for name, board in spec.boards.items()
        },
        work=dataclasses.replace(spec.work, executor=THREADS),
        endpoints={},
        out=_path(spec.out),
        reuse=_path(spec.reuse),
        baseline=_path(spec.baseline),
    )


def _values(spec: Any) -> dict[str, Any]:
    values: dict[str, Any] = _adapter(type(spec)).dump_python(spec, mode="json")
    return values


def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter  # a tenth of a second, which not every command needs

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _unknown(given: Any, known: Any, at: str = "") -> list[str]:
    """Paths of the fields that only `given` has; pydantic passes over those of standard dataclasses."""
    if isinstance(given, list) and isinstance(known, list):
        pairs = [(f"{at}{index}.", *pair) for index, pair in enumerate(zip(given, known, strict=True))]
    elif isinstance(given, dict) and isinstance(known, dict):
        pairs = [(f"{at}{name}.", given[name], known[name]) for name in given if name in known]
    else:
        return []
    found = [f"{at}{name}" for name in given if name not in known] if isinstance(given, dict) else []
    for path, one, other in pairs:
        found.extend(_unknown(one, other, path))
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
    if source is None or source == DEMO or not Path(source).exists():
        return source
    return str(Path(source).absolute())


def _model(source: str) -> str:
    return source if source == DEMO else absolute_source(source)


def _variant(text: str) -> str:
    name, file = named_variant(text)
    return f"{name}={absolute_source(file)}"


def _surrogate(text: str) -> str:
    name, model = named_surrogate(text)
    return f"{name}={_model(model)}"

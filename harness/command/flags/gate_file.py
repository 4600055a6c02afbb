"""A gate as YAML: the name of a check, and its limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError
from seatrial.harness.records.environment import describe_environment
from seatrial.harness.spec.gate import LIMITS, Asked, Limit
from seatrial.harness.spec.yaml_file import read_yaml
from seatrial.text import choices

_BINDING = {True: "yes", False: "no"}  # YAML's own words


def read_gate(path: Path) -> tuple[Asked, ...]:
    """The limits, those of single targets last; UsageError, with the place, for what is none."""
    content = read_yaml(path, "--gate", "a gate")
    if not isinstance(content, dict):
        raise UsageError(f"--gate {path} is not a mapping of checks to limits, as in `recovery: 99`.")
    targets = content.pop("targets", {})
    if not isinstance(targets, dict) or not all(isinstance(limits, dict) for limits in targets.values()):
        example = "`'*/int4*': {recovery: 97}`"
        raise UsageError(f"--gate {path}: targets is a mapping of patterns to limits, as in {example}.")
    found = _limits(content, "*", f"--gate {path}")
    for pattern, limits in targets.items():
        found.extend(_limits(limits, str(pattern), f"--gate {path}, targets, {pattern}"))
    return tuple(found)


def _limits(content: dict[Any, Any], targets: str, where: str) -> list[Asked]:
    found = []
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in LIMITS:
            raise UsageError(f"{where}: there is no check {key!r}. {choices(name, LIMITS)}")
        try:
            found.append(Asked(name, _limit(value, LIMITS[name].default), targets))
            _placed(found[-1])
        except UsageError as error:
            raise UsageError(f"{where}, {name}: {error}") from None
    return found


def _placed(asked: Asked) -> None:
    """An absolute limit names its place: 12 ms mean nothing without the device."""
    limit = asked.limit
    if not LIMITS[asked.name].absolute or limit.value is None or limit.place is not None:
        return
    here = describe_environment()["processor"]
    line = f"{asked.name}: {{limit: {limit.value:g}, place: {json.dumps(here or 'NAME*')}}}"
    raise UsageError(
        "it holds on one place alone. Name the processor, the GPU or the board that it was set for, as a pattern; "
        f"for this machine ({here or 'whose processor has no name'}): `{line}`."
    )


def _limit(value: Any, default: Limit) -> Limit:
    """A number; null, and it is not asked; or `{limit: 5, binding: failures, place: "Intel*"}`, of which each may be
    left out.
    """
    if not isinstance(value, dict):
        return Limit(_number(value), default.binding)
    if not value or not value.keys() <= {"limit", "binding", "place"}:
        raise UsageError(f"{value} is not understood; it has a `limit`, a `binding`, a `place`, or some of them.")
    binding = value.get("binding", default.binding)
    if isinstance(binding, bool):
        binding = _BINDING[binding]
    if not isinstance(binding, str):
        raise UsageError(f"binding is {binding!r}; it is yes, failures or no.")
    place = value.get("place")
    if place is not None and not isinstance(place, str):
        raise UsageError(f'place is {place!r}; it is a pattern, as in "Intel*Xeon*".')
    number = _number(value["limit"]) if "limit" in value else default.value
    return Limit(number, binding, place)  # type: ignore[arg-type]


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{value!r} is not a number, nor null for a check that is not asked.")
    return float(value)

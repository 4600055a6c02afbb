"""The machine before, during and after the timing, as far as its system tells."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from seatrial.harness.records.timing import at_place
from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.report.places import asked_from_here
from seatrial.harness.typeset.page import Heading, Table, note


@dataclasses.dataclass(frozen=True)
class _Numbers:
    values: tuple[float, ...]
    unit: str


@dataclasses.dataclass(frozen=True)
class _Words:
    words: tuple[str, ...]


_Fact = _Numbers | _Words


def machine(shown: Shown) -> Markup | None:
    """The run's own, then the boards'; None where nothing was read."""
    found = [_at(shown, board) for board in dict.fromkeys((None, *timed.boards(shown.summary)))]
    return together(*found) if any(found) else None


def _at(shown: Shown, board: str | None) -> Markup | None:
    there, summed = at_place(shown.timing, board), timed.machines(shown.summary).get(board) or {}
    told = there.get("machine") or summed
    readings = {
        "before": [told["before"]] if told.get("before") else [],
        "during": told["during"] if isinstance(told.get("during"), Sequence) else [],
        "after": [told["after"]] if told.get("after") else [],
    }
    facts = {when: _together(found) for when, found in readings.items()}
    names = list(dict.fromkeys(name for found in facts.values() for name in found))
    rows = [[name, *(_spelled(found.get(name)) for found in facts.values())] for name in names]
    place = there.get("place") or summed.get("place") or {}
    about = [str(place[key]) for key in ("name", "model", "processor") if place.get(key)]
    about += [f"{place['cores']} cores"] if place.get("cores") else []
    headings = [Heading("what"), *(Heading(when, figures=False) for when in facts)]
    who = f"The machine that asks {board}," if asked_from_here(shown.summary, board) else board or "The machine"
    table = Table(f"{who} before, during and after", headings, rows, sortable=False, folded=False)
    if not rows and not about:
        return None
    return together(
        note(", ".join(about)) if about else None,
        table,
        note("What the system does not tell is left out.") if rows else None,
    )


def _together(readings: Sequence[Values]) -> dict[str, _Fact]:
    found: dict[str, _Fact] = {}
    for reading in readings:
        for name, fact in _facts(reading):
            found[name] = _joined(found[name], fact) if name in found else fact
    return found


def _joined(one: _Fact, other: _Fact) -> _Fact:
    if isinstance(one, _Numbers) and isinstance(other, _Numbers):
        return _Numbers((*one.values, *other.values), other.unit)
    if isinstance(one, _Words) and isinstance(other, _Words):
        return _Words(tuple(dict.fromkeys((*one.words, *other.words))))
    return other


def _spelled(fact: _Fact | None) -> str:
    if fact is None:
        return "-"
    if isinstance(fact, _Words):
        return ", ".join(fact.words) or "none"
    low, high = _plain(min(fact.values)), _plain(max(fact.values))
    return f"{low if low == high else f'{low} to {high}'}{fact.unit}"


def _plain(value: Any) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


# Key, what it is, and its unit.
_NUMBERS = (
    ("mhz", "clock", " MHz"),
    ("memory_mhz", "clock of its memory", " MHz"),
    ("celsius", "temperature", " °C"),
)


def _facts(reading: Values) -> Iterator[tuple[str, _Fact]]:
    """Each with its name; what is not told, or is no number where one should be, is missing."""
    yield from _numbers("load of the last minute", _first(reading.get("load")), f" on {reading.get('cores')} cores")
    yield from _numbers("all other processes", reading.get("others"), " % of a core", 100)
    for one in _dicts(reading.get("busiest")):
        share = one.get("share")
        yield from _numbers(f"other process: {one.get('name')}", share, " % of a core", 100)
    if reading.get("affinity"):
        yield "may run on cores", _Words((", ".join(map(str, reading["affinity"])),))
    yield from _words(reading, (("governor", "governor"), ("driver", "driver of the clocks"), ("turbo", "turbo")))
    yield from _numbers("clocks of the cores", reading.get("mhz"), _of(reading.get("mhz_max"), "MHz"))
    for zone, degrees in _items(reading.get("celsius")):
        yield from _numbers(f"temperature, {zone}", degrees, " °C")
    yield from _words(reading, (("throttled", "throttled"),))
    for name, times in _items(reading.get("throttle_counts")):
        yield from _numbers(f"times throttled since boot, {name}", times, "")
    container, memory = _items(reading.get("container")), _items(reading.get("memory"))
    yield from _numbers("time that the container may take", dict(container).get("cores"), " cores")
    yield from _numbers("container stopped for its limit", dict(container).get("throttled_s"), " s")
    yield from _numbers("memory free", dict(memory).get("available_bytes"), " GB", 1e-9)
    for number, gpu in enumerate(_dicts(reading.get("gpus"))):
        for what, fact in _of_gpu(gpu):
            yield f"GPU {number}, {gpu.get('name')}: {what}", fact
    jetson = dict(_items(reading.get("jetson")))
    yield from _words(jetson, (("power_mode", "power mode"), ("jetson_clocks", "jetson_clocks")))
    yield from _numbers("Jetson's GPU, clock", jetson.get("gpu_mhz"), _of(jetson.get("gpu_mhz_max"), "MHz"))
    for rail, watts in _items(jetson.get("rails_watts")):
        yield from _numbers(f"power, {rail}", watts, " W")
    yield from _words(dict(_items(reading.get("raspberry_pi"))), (("throttled", "Raspberry Pi, throttled"),))


def _of_gpu(gpu: Values) -> Iterator[tuple[str, _Fact]]:
    for key, what, unit in _NUMBERS:
        yield from _numbers(what, gpu.get(key), unit)
    yield from _numbers("power", gpu.get("watts"), _of(gpu.get("power_limit_watts"), "W"))
    yield from _numbers("memory in use", gpu.get("used_bytes"), " GB", 1e-9)
    yield from _words(gpu, (("throttle", "throttled"),))


def _numbers(name: str, told: Any, unit: str, by: float = 1) -> Iterator[tuple[str, _Fact]]:
    values = tuple(value * by for value in (told if isinstance(told, list) else [told]) if _is_number(value))
    if values:
        yield name, _Numbers(values, unit)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _of(most: Any, unit: str) -> str:
    return f" of {_plain(most)} {unit}" if _is_number(most) else f" {unit}"


def _first(told: Any) -> Any:
    return told[0] if isinstance(told, list) and told else None


def _dicts(told: Any) -> list[Values]:
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _items(told: Any) -> list[tuple[str, Any]]:
    return list(told.items()) if isinstance(told, dict) else []


def _words(found: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> Iterator[tuple[str, _Fact]]:
    for key, name in names:
        value = found.get(key)
        if isinstance(value, bool):
            yield name, _Words(("on" if value else "off",))
        elif isinstance(value, list):
            yield name, _Words(tuple(map(str, value)))
        elif value is not None:
            yield name, _Words((str(value),))

"""On which hardware each engine, version and precision has really run: `hardware.json`, filled from archives."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seatrial.engines.cpu import Processor
from seatrial.engines.precision import PRECISIONS
from seatrial.errors import BadInputError
from seatrial.files import read_json

SCHEMA = 1
_FILE = Path(__file__).with_name("hardware.json")
# By compute capability. NVIDIA, "CUDA GPU Compute Capability".
_GENERATIONS = {
    "7.5": "Turing",
    "8.0": "Ampere",
    "8.6": "Ampere",
    "8.7": "Orin",
    "8.9": "Ada",
    "9.0": "Hopper",
    "10.0": "Blackwell",
    "10.3": "Blackwell Ultra",
    "11.0": "Thor",
    "12.0": "RTX Blackwell",
    "12.1": "GB10",
}
# What integers and halves are multiplied with: the first that is there names the family.
_X86 = (("AMX", "amx_int8"), ("VNNI", "avx512_vnni"), ("VNNI", "avx_vnni"), ("AVX-512", "avx512f"), ("AVX2", "avx2"))
_ARM = (("I8MM", "i8mm"), ("DOTPROD", "asimddp"))
# Words that stand in tables and terminals as they are.
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:;()+/@_'-]{0,119}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclasses.dataclass(frozen=True, order=True)
class Ran:
    """One engine at one precision on one kind of hardware, on a day, as in "2026-11-29".

    device: of the engine's manifest, without its number. family: of the hardware, by `gpu_family` or
    `processor_family`; hardware: its name. driver: of a GPU, "" for none. passed: it was built and
    answered as it should. share: of the arithmetic, at the precision; None where the runtime does not show it.
    p50_ms: of one image.
    """

    engine: str
    device: str
    family: str
    precision: str
    version: str
    hardware: str
    driver: str
    date: str
    passed: bool
    share: float | None = None
    p50_ms: float | None = None

    @property
    def what(self) -> tuple[str, str, str, str, str]:
        """Of these the latest counts."""
        return self.engine, self.device, self.family, self.precision, self.version

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


def ran_of(fields: Any) -> Ran:
    """The inverse of `to_dict`, for what anybody may have written: ValueError that says what is wrong."""
    if not isinstance(fields, Mapping):
        raise ValueError("a run that is no object")
    names = {field.name for field in dataclasses.fields(Ran)}
    if set(fields) != names:
        raise ValueError(f"a run with the fields {sorted(map(str, fields))[:20]} instead of {sorted(names)}")
    for name in ("engine", "device"):
        _check(isinstance(fields[name], str) and _NAME.fullmatch(fields[name]), name, fields[name])
    for name in ("family", "version", "hardware"):
        _check(isinstance(fields[name], str) and _WORDS.fullmatch(fields[name]), name, fields[name])
    driver = fields["driver"]
    _check(isinstance(driver, str) and (driver == "" or _WORDS.fullmatch(driver)), "driver", driver)
    _check(isinstance(fields["precision"], str) and fields["precision"] in PRECISIONS, "precision", fields["precision"])
    _check(isinstance(fields["passed"], bool), "passed", fields["passed"])
    _check(_is_day(fields["date"]), "date", fields["date"])
    _check(_is_number(fields["share"], 1.0), "share", fields["share"])
    _check(_is_number(fields["p50_ms"], 1e7), "p50_ms", fields["p50_ms"])
    return Ran(**fields)


def runs_of(told: Any, most: int = 100_000) -> list[Ran]:
    """Those of a JSON document; ValueError where it is none of ours."""
    if not isinstance(told, Mapping) or told.get("schema") != SCHEMA or not isinstance(told.get("runs"), list):
        raise ValueError(f"no object of schema {SCHEMA} with a list of runs")
    if len(told["runs"]) > most:
        raise ValueError(f"{len(told['runs'])} runs; at most {most} are read")
    return [ran_of(fields) for fields in told["runs"]]


@functools.cache
def known_runs() -> tuple[Ran, ...]:
    """All that the package knows; BadInputError where its file is damaged."""
    try:
        return tuple(runs_of(read_json(_FILE)))
    except ValueError as error:
        raise BadInputError(f"{_FILE} does not tell what has run: {error}.") from error


def latest(runs: Iterable[Ran]) -> list[Ran]:
    """One run of each engine, device, family, precision and version: that of the last day, in their order."""
    found: dict[tuple[str, ...], Ran] = {}
    for ran in sorted(runs, key=lambda one: (one.date, one.passed)):
        found[ran.what] = ran
    return sorted(found.values(), key=lambda one: (*one.what[:3], one.version, one.precision))


def last_run(
    runs: Iterable[Ran], engine: str, device: str, precision: str, family: str | None, version: str | None
) -> Ran | None:
    """The last of a target on such hardware: of this version where there is one, else of another; None for none."""
    found = [
        one
        for one in runs
        if (one.engine, one.device, one.precision, one.family) == (engine, device, precision, family)
    ]
    return max(found, key=lambda one: (one.version == version, one.date, one.passed), default=None)


def gpu_family(compute_capability: str | None) -> str | None:
    """In words, "Ada (8.9)" for "8.9"; None for None."""
    if compute_capability is None:
        return None
    return f"{_GENERATIONS.get(compute_capability, 'compute capability')} ({compute_capability})"


def processor_family(processor: Processor) -> str:
    """By what it multiplies integers with: "x86-64 with VNNI"."""
    table, machine = (_X86, "x86-64") if processor.is_x86 else (_ARM, processor.machine)
    words = next((word for word, feature in table if feature in processor.features), None)
    return machine if words is None else f"{machine} with {words}"


def _check(holds: object, name: str, value: object) -> None:
    if not holds:
        raise ValueError(f"a run whose {name} is {value!r:.80}")


def _is_day(value: Any) -> bool:
    try:
        day = datetime.date.fromisoformat(value)
    except (ValueError, TypeError):
        return False
    return day.isoformat() == value and day.year >= 2020


def _is_number(value: Any, most: float) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most
    )

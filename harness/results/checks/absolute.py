"""Checks of times, rates and energy, which mean something on the place alone that their limits were set for."""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.results.check import Answer, Check, Interval, at_least, at_most
from seatrial.harness.spec.gate import LIMITS, Limit

Values = Mapping[str, Any]

_PERCENTILES = {"latency_p50": 50, "latency_p90": 90, "latency_p99": 99}
_TITLES = {"throughput": "throughput", "server_rate": "server rate", "energy": "energy"}


@dataclasses.dataclass(frozen=True)
class _Measured:
    """value, interval: None where they are not known, and then `says` is why. least: more is better. decides: what
    would decide where the interval holds the limit.
    """

    value: float | None
    interval: Interval | None
    says: str = ""
    least: bool = False
    decides: str = "it lies at the limit, as far as can be told"


def absolute(name: str, target: str, figures: Values, limit: Limit, here: Sequence[str]) -> Check:
    """Inconclusive on another place than the limit's, and where the samples do not carry the figure.

    figures: `latency` and `energy`, as in summary.json. here: names of the place where the target was timed.
    """
    assert limit.value is not None
    title = _TITLES.get(name) or name.replace("_", " ")
    found = _measured(name, figures, limit.value)
    answer: Answer = "inconclusive"
    if (elsewhere := _elsewhere(name, limit, here)) is not None:
        says = f"{title} is not judged: {elsewhere}"
    elif found.value is None or found.interval is None:
        says = f"{title} is not known: {found.says}"
    else:
        answer = (at_least if found.least else at_most)(limit.value, found.interval)
        asked = f"at least {limit.value:g} should be" if found.least else f"at most {limit.value:g} may be"
        says = f"{title} is {found.value:.4g} {LIMITS[name].unit}{_spelled(found.interval)}; {asked}"
        says += f": {found.decides}" if answer == "inconclusive" else ""
    return Check(
        name=title,
        target=target,
        answer=answer,
        says=says,
        measured=found.value,
        interval=found.interval,
        limit=limit.value,
        unit=LIMITS[name].unit,
        binding=limit.binding,
    )


def at_place(pattern: str, here: Sequence[str]) -> bool:
    """Whether one of the names fits; upper and lower case are the same.

    >>> at_place("Intel*Xeon*", ["Intel(R) Xeon(R) CPU @ 2.20GHz"])
    True
    """
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for name in here)


def _elsewhere(name: str, limit: Limit, here: Sequence[str]) -> str | None:
    told = ", ".join(here)
    if limit.place is None:
        line = f'{name}: {{limit: {limit.value:g}, place: "{here[0] if here else "NAME*"}"}}'
        return f"the gate does not say which place its limit was set for. Here ({told or 'unknown'}): {line}"
    if not here:
        return f"the limit was set for {limit.place}, and it is not known where this ran"
    if at_place(limit.place, here):
        return None
    return f"the limit was set for {limit.place}, and this ran on {told}"


def _measured(name: str, figures: Values, limit: float) -> _Measured:
    latency = figures.get("latency") or {}
    if name in _PERCENTILES:
        return _percentile(_PERCENTILES[name], latency.get("single_stream") or {}, limit)
    if name == "throughput":
        return _throughput(latency.get("offline"))
    return _server(latency.get("server")) if name == "server_rate" else _energy(figures.get("energy") or {})


def _percentile(percent: int, stream: Values, limit: float) -> _Measured:
    value, samples, needed = stream.get(f"p{percent}_ms"), stream.get("samples", 0), minimum(percent)
    span = (stream.get("ci95") or {}).get(f"p{percent}_ms")
    if value is None or span is None:
        were = "was" if samples == 1 else "were"
        return _Measured(value, None, f"{needed} queries are needed, {samples} {were} timed (--duration, --starts)")
    low, high = span
    # Intervals become narrower with the root of the number.
    apart, half = abs(limit - value), (high - low) / 2
    more = math.ceil(samples * (half / apart) ** 2) if apart > 0 else None
    if more is None or more > 1000 * samples:
        return _Measured(value, (low, high))
    digits = max(0, len(str(more)) - 2)
    about = max(round(more, -digits), samples + 1)
    says = f"{samples:,} queries; about {about:,} would decide (--duration, --starts)"
    return _Measured(value, (low, high), decides=says)


def _throughput(offline: Values | None) -> _Measured:
    if offline is None:
        return _Measured(None, None, f"{_asked('offline')} was not timed", least=True)
    span = offline.get("ci95")
    if span is None:
        return _Measured(offline["images_per_s"], None, "one start tells no interval (--starts)", least=True)
    return _Measured(
        offline["images_per_s"], (span[0], span[1]), least=True, decides="more starts would decide (--starts)"
    )


def _server(server: Values | None) -> _Measured:
    if server is None:
        return _Measured(None, None, f"{_asked('server')} was not timed", least=True)
    rate, ends = server.get("queries_per_s"), server.get("ends")
    if rate is None or ends is None:
        # No rate keeps it: all that was tried was too much.
        tried = [float(one["rate"]) for one in server.get("tried") or ()]
        return _Measured(0.0, (0.0, min(tried, default=0.0)), least=True)
    # The rate itself keeps the bound, so that the target answers as many as that.
    return _Measured(rate, (rate, ends[1]), least=True, decides="the rates that were tried lie on both sides of it")


def _energy(meters: Mapping[str, Values]) -> _Measured:
    known = {name: one["joules_per_image"] for name, one in meters.items() if one.get("joules_per_image") is not None}
    if not known:
        return _Measured(None, None, "no meter counted long enough (--power-command, --duration)")
    most = max(known.values())
    return _Measured(most, (most, most))


def _asked(scenario: str) -> str:
    assert scenario in SCENARIOS
    return f"--scenario {scenario}"


def _spelled(interval: Interval) -> str:
    low, high = (f"{end:.4g}" for end in interval)
    return "" if low == high else f" ({low} to {high})"

"""What changed on a machine, or is wrong with it, while something was timed on it: in sentences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seatrial.engines.machine.shape import as_reading

# Of the clock before: boost comes and goes within a tenth.
CLOCK_FELL = 0.1
# Of a core: what someone started. A system's own services take less, or only for a moment, which a look that is shorter
# than this, in seconds, cannot tell from all the time; then it counts where another look has met it, too.
BUSY, LOOK_S = 0.25, 1.0
# Of each core, by all others together: the services of a large machine add up.
BUSY_TOGETHER = 0.05
_NAMED = 4
# Of what a machine's processors can do: settings leave a hundredth to rounding.
_ROUNDING = 0.99
_STEP = re.compile(r", step \d+( of \d+)?")

Reading = Mapping[str, Any]


def changes(before: Reading, during: Sequence[Reading], after: Reading, *, threads: int | None = None) -> list[str]:
    """Sentences, none for a calm machine: on what slowed it, on what changed, on what makes its times less sure.

    before, during, after: readings, in the order of time; what is no reading is taken as one that tells nothing.
    threads: that an engine computes with; None for as many as cores may be used.
    """
    first, last = as_reading(before), as_reading(after)
    readings = [first, *(as_reading(one) for one in during), last]
    return [
        *_settings(first, last),
        *_clocks(readings),
        *_others(readings),
        *_held_down(readings),
        *_gpus(readings),
        *_container(first, last, threads),
        *_counted(first, last),
    ]


def _settings(first: Reading, last: Reading) -> Iterator[str]:
    governor, jetson = first["governor"], first["jetson"] or {}
    if jetson.get("jetson_clocks") is False:
        mode = f" of power mode {jetson['power_mode']}" if jetson.get("power_mode") else ""
        yield f"Clocks follow the load: jetson_clocks does not hold them at the highest{mode}."
    elif governor is not None and governor != "performance" and jetson.get("jetson_clocks") is not True:
        yield f"The governor is {governor}, not performance: clocks follow the load."
    if first["mhz_limit"] and first["mhz_max"] and first["mhz_limit"] < _ROUNDING * first["mhz_max"]:
        yield f"Settings hold the processor's clock at {first['mhz_limit']:.0f} of {first['mhz_max']:.0f} MHz."
    for what, begin, end in (
        ("governor", governor, last["governor"]),
        ("power mode", jetson.get("power_mode"), (last["jetson"] or {}).get("power_mode")),
        ("number of cores", first["cores"], last["cores"]),
        ("cores that may be used", _spelled(first["affinity"]), _spelled(last["affinity"])),
        ("highest clock allowed in MHz", first["mhz_limit"], last["mhz_limit"]),
    ):
        if begin is not None and end is not None and begin != end:
            yield f"The {what} changed from {begin} to {end}."


def _clocks(readings: Sequence[Reading]) -> Iterator[str]:
    """By the fastest core: others may sleep. One reading alone may have met that one asleep, too."""
    fastest = [max(one["mhz"]) for one in readings if one["mhz"]]
    if len(fastest) < 3:
        return
    begin, low = fastest[0], min(map(max, itertools.pairwise(fastest[1:])))
    if begin > 0 and low < (1 - CLOCK_FELL) * begin:
        yield f"The processor's clock fell from {begin:.0f} to {low:.0f} MHz, by {1 - low / begin:.0%}."


def _others(readings: Sequence[Reading]) -> Iterator[str]:
    met: dict[str, list[tuple[float, float]]] = {}
    for one in readings:
        for process in one["busiest"] or ():
            if process["name"] is not None and (process["share"] or 0) >= BUSY:
                met.setdefault(process["name"], []).append((process["share"], one["busiest_s"] or 0.0))
    sure = {name: max(looks)[0] for name, looks in met.items() if len(looks) > 1 or looks[0][1] >= LOOK_S}
    named = [f"`{name}` {share:.2f}" for name, share in sorted(sure.items(), key=lambda pair: -pair[1])]
    if len(named) == 1:
        ((name, share),) = sure.items()
        yield f"Another process, `{name}`, took {share:.2f} of a core."
    elif named:
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        yield f"Other processes took, of a core: {', '.join(named[:_NAMED])}{more}."
    else:
        yield from _together(readings)


def _together(readings: Sequence[Reading]) -> Iterator[str]:
    """Many processes, each of which takes little."""
    busy = [one for one in readings if (one["others"] or 0) >= max(BUSY, BUSY_TOGETHER * (one["cores"] or 1))]
    if len(busy) > 1 or (busy and (busy[0]["busiest_s"] or 0) >= LOOK_S):
        most = max(busy, key=lambda one: float(one["others"]))
        named = [f"`{process['name']}`" for process in most["busiest"] or () if process["name"] is not None]
        among = f", {', '.join(named)} among them" if named else ""
        yield f"Other processes together took {most['others']:.2f} of a core{among}."


def _held_down(readings: Sequence[Reading]) -> Iterator[str]:
    for reason in _each(_STEP.sub("", reason) for one in readings for reason in one["throttled"] or ()):
        yield f"The machine is throttled: {reason}."


def _gpus(readings: Sequence[Reading]) -> Iterator[str]:
    found = []
    for one in readings:
        for gpu in one["gpus"] or ():
            name = gpu["name"] or "GPU"
            found += [f"{name} is throttled: {reason}." for reason in gpu["throttle"] or ()]
            if (gpu["others"] or 0) > 0:
                found.append(f"Other processes compute on {name}.")
    yield from _each(found)


def _container(first: Reading, last: Reading, threads: int | None) -> Iterator[str]:
    granted = (first["container"] or {}).get("cores")
    wanted = threads if threads is not None else len(first["affinity"] or ()) or first["cores"]
    if granted is not None and wanted is not None and granted < wanted:
        yield f"The container grants the time of {granted:g} cores, and {wanted} threads may compute: it stops them."
    stopped = _more(first, last, "container", "throttled_s")
    if stopped:
        yield f"The container's limit stopped its processes for {stopped:.2f} s meanwhile."


def _counted(first: Reading, last: Reading) -> Iterator[str]:
    cores, packages = (_more(first, last, "throttle_counts", name) for name in ("core", "package"))
    if cores or packages:
        times = f"cores {cores or 0}, package {packages or 0} times"
        yield f"The processor throttled itself for its heat meanwhile: {times}."
    swapped = [_more(first, last, "memory", name) for name in ("swapped_in", "swapped_out")]
    if any(swapped):
        yield f"Memory ran short meanwhile: {swapped[0] or 0} pages came back from swap, {swapped[1] or 0} went there."
    boards = [(one["raspberry_pi"] or {}).get("since_boot") for one in (first, last)]
    if boards[0] is not None and boards[1] is not None:
        for reason in boards[1]:
            if reason not in boards[0]:
                yield f"The board's firmware noted meanwhile: {reason}."


def _more(first: Reading, last: Reading, part: str, name: str) -> float | None:
    """How much a counter has grown; None where it is not told, 0 where it began again."""
    begin, end = ((one[part] or {}).get(name) for one in (first, last))
    return None if begin is None or end is None else max(0, end - begin)


def _each(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(sentences))


def _spelled(cores: Sequence[int] | None) -> str | None:
    return ", ".join(map(str, cores)) if cores else None

"""What was timed, in words: the same in the terminal, in report.md and on the page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.typeset.numbers import milliseconds, percent, rate

Values = Mapping[str, Any]

PERCENTILES = ("p50", "p90", "p95", "p99", "p99.9")
# Scenarios whose latencies are percentiles of queries that follow each other.
SINGLE_STREAM = "single_stream"
STREAMS = (SINGLE_STREAM, "multi_stream")
# Most beyond that is not read in the terminal.
_USUAL = "p99"

# Kinds of marks, the worst first: what makes a figure wrong, what an engine does, what the machine did, what is open.
KINDS: Mapping[str, str] = {
    "wrong": "Wrong answers",
    "stale": "Stale answers",
    "cached": "Cached answers",
    "stalls": "Stalls",
    "differs": "Other answers end to end",
    "load": "Slower under load",
    "drift": "Drift",
    "throttled": "Throttled",
    "machine": "The machine",
    "disturbed": "Disturbed",
    "wide": "Interval wider than asked",
}
# A figure with one of these is no figure of the engine.
WORST = ("wrong", "stale", "cached")


@dataclasses.dataclass(frozen=True)
class Mark:
    """kind: of KINDS, or another word. about: ids of targets and names of scenarios, a board; empty for this machine.
    says: a sentence, with or without its end.
    """

    kind: str
    about: str
    says: str

    @property
    def title(self) -> str:
        """What kind it is, and of what."""
        named = KINDS.get(self.kind, self.kind)
        return f"{named} ({self.about})" if self.about else named

    @property
    def sentence(self) -> str:
        """What is said, with its end."""
        return self.says if self.says.endswith((".", "!", "?")) else f"{self.says}."


def marks(summary: Values) -> list[Mark]:
    """All of a run, the worst first; what is said of several targets alike is said once."""
    about: dict[tuple[str, str, str], list[str]] = {}
    for target in summary["targets"]:
        for one in (target.get("timed") or {}).get("marks", ()):
            about.setdefault((one["kind"], one.get("scenario") or "", one["says"]), []).append(target["id"])
    found = [
        Mark(kind, ", ".join([*names, *([scenario_name(scenario)] if scenario else [])]), says)
        for (kind, scenario, says), names in about.items()
    ]
    found += [
        Mark("machine", board or "", says) for board, one in machines(summary).items() for says in one.get("marks", ())
    ]
    order = list(KINDS)
    return sorted(found, key=lambda mark: order.index(mark.kind) if mark.kind in order else len(order))


def machines(summary: Values) -> dict[str | None, Values]:
    """Board -> its machine, where something was read; None is this machine, which comes first."""
    found: dict[str | None, Values | None] = {None: summary.get("machine"), **(summary.get("boards") or {})}
    return {board: one for board, one in found.items() if one}


def boards(summary: Values) -> list[str | None]:
    """The places of the targets, None for this machine, in their order."""
    return list(dict.fromkeys(target.get("board") for target in summary["targets"]))


def yardsticks(summary: Values) -> str | None:
    """Against what speeds are told, and where they are not and why: sentences; None where all targets run on this
    machine, where the reference is the only one.
    """
    if boards(summary) == [None]:
        return None
    paces = [target.get("pace") or {} for target in summary["targets"]]
    against = list(dict.fromkeys(one["against"] for one in paces if one.get("against")))
    unknown = list(dict.fromkeys(one["unknown"] for one in paces if one.get("unknown")))
    told = [f"Times as fast as the fp32 target of the same place: {', '.join(against)}."] if against else []
    told += [f"A speed-up is not told where {why}." for why in unknown]
    return " ".join(told) or None


def marked(target: Values, scenario: str) -> str:
    """The kinds of a target's marks in a scenario, the words of KINDS, for a cell; empty without any."""
    kinds = [
        one["kind"]
        for one in (target.get("timed") or {}).get("marks", ())
        if one.get("scenario") in (None, scenario, scenario.replace("_", "-"))
    ]
    ordered = sorted(dict.fromkeys(kinds), key=lambda kind: list(KINDS).index(kind) if kind in KINDS else len(KINDS))
    return ", ".join(ordered)


def is_wrong(target: Values) -> bool:
    """Whether a target's answers while it was timed cannot be trusted."""
    return any(one["kind"] in WORST for one in (target.get("timed") or {}).get("marks", ()))


def scenario_name(key: str) -> str:
    """single_stream -> "single stream"."""
    return key.replace("_", " ").replace("-", " ")


def scenario_says(key: str) -> str:
    """How its queries come; empty for an unknown one."""
    found = SCENARIOS.get(key.replace("_", "-"))
    return "" if found is None else found.says


def scenarios(summary: Values) -> list[str]:
    """Keys of those that any target has figures of, in MLPerf's order."""
    return [one.key for one in SCENARIOS.values() if any(one.key in target["latency"] for target in summary["targets"])]


def largest_told(targets: Iterable[Values], scenario: str, most: str = _USUAL) -> str | None:
    """The largest percentile, `most` at the most, that the samples of any target carry; None where none carries one."""
    usual = PERCENTILES[: PERCENTILES.index(most) + 1]
    found = [
        name
        for name in usual
        for target in targets
        if (target["latency"].get(scenario) or {}).get(f"{name}_ms") is not None
    ]
    return max(found, key=usual.index, default=None)


def percentile_columns(targets: Sequence[Values], scenario: str) -> tuple[str, ...]:
    """Names of the percentiles that a table shows: p50, and the largest that the samples of any target carry."""
    largest = largest_told(targets, scenario)
    return ("p50",) if largest in (None, "p50") else ("p50", str(largest))


def percentile_cells(target: Values, scenario: str, columns: Sequence[str]) -> list[str]:
    """Milliseconds of a target's percentiles; dashes for those that its samples do not carry."""
    found = target["latency"].get(scenario) or {}
    return [told_ms(found.get(f"{column}_ms")) for column in columns]


def uncarried(targets: Sequence[Values], scenario: str) -> list[str]:
    """A sentence for the targets whose samples do not carry p99."""
    found: dict[tuple[int, str | None], list[str]] = {}
    for target in targets:
        figures = target["latency"].get(scenario)
        if figures is not None and figures.get(f"{_USUAL}_ms") is None:
            key = (figures["samples"], largest_told([target], scenario))
            found.setdefault(key, []).append(target["id"])
    told = []
    for (samples, largest), names in found.items():
        counted = f"{samples} sample{'' if samples == 1 else 's'}"
        carried = f"carry {largest} and nothing beyond it" if largest else "carry no percentile"
        needs = f"{_USUAL} needs {minimum(float(_USUAL[1:]))}"
        told.append(f"{', '.join(names)}, {scenario_name(scenario)}: {counted} {carried}; {needs}.")
    return told


def figures(target: Values, scenario: str) -> str:
    """What counts of a target in a scenario, in a few words; a dash where it was not timed."""
    found = target["latency"].get(scenario)
    if not found:
        return "-"
    if scenario == "offline":
        return f"{through(found)} images/s"
    if scenario == "server":
        kept = "no rate" if found["queries_per_s"] is None else f"{kept_rate(found)} queries/s"
        return f"{kept} within {found['bound_ms']:g} ms"
    if scenario == "sustained":
        return f"p50 {told_ms(found.get('p50_ms'))} ms, drift {drift(found.get('drift'))}, steady from {steady(found)}"
    largest = largest_told([target], scenario)
    names = ["p50"] if largest in (None, "p50") else ["p50", str(largest)]
    return ", ".join(f"{name} {told_ms(found.get(f'{name}_ms'))} ms" for name in names)


def through(offline: Values) -> str:
    """Images in a second with their interval, as in "550 [540, 560]"; a dash where none were counted."""
    if offline.get("images_per_s") is None:
        return "-"
    span = offline.get("ci95")
    return rate(offline["images_per_s"]) + (f" [{rate(span[0])}, {rate(span[1])}]" if span else "")


def kept_rate(server: Values) -> str:
    """The largest rate that keeps the bound, and the least that was tried and does not, as in "450 [450, 472]"."""
    ends = server.get("ends")
    return rate(server["queries_per_s"]) + (f" [{rate(ends[0])}, {rate(ends[1])}]" if ends else "")


def told_ms(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Milliseconds with their interval where given; a dash for None."""
    if value is None:
        return "-"
    text = milliseconds(value)
    return text if not interval else f"{text} [{milliseconds(interval[0])}, {milliseconds(interval[1])}]"


def ratio(found: Values | None) -> str:
    """Times as fast as fp32 at its place, as in "1.93 [1.88, 1.97]"; a dash for None."""
    if not found or found.get("ratio") is None:
        return "-"
    span = found.get("ci95")
    return f"{found['ratio']:.2f}" + (f" [{span[0]:.2f}, {span[1]:.2f}]" if span else "")


def speedup_of(target: Values, scenario: str) -> Values | None:
    """Against fp32 at its place, in a scenario."""
    metrics = target.get("metrics") or {}
    found = metrics.get("speedup") if scenario == SINGLE_STREAM else (metrics.get("speedups") or {}).get(scenario)
    return found or None


def is_slower(found: Values | None) -> bool:
    """Beyond what chance would give: the interval lies below 1."""
    return bool(found and found.get("ci95") and found["ci95"][1] < 1)


_LAYERS_NAMED = 5


def fallen_back(layers: Sequence[Values]) -> str:
    """The layers that run at another precision than asked for, those with most work first; a sentence."""
    total = sum(layer["macs"] for layer in layers) or 1
    others = [layer for layer in layers if layer["realized"] != layer.get("requested", layer["realized"])]
    if not layers:
        return "Nothing tells at what precision its layers run."
    if not others:
        return "Every layer runs as asked for: it is not the precision that takes the time."
    others.sort(key=lambda layer: -layer["macs"])
    named = [
        f"{layer.get('node') or layer['name']} ({layer['realized']}, {percent(layer['macs'] / total, 1)})"
        for layer in others[:_LAYERS_NAMED]
    ]
    rest = len(others) - len(named)
    more = f" and {rest} more layers" if rest else ""
    return f"It fell back, with their shares of the arithmetic, in {', '.join(named)}{more}."


def rankings(summary: Values) -> list[str]:
    """The order by p50 in the first and in the last part of the scenario sustained, of each place where two targets
    tell one. Whether it changes beyond doubt is a mark of the machine's.
    """
    found = [
        _ranking([target for target in summary["targets"] if target.get("board") == board]) for board in boards(summary)
    ]
    return [one for one in found if one is not None]


def _ranking(targets: Sequence[Values]) -> str | None:
    found = {target["id"]: (target["latency"].get("sustained") or {}).get("minutes") for target in targets}
    told = {name: minutes for name, minutes in found.items() if minutes}
    if len(told) < 2:
        return None
    first, last = (sorted(told, key=lambda name: told[name][place]["p50_ms"]) for place in (0, -1))
    part = part_name([target for target in targets if target["id"] in told])
    if first == last:
        return f"By p50, in the first {part} and in the last: {', '.join(first)}."
    return f"By p50, in the first {part}: {', '.join(first)}; in the last: {', '.join(last)}."


MINUTE_S = 60.0


def part_s(target: Values) -> float:
    """Seconds of what stands for a minute of the scenario sustained: of a short run, less."""
    return float(target["latency"]["sustained"].get("part_s") or MINUTE_S)


def part_name(targets: Sequence[Values]) -> str:
    """What it is called, as in "first minute", "first 1.2 s"."""
    longest = max(map(part_s, targets))
    return "minute" if longest >= MINUTE_S else f"{longest:.3g} s"


def drift(share: float | None) -> str:
    """0.18 -> "+18.0 %"; a dash for None."""
    return "-" if share is None else f"{share * 100:+.1f} %"


def steady(sustained: Values) -> str:
    """From when on the scenario sustained is steady."""
    found = sustained.get("steady_from_s")
    return "never" if found is None else f"{found:.0f} s"

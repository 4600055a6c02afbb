"""The terminal's answer to `bench.py doctor`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from seatrial.engines.machine import warmest
from seatrial.harness.typeset import numbers
from seatrial.harness.typeset.tables import Listing, name, words
from seatrial.harness.typeset.terminal import say_whole
from seatrial.text import shown

# What an engine's message repeats of the line that it stands in.
_KNOWN = re.compile(r"Engine '[^']*' cannot use '[^']*': ")


def print_doctor(found: Mapping[str, Any], console: Console, *, brief: bool = False) -> None:
    """What is usable, first; then why the rest is not and what installs it; then the machine.

    brief: without the optional packages.
    """
    say_whole(console, headline(found), style="bold")
    console.print(_engines_table(found["engines"]))
    _print_missing(found["engines"], console)
    for line in unseen_lines(found["engines"]):
        say_whole(console, line, style="yellow")
    for caution in found["cautions"]:
        say_whole(console, f"Caution: {caution}", style="yellow")
    _print_plugins(found["plugins"], console)
    if not brief:
        console.print(_packages_table(found["packages"]))
        _print_broken(found["packages"], console)
    for what, value in _machine_lines(found):
        say_whole(console, (f"{what:<10}", "bold"), value)


def headline(found: Mapping[str, Any]) -> str:
    """One sentence: how many engines, and which targets, run here."""
    engines = found["engines"]
    usable = [engine for engine in engines if engine["usable"]]
    listed = "; ".join(
        f"{engine['name']}{' ' + engine['version'] if engine['version'] else ''} on {', '.join(engine['devices'])}"
        for engine in usable
    )
    where = f"on board {found['board']}" if "board" in found else "here"
    return f"{len(usable)} of {len(engines)} engines are usable {where}{': ' + listed if listed else ''}."


def _engines_table(engines: list[Mapping[str, Any]]) -> Listing:
    table = Listing(
        "", name("engine"), name("version"), name("device"), words("precisions usable here"), words("otherwise")
    )
    for engine in engines:
        for device, one in engine["on"].items():
            table.add(
                engine["name"],
                engine["version"] or "-",
                device,
                Text(shown(", ".join(one["precisions"]) or "-"), "green" if one["usable"] else "red"),
                _otherwise(engine, one),
            )
    return table


def _otherwise(engine: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    if one["usable"]:
        parts = [f"not {', '.join(one['refused'])}"] if one["refused"] else []
        return "; ".join([*parts, *(["simulated ones"] if engine["simulates"] else [])])
    if one["builds"]:
        return f"builds {', '.join(one['builds'])} for other machines"
    return "missing"


def _print_missing(engines: list[Mapping[str, Any]], console: Console) -> None:
    lines: list[tuple[str | tuple[str, str], ...]] = []
    for engine in engines:
        reasons: dict[str, list[str]] = {}
        for device, one in engine["on"].items():
            if one["missing"] is not None:
                reasons.setdefault(one["missing"], []).append(device)
            for precision, why in one["refused"].items():
                reasons.setdefault(why, []).append(f"{precision} on {device}")
        for why, where in reasons.items():
            spelled = engine["name"] if len(where) == len(engine["on"]) else f"{engine['name']}, {', '.join(where)}"
            lines.append(((f"{spelled}: ", "bold"), _KNOWN.sub("", why)))
            if engine["missing"] is not None and engine["install"] and engine["install"] not in why:
                lines.append((f"    {engine['install']}",))
    if lines:
        say_whole(console, "What is missing", style="bold")
        for line in lines:
            say_whole(console, *line)
        console.print()


def unseen_lines(engines: list[Mapping[str, Any]]) -> list[str]:
    """Sentences on what is usable here and was never run on such hardware, or failed there, or ran as another version:
    docs/hardware.md has the same.
    """
    lines = []
    for engine in engines:
        for device, runs in engine["last_runs"].items():
            where = f"{engine['name']} {engine['version'] or ''}".strip() + f" on {device}"
            never = [precision for precision, ran in runs.items() if ran is None]
            if never:
                lines.append(f"{where}: {', '.join(never)} never run by anybody on such hardware (docs/hardware.md).")
            others: dict[str, list[str]] = {}
            for precision, ran in runs.items():
                if ran is None or (ran["passed"] and ran["version"] == engine["version"]):
                    continue
                words = f"{'ran' if ran['passed'] else 'failed'} on such hardware as {ran['version']}, {ran['date']}"
                others.setdefault(words, []).append(precision)
            lines += [f"{where}: {', '.join(precisions)} {words}." for words, precisions in others.items()]
    return lines


def _print_plugins(plugins: list[Mapping[str, Any]], console: Console) -> None:
    if not plugins:
        return
    table = Listing("", name("plug-in"), name("package"), name("adds"), words("state"))
    for one in plugins:
        broken = one["error"] is not None
        table.add(
            one["name"],
            f"{one['package']} {one['version']}",
            one["group"].removeprefix("seatrial."),
            Text(shown(f"broken: {one['error']}") if broken else "usable", "red" if broken else "green"),
        )
    console.print(table)


def _packages_table(packages: list[Mapping[str, Any]]) -> Listing:
    table = Listing("", name("optional"), words("installed"), words("missing or broken"), words("install or mend"))
    for one in packages:
        table.add(
            one["feature"],
            ", ".join(f"{package} {version}" for package, version in one["versions"].items()) or "-",
            Text(shown(", ".join([*one["missing"], *one["broken"]]) or "-"), "green" if one["usable"] else "red"),
            "" if one["usable"] else one["install"],
        )
    return table


def _print_broken(packages: list[Mapping[str, Any]], console: Console) -> None:
    faults = {why: one["install"] for one in packages for why in one["broken"].values()}
    if faults:
        say_whole(console, "What is installed and does not work", style="bold")
    for why, mend in faults.items():
        say_whole(console, why)
        say_whole(console, f"    {mend}")


def _machine_lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    machine, cache = found["machine"], found["cache"]
    cores = f"{machine['cores']} cores"
    if machine["usable_cores"] != machine["cores"]:
        cores += f", {machine['usable_cores']} of them for this process"
    lines = [
        ("processor", f"{machine['processor'] or machine['machine']}, {cores}"),
        ("  has", ", ".join(machine["instructions"]) or "none of the special instructions"),
        ("  int8", machine["integers"]),
        ("memory", ", ".join(_memory(machine))),
        ("system", f"{machine['system']}, Python {machine['python']}, seatrial {found['seatrial']}"),
    ]
    if machine["board"]:
        lines.append(("board", machine["board"]))
    lines += state_lines(machine)
    none = machine["gpu_problem"] or "no NVIDIA GPU that nvidia-smi or NVML shows"
    lines += [("GPU", _gpu(gpu)) for gpu in machine["gpus"]] or [("GPU", none)]
    lines.append(("cache", f"{cache['path']}, {cache['files']} files, {numbers.size(cache['bytes'])}"))
    return lines


def _memory(machine: Mapping[str, Any]) -> list[str]:
    found = [(machine["memory_bytes"], ""), (machine["memory_available_bytes"], " free")]
    return [f"{size / 1e9:.1f} GB{what}" for size, what in found if size is not None] or ["not told"]


def state_lines(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, in words) of what decides how far times can be believed here, by `now`, `disturbs` and the meters."""
    now = machine["now"]
    if now is None:
        return [("clocks", "not known: the process that was to look did not answer")]
    mhz = f", {max(now['mhz']):.0f} MHz now" if now["mhz"] else ""
    most = f", at most {now['mhz_max']:.0f}" if now["mhz_max"] else ""
    lines = [("clocks", f"governor {now['governor'] or 'unknown: the system tells none'}{mhz}{most}")]
    jetson = now["jetson"]
    if jetson is not None:
        held = {True: "held at the highest", False: "follow the load", None: "unknown"}[jetson["jetson_clocks"]]
        lines.append(("power mode", f"{jetson['power_mode'] or 'unknown'}, clocks {held} (jetson_clocks)"))
    degrees = warmest(now)
    heat = "the system tells no temperature" if degrees is None else f"{degrees:.0f} C"
    counts = sum((now["throttle_counts"] or {}).values())
    since = f", throttled {counts} times since it was started" if counts else ""
    throttled = [*(now["throttled"] or ()), *(why for gpu in now["gpus"] or () for why in gpu["throttle"] or ())]
    lines.append(("heat", f"{heat}; {'; '.join(throttled) or 'not throttled'}{since}"))
    lines += [("energy", f"{one['name']}: {one['says']}") for one in machine["meters"]]
    lines += [("energy", why) for why in machine["meters_refused"]]
    if not any(what == "energy" for what, _ in lines):
        lines.append(("energy", "no meter that can be read; --power-command takes your own"))
    return [*lines, *(("timing", sentence) for sentence in machine["disturbs"] or ())]


def _gpu(gpu: Mapping[str, Any]) -> str:
    memory = "" if gpu["memory_bytes"] is None else f", {gpu['memory_bytes'] / (1 << 30):.0f} GiB"
    return (
        f"{gpu['index']}: {gpu['name']}, compute capability {gpu['compute_capability'] or 'unknown'}, driver "
        f"{gpu['driver'] or 'unknown'}{memory}"
    )

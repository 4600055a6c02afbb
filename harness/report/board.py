"""The terminal's answers to `bench.py board`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from seatrial.harness.report.doctor import state_lines
from seatrial.harness.typeset import numbers
from seatrial.harness.typeset.tables import Listing, long_name, name, words
from seatrial.harness.typeset.terminal import say, say_whole

# Packages that a run needs, and what they need in turn.
_NAMED = 4


def print_check(found: Mapping[str, Any], console: Console) -> None:
    """Whether it can be used, first, and why not; then what is there."""
    verdict = "can be used" if found["usable"] else "cannot be used now"
    say(console, f"Board {found['board']} {verdict}.", style="bold")
    for problem in found["problems"]:
        for line in problem.splitlines():
            say_whole(console, line, style="red")
    if "connect_s" not in found:
        return
    for caution in found.get("cautions", []):
        say(console, f"Caution: {caution}", style="yellow")
    if any(engine["usable"] for engine in found.get("engines", [])):
        console.print(_engines(found["engines"]))
    for what, value in _lines(found):
        say(console, (f"{what:<12}", "bold"), value)


def print_setup(found: Mapping[str, Any], console: Console) -> None:
    """What was done, or would be."""
    board = found["board"]
    if found["did"] == "nothing":
        say(console, f"Board {board} has all of it: {', '.join(found['requirements'])}. Nothing was done.")
        say_whole(console, f"  in {found['environment']}")
        return
    if found["did"] in ("removed", "would remove"):
        verb = "was removed" if found["did"] == "removed" else "would be removed"
        say(console, f"Board {board}: {numbers.size(found['bytes'])} {verb}.")
        for folder in found["folders"]:
            say_whole(console, f"  {folder}")
        return
    if found["did"] == "would install":
        say(console, f"Board {board} would get {', '.join(found['requirements'])}.")
        say_whole(console, f"  in an environment of {found['python']}{_seeing(found)}")
        return
    where = "wheels that were fetched here and sent" if found["fetched_here"] else "the board's own package index"
    sent = f", {numbers.size(found['sent_bytes'])} sent" if found["sent_bytes"] else ""
    say(console, f"Board {board} was set up in {found['seconds']:.0f} s, from {where}{sent}.", style="bold")
    say_whole(console, f"  {found['environment']}, {numbers.size(found['bytes'])}{_seeing(found)}")
    changed = ", ".join(f"{package} {version}" for package, version in found["changed"].items())
    say(console, f"new there: {changed or 'nothing'}", indent=2)
    say_whole(console, f"  Next: bench.py board check {board}")


def print_boards(found: Mapping[str, Any], console: Console) -> None:
    """A row for each."""
    if not found["boards"]:
        where = found["file"] or "no boards.yaml, here or in ~/.config/seatrial"
        say(console, f"No board is described: {where}. A board needs no entry where its name is a Host of ssh.")
        return
    probed = any("answers" in one for one in found["boards"])
    table = Listing(
        f"boards of {found['file']}" if found["file"] else "",
        name("board"),
        long_name("ssh"),
        words("engines"),
        *([words("answers")] if probed else []),
    )
    for one in found["boards"]:
        answer = [] if not probed else ["yes" if one["answers"] else f"no: {one['problem'].splitlines()[0]}"]
        table.add(one["name"], one["destination"], ", ".join(one["engines"]), *answer)
    console.print(table)


def _engines(engines: Sequence[Mapping[str, Any]]) -> Listing:
    table = Listing("", name("engine"), name("version"), name("device"), words("precisions usable there"))
    for engine in engines:
        for device in engine["devices"] if engine["name"] != "null" else ():
            table.add(
                engine["name"], engine["version"] or "-", device, ", ".join(engine["on"][device]["precisions"]) or "-"
            )
    return table


def _seeing(found: Mapping[str, Any]) -> str:
    return ", which sees the system's packages" if found["system_site_packages"] else ""


def _lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """As far as it was reached."""
    machine = found.get("machine_state") or {}
    memory = "" if found["memory_bytes"] is None else f", {found['memory_bytes'] / 1e9:.1f} GB of memory"
    lines = [
        ("board", f"{found.get('model') or found['machine']}, reached as {found['user']}@{found['host']}"),
        ("processor", f"{machine.get('processor') or found['machine']}, {found['cores']} cores{memory}"),
        ("system", f"{found['system']} {found['release']}, Python {found['python']}, seatrial {found['seatrial']}"),
    ]
    if "environment" in found:
        lines += [
            ("environment", _environment(found["environment"])),
            (
                "disk",
                f"{numbers.size(found['free_bytes'])} free, the cache has {numbers.size(found['cache']['bytes'])}",
            ),
            ("clock", f"{found['clock_ahead_s']:+.1f} s against this machine's"),
        ]
    if "free" in found:
        lines.append(("lease", "free" if found["free"] else "not to be had now"))
    if "link" in found:
        speed = found["link"]
        lines += [
            ("link", f"connected in {found['connect_s']:.1f} s, {speed['round_trip_ms']:.1f} ms there and back"),
            ("", f"{speed['up_mb_s']:.1f} MB/s up, {speed['down_mb_s']:.1f} MB/s down"),
        ]
    return [*lines, *(state_lines(machine) if machine else ())]


def _environment(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "none that setup made"
    packages = [f"{package} {version}" for package, version in found["packages"].items()]
    more = f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
    return f"{found['path']}, {numbers.size(found['bytes'])}: {', '.join(packages[:_NAMED])}{more}"

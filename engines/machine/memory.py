"""Memory that is free, and what had to go to disk."""

from __future__ import annotations

from seatrial.engines.machine.system import System, integer


def describe_memory(system: System) -> dict[str, int | None]:
    """total_bytes, available_bytes, swap_used_bytes; swapped_in, swapped_out: pages since boot. None where the system
    does not tell.

    Files: proc(5), /proc/meminfo (kibibytes) and /proc/vmstat.
    """
    facts = _table(system.text("proc/meminfo"), ":")
    events = _table(system.text("proc/vmstat"), " ")
    swap, free = facts.get("SwapTotal"), facts.get("SwapFree")
    return {
        "total_bytes": _bytes(facts.get("MemTotal")),
        "available_bytes": _bytes(facts.get("MemAvailable")),
        "swap_used_bytes": None if swap is None or free is None else _bytes(max(0, swap - free)),
        "swapped_in": events.get("pswpin"),
        "swapped_out": events.get("pswpout"),
    }


def _table(text: str | None, between: str) -> dict[str, int]:
    found = {}
    for line in (text or "").splitlines():
        name, _, value = line.partition(between)
        number = integer(value.strip().removesuffix(" kB"))
        if number is not None and number >= 0:
            found[name.strip()] = number
    return found


def _bytes(kibibytes: int | None) -> int | None:
    return None if kibibytes is None else kibibytes * 1024

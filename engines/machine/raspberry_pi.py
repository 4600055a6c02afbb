"""What a Raspberry Pi's firmware holds down: its supply is too weak, or it is too hot."""

from __future__ import annotations

from typing import Any

from seatrial.engines.machine.system import System

_MODEL = "proc/device-tree/model"
_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
# Bit -> words; the same 16 bits higher: has been since boot. Raspberry Pi documentation, "vcgencmd get_throttled".
_BITS = {
    0: "under-voltage",
    1: "the processor's frequency is capped",
    2: "throttled",
    3: "soft temperature limit",
}
_SINCE_BOOT = 16


def describe_raspberry_pi(system: System) -> dict[str, Any] | None:
    """throttled: what is so now; since_boot: what has been; in words. None where this is no Raspberry Pi, each None
    where its firmware does not tell.
    """
    if "raspberry pi" not in (system.text(_MODEL) or "").lower():
        return None
    bits = _bits(system)
    if bits is None:
        alarm = _supply_alarm(system)
        return {"throttled": [_BITS[0]] if alarm else None, "since_boot": None}
    return {"throttled": decode(bits), "since_boot": decode(bits >> _SINCE_BOOT)}


def decode(bits: int) -> list[str]:
    """The lowest four bits in words.

    >>> decode(0x5)
    ['under-voltage', 'throttled']
    """
    return [says for bit, says in _BITS.items() if bits >> bit & 1]


def parse(text: str | None) -> int | None:
    """`throttled=0x50005` of the command, or `50005` of the kernel's file: always hexadecimal."""
    word = (text or "").strip().rpartition("=")[2]
    try:
        return int(word, 16) if 0 < len(word) <= 10 else None
    except ValueError:
        return None


def _bits(system: System) -> int | None:
    # Reading the file asks for what is so now, and keeps what has been.
    found = parse(system.text(_FILE))
    return found if found is not None else parse(system.run(["vcgencmd", "get_throttled"]))


def _supply_alarm(system: System) -> bool:
    """The kernel's own watch over the supply: drivers/hwmon/raspberrypi-hwmon.c."""
    return any(
        system.integer(path) == 1 and system.word(f"{path.rpartition('/')[0]}/name") == "rpi_volt"
        for path in system.find("sys/class/hwmon/hwmon*/in0_lcrit_alarm")
    )

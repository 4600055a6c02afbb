"""Devices in words: a kind, and which one where there are several."""

from __future__ import annotations

from seatrial.errors import UsageError


def device_kind(device: str) -> str:
    """`cuda` for `cuda` and `cuda:1`: the word that manifests know."""
    return device.partition(":")[0]


def device_index(device: str) -> int:
    """1 for `cuda:1`, 0 for `cuda`; UsageError for anything else behind the colon."""
    index = device.partition(":")[2]
    if device.endswith(":") or (index and not (index.isascii() and index.isdigit())):
        raise UsageError(f"--device {device} is no device: behind the colon stands its number, as in cuda:0.")
    return int(index or 0)

"""The most memory that this process has had on GPUs."""

from __future__ import annotations

from seatrial.engines.machine.nvml import Nvml, open_nvml

# Of this process, as seen at each reading; NVML itself keeps no peak, unless it keeps accounts.
_seen: list[int] = []


def device_peak_bytes() -> int | None:
    """Bytes on all of NVIDIA's GPUs together, of this process; None where NVML does not tell.

    The most that was seen at a reading or now, or what the driver's accounts say, where it keeps some. Runtimes keep
    what they have allocated, so what is seen after an inference is their peak. A Jetson's GPU uses the host's memory,
    and is counted there.
    """
    nvml = open_nvml()
    if nvml is None:
        return None
    note_use(nvml)
    kept = [most for handle in nvml.devices() if (most := nvml.most_used_bytes(handle)) is not None]
    return max([sum(kept), *_seen]) if kept or _seen else None


def note_use(nvml: Nvml) -> None:
    """Looks now."""
    known = [used for handle in nvml.devices() if (used := nvml.used_bytes(handle)) is not None]
    if known:
        _seen[:] = [max([sum(known), *_seen])]

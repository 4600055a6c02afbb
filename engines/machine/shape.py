"""What a reading may hold: readings come from boards, too, and a board may say anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seatrial.engines.machine.system import printable

_MOST = 1024


def number(value: object) -> float | int | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e18 and math.isfinite(value) else None


def whole(value: object) -> int | None:
    """A whole number, else None."""
    found = number(value)
    return found if isinstance(found, int) else None


def word(value: object) -> str | None:
    """Text of printable characters, shortened, else None."""
    return printable(value, 200) if isinstance(value, str) else None


def flag(value: object) -> bool | None:
    """True or False, else None."""
    return value if isinstance(value, bool) else None


_GPU = {
    "name": word,
    **dict.fromkeys(
        ("mhz", "memory_mhz", "mhz_max", "celsius", "watts", "power_limit_watts", "used_bytes", "memory_used_bytes"),
        number,
    ),
    "throttle": [word],
    "chosen": [word],
    "others": whole,
}
# Key -> what it holds, as `fit` takes it.
_READING: dict[str, Any] = {
    "processor": word,
    "model": word,
    "load": [number],
    "cores": whole,
    "affinity": [whole],
    "threads": whole,
    "governor": word,
    "driver": word,
    "mhz": [number],
    "mhz_max": number,
    "mhz_limit": number,
    "turbo": flag,
    "celsius": (number,),
    "throttled": [word],
    "throttle_counts": (whole,),
    "container": {"cores": number, "throttled_s": number, "throttled_times": whole},
    "memory": dict.fromkeys(("total_bytes", "available_bytes", "swap_used_bytes", "swapped_in", "swapped_out"), whole),
    "gpus": [_GPU],
    "jetson": {
        "power_mode": word,
        "power_mode_id": whole,
        "jetson_clocks": flag,
        "gpu_mhz": number,
        "gpu_mhz_max": number,
        "rails_watts": (number,),
    },
    "raspberry_pi": {"throttled": [word], "since_boot": [word]},
    "busiest": [{"name": word, "share": number}],
    "others": number,
    "busiest_s": number,
}


def as_reading(value: object) -> dict[str, Any]:
    """All keys of a reading, each as it should be, or None; what is no reading has no values."""
    found = fit(value, _READING)
    return found if isinstance(found, dict) else dict.fromkeys(_READING)


def is_reading(value: object) -> bool:
    """True where nothing of it would be lost by `as_reading` but keys that are not known."""
    return fits(value, _READING)


def fits(value: object, shape: Any) -> bool:
    """Whether a value has a shape, as `fit` takes it; None, and keys that are missing, fit anywhere."""
    if value is None:
        return True
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(one, shape[0]) for one in value)
    if isinstance(shape, tuple):
        return isinstance(value, Mapping) and all(fits(one, shape[0]) for one in value.values())
    if isinstance(shape, dict):
        return isinstance(value, Mapping) and all(fits(value.get(key), one) for key, one in shape.items())
    return shape(value) is not None


def fit(value: object, shape: Any) -> Any:
    """A value as its shape has it, None for what does not fit. shape: a function that keeps what fits; a list of one
    shape, a dictionary of keys and theirs, or a tuple of one, whose keys are free.
    """
    if isinstance(shape, list):
        if not isinstance(value, list):
            return None
        fitted = [fit(one, shape[0]) for one in value[:_MOST]]
        return [one for one in fitted if one is not None]
    if isinstance(shape, tuple):
        if not isinstance(value, Mapping):
            return None
        pairs = [(word(key), fit(one, shape[0])) for key, one in list(value.items())[:_MOST]]
        return {key: one for key, one in pairs if key is not None and one is not None}
    if isinstance(shape, dict):
        if not isinstance(value, Mapping):
            return None
        return {key: fit(value.get(key), one) for key, one in shape.items()}
    return shape(value)

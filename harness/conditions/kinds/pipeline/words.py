"""How the figures of the input pipeline are spelled, the same in the terminal and in the report.

A loss is in percentage points of top-1 and above zero where accuracy is lost, as SysNoise prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.conditions.kinds.pipeline.ids import COMBINED, PREFIX, singles_of

_FACTORS = {
    "decode": "Decoder",
    "orientation": "Orientation",
    "resize": "Resize filter",
    "rule": "Resize rule",
    "crop": "Crop",
    "color": "Colour",
    "input": "Arithmetic",
    "graph": "Graph",
}


def title(condition_id: str) -> str:
    """An id as people read it.

    >>> title("pipeline/decode=opencv"), title("pipeline/combined@2")
    ('Decoder: opencv', 'Combined, step 2')
    """
    singles = singles_of(condition_id)
    if singles is not None:
        return ", ".join(map(title, singles))
    factor, found, name = condition_id.removeprefix(PREFIX).partition("=")
    if found:
        return f"{_FACTORS.get(factor, factor)}: {name}"
    count = condition_id.removeprefix(f"{COMBINED}@")
    return condition_id if count == condition_id else f"Combined, step {count}"


def factor_title(factor: str) -> str:
    """A factor as people read it."""
    return _FACTORS.get(factor, factor.capitalize())


def lost(loss: float, interval: Sequence[float] | None = None) -> str:
    """0.0102 -> "1.02", with its interval where given: "1.02 [0.50, 1.60]"."""
    text = _points(loss)
    return text if interval is None else f"{text} [{_points(interval[0])}, {_points(interval[1])}]"


def added(interaction: Mapping[str, Any] | None) -> str:
    """What quantization adds: "+1.03 [+0.40, +1.70]"; a dash for the reference."""
    if interaction is None:
        return "-"
    low, high = interaction["ci95"]
    return f"{_points(interaction['extra'], '+')} [{_points(low, '+')}, {_points(high, '+')}]"


def mean_and_max(factor: Mapping[str, Any] | None) -> str:
    """SysNoise's "mean (max)", the loss alone where there is one option; a dash for a factor that was not answered."""
    if factor is None:
        return "-"
    single = len(factor["options"]) == 1
    return lost(factor["max_loss"]) if single else f"{lost(factor['mean_loss'])} ({lost(factor['max_loss'])})"


def flips(factor: Mapping[str, Any] | None) -> str:
    """The option that changes most classes: "27.0 % flip"; nothing for None."""
    return "" if factor is None else f"{factor['max_flips'] * 100:.1f} % flip"


def worst(factor: Mapping[str, Any] | None) -> str:
    """The worst option and the interval of its loss, which allows for the choice: "ffmpeg [0.50, 1.60]"; nothing for
    None.
    """
    if factor is None:
        return ""
    low, high = factor["worst_ci95"]
    return f"{option(factor['worst'])} [{_points(low)}, {_points(high)}]"


def doubt(factor: Mapping[str, Any] | None) -> str:
    """Whether the worst option costs accuracy though it was chosen for being the worst; nothing where none is lost."""
    if factor is None or factor["max_loss"] <= 0:
        return ""
    return "beyond doubt" if factor["worst_ci95"][0] > 0 else "may be chance"


def settings(target: Mapping[str, Any]) -> str:
    """Mean top-1 over decoders and resize filters, and both standard deviations; a dash where none was varied."""
    spread = target["settings"]
    if spread is None:
        return "-"
    population, sample = (f"{spread[key] * 100:.2f}" for key in ("std_population", "std_sample"))
    return f"{spread['mean'] * 100:.2f} ± {sample} (population {population})"


def factors(block: Mapping[str, Any]) -> list[str]:
    """The factors that any target answered, in the order of the run."""
    names = (name for target in block["targets"].values() for name in target["factors"])
    return list(dict.fromkeys(names))


def conditions(block: Mapping[str, Any]) -> list[str]:
    """The conditions that any target answered, in the order of the run."""
    names = (name for target in block["targets"].values() for name in target["conditions"])
    return list(dict.fromkeys(names))


def option(condition_id: str) -> str:
    """`pipeline/decode=ffmpeg` -> "ffmpeg"."""
    return condition_id.partition("=")[2]


def step(ids: Sequence[str], separator: str = " ") -> str:
    """What the last of the stacked conditions adds: "decode ffmpeg", "+ resize pillow-nearest"."""
    factor, _, name = ids[-1].removeprefix(PREFIX).partition("=")
    return f"{'+ ' if len(ids) > 1 else ''}{factor}{separator}{name}"


def combined(count: int) -> str:
    """The id of the condition that stacks the first `count`."""
    return f"{COMBINED}@{count}"


def _points(share: float, sign: str = "") -> str:
    text = f"{share * 100:{sign}.2f}"
    return text.replace("-", "") if float(text) == 0 else text

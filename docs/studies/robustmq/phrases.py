"""What the page's sentences say of a run, so that no figure in them is written by hand.

Bits are given as `2`, or from the fewest to the most: `4-8`. All are of the quantized networks that do not guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tables import LEVELS, percent

Values = Mapping[str, Any]


def claim(summary: Values, name: str) -> str:
    """`**holds** (+5.6, 1.4 to 10.0)`; its answer alone where the run has no figure."""
    found = next((one for one in summary["study"]["claims"] if one["id"] == name), None)
    if found is None:
        raise SystemExit(f"The run has no sentence {name!r}.")
    if found["figure"] is None:
        return f"**{found['answer']}** (not asked)"
    low, high = found["ci95"]
    sign = "+" if found["figure"] > 0 else ""
    return f"**{found['answer']}** ({sign}{percent(found['figure'])}, {percent(low)} to {percent(high)})"


def clean(summary: Values, bits: str) -> str:
    """Accuracy on clean images."""
    return _range(row["clean"]["top1"] for row in _rows(summary, bits))


def left(summary: Values, attack: str, level: str, way: str, bits: str) -> str:
    """AR of an attack. way: `own` or `transfer`."""
    found = (
        one for row in _rows(summary, bits) for one in row["ar"] if (one["attack"], one["level"]) == (attack, level)
    )
    return _range(one[way]["rate"] for one in found if one.get(way))


def worst(summary: Values, level: str, way: str, bits: str) -> str:
    """WCAR. way: `own`, `transfer` or `all`."""
    found = (one[way] for row in _rows(summary, bits) for one in row["wcar"] if one["level"] == level)
    return _range(one["rate"] for one in found if one)


def masking(summary: Values, bits: str) -> str:
    """`pass of 9, fail of 3`: the verdicts on gradients, of all targets for `all`."""
    rows = summary["study"]["rows"] if bits == "all" else _rows(summary, bits)
    found = Counter(row["masking"] for row in rows if row["masking"])
    return ", ".join(f"*{verdict}* of {count}" for verdict, count in found.most_common()) or "not asked"


def asked(summary: Values) -> str:
    """The attacks with their strengths, and what else there is."""
    rows = summary["study"]["rows"]
    levels: dict[str, set[str]] = {}
    for row in rows:
        for one in row["ar"]:
            levels.setdefault(one["attack"], set()).add(one["level"])
    found = {name for target in summary["targets"] for name in target["conditions"]}
    attacks = [f"`{name}` ({', '.join(one for one in LEVELS if one in levels[name])})" for name in levels]
    told = [f"attacks {', '.join(attacks)}"] if attacks else []
    for prefix, what in (
        ("corruption/", "corruptions with severities"),
        ("pipeline/", "settings of decoder and filter"),
    ):
        count = sum(name.startswith(prefix) for name in found)
        told += [f"{count} {what}"] if count else []
    return f"Asked: {'; '.join(told)}."


PHRASES: dict[str, Callable[..., str]] = {
    "claim": claim,
    "clean-of": clean,
    "left": left,
    "worst-of": worst,
    "masking": masking,
    "asked": asked,
}


def _rows(summary: Values, bits: str) -> Sequence[Values]:
    fewest, _, most = bits.partition("-")
    span = range(int(fewest), int(most or fewest) + 1)
    return [
        row for row in summary["study"]["rows"] if row["quantized"] and not row["guesses"] and row["bits"][0] in span
    ]


def _range(shares: Iterable[float]) -> str:
    """`5 to 17 %`, `0 %`, or `not asked`."""
    found = sorted(shares)
    if not found:
        return "not asked"
    low, high = percent(found[0], 0), percent(found[-1], 0)
    return f"{low} %" if low == high else f"{low} to {high} %"

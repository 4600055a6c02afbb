"""How a study's figures are spelled, the same in the terminal and in the reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.conditions.kinds.attack.words import strength
from seatrial.harness.results.studies.rows import spelled

Values = Mapping[str, Any]

TITLES = {
    "robustmq": "RobustMQ on this run",
    "merkel": "Accuracy against the strength of gradient attacks, by bits",
}
ABOUT = {
    "robustmq": (
        "AR: right under attack, of what is right without; the mean over the attacks, made with the target's own "
        "gradients. WCAR: right under all at once. NR: mean accuracy on corrupted images. SR: mean accuracy over "
        "decoders and resize filters, and its standard deviation over them."
    ),
    "merkel": (
        "Each target is attacked with its own gradients. eps*: where its accuracy crosses the other's, in 255ths. p: "
        "that the signs on both sides are what they look like."
    ),
}
LOOKS = {"holds": "pass", "does not hold": "fail", "cannot be told": ""}
_MASKING = {"pass": "pass", "fail": "FAIL", "incomplete": "incomplete", "inconclusive": "too few images"}
_VERBS = {"upward": "passes", "downward": "falls below"}


def names(study: Values) -> list[str]:
    """Of the rows: the method, or the target's id where several have the same method and bits."""
    count = Counter((row["method"], tuple(row["bits"])) for row in study["rows"])
    return [row["method"] if count[row["method"], tuple(row["bits"])] == 1 else row["target"] for row in study["rows"]]


def bits(row: Values) -> str:
    """`4/4`; `float` for 32 bits.

    >>> bits({"bits": [4, None]}), bits({"bits": [32, 32]})
    ('4/32', 'float')
    """
    return "float" if row["bits"][0] == 32 else spelled(row["bits"])


def masking(row: Values) -> str:
    """The verdict; nothing where nothing was attacked."""
    return "" if row["masking"] is None else _MASKING[row["masking"]]


def share(found: Values | None, key: str = "top1", interval: str = "ci95") -> tuple[str, ...]:
    """In per cent, and its interval below: ("91.2", "[89.9, 92.4]"); a dash for None."""
    if found is None or found[key] is None:
        return ("-",)
    span = found[interval]
    return (
        f"{found[key] * 100:.1f}",
        *([] if span is None else [f"[{max(span[0], 0) * 100:.1f}, {span[1] * 100:.1f}]"]),
    )


def deviation(found: Values | None) -> tuple[str, ...]:
    """Of SR, with two digits more than it needs, as it is small."""
    if found is None:
        return ("-",)
    span = found["std_ci95"]
    return (f"{found['std'] * 100:.2f}", *([] if span is None else [f"[{span[0] * 100:.2f}, {span[1] * 100:.2f}]"]))


def worst(row: Values, level: str, of: str) -> Values | None:
    """WCAR at a strength."""
    return next((one[of] for one in row["wcar"] if one["level"] == level), None)


def levels(study: Values) -> list[str]:
    """The strengths that any row has."""
    return [
        name
        for name in ("small", "mid", "large")
        if any(one["level"] == name for row in study["rows"] for one in row["wcar"])
    ]


def attacks(study: Values) -> list[tuple[str, str, float]]:
    """(attack, small, mid or large, eps) of any row, in order."""
    found = [(one["attack"], one["level"], one["eps"]) for row in study["rows"] for one in row["ar"]]
    return list(dict.fromkeys(found))


def figure(claim: Values, part: Values | None = None) -> str:
    """With its interval: "+5.20 [+3.10, +7.30]" in points, "3.1 [2.4, 4]" in 255ths; a dash for none."""
    one = claim if part is None else part
    if one["figure"] is None:
        return "-"
    span = one["ci95"]
    if claim["unit"] == "points":
        text = f"{one['figure'] * 100:+.2f}"
        return text if span is None else f"{text} [{span[0] * 100:+.2f}, {span[1] * 100:+.2f}]"
    return place(one["figure"], span)


def place(eps: float, span: Sequence[float] | None) -> str:
    """A strength in 255ths, with its interval."""
    text = strength("linf", eps)
    return text if span is None else f"{text} [{span[0]:.3g}, {span[1]:.3g}]"


def verb(crossing: Values) -> str:
    """What a target does there."""
    return _VERBS[crossing["direction"]]


def whole(claim: Values) -> str:
    """What it rests on, and what may explain it."""
    return " ".join(filter(None, [claim["why"], claim["caveat"]]))


def caveats(study: Values) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(claim["caveat"] for claim in study["claims"] if claim["caveat"]))

"""Markdown tables of the study's page: of clean.json, which export.py writes, and of the seeds' blocks `study`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grids import BITS, FLOAT

Values = Mapping[str, Any]

# Zero-attack accuracy in percent at 1 to 10 bits: Fig. 3(c) of the paper as a public hardware project read it from the
# PDF's vector coordinates; the paper itself was not opened here.
PUBLISHED = (94.85, 96.41, 97.59, 97.76, 97.67, 97.81, 97.83, 97.61, 97.81, 97.73)
ATTACKS = {"fgsm-linf": "FGSM", "pgd-linf": "PGD"}
NOTHING = "-"
# Of a single crossing that both its sides are what they look like.
ALPHA = 0.05
# In 255ths.
TRANSFERRED = (16, 32, 64)
COMPARED = (2, 4, 8, 12, 16, 24, 32, 64)
# Student's 97.5 % quantile by the number of seeds.
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, the first column left and the others right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float]) -> str:
    """`97.5 ± 0.1` of shares, in percent: mean and standard deviation over seeds."""
    mean = f"{100 * statistics.fmean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * statistics.stdev(values):.1f}"


def clean(found: Mapping[str, Sequence[float]]) -> str:
    """Accuracy by bits on both grids beside the published one; what is more than a point from it is bold."""
    rows = []
    for bits, published in zip(BITS, PUBLISHED, strict=True):
        row = [str(bits), f"{published:.2f}"]
        for grid in ("sign", "levels"):
            values = found[f"{grid}-w{bits}"]
            off = 100 * statistics.fmean(values) - published
            row += [spread(values), f"**{off:+.2f}**" if abs(off) > 1 else f"{off:+.2f}"]
        rows.append(row)
    floats = ["float", NOTHING, *[spread(found[FLOAT]), NOTHING] * 2]
    return markdown(
        ["bits", "published", "sign is an extra bit", "points off", "2^B levels", "points off"], [*rows, floats]
    )


def named(row: Values) -> str:
    """`float`, `levels-w4`."""
    return row["target"].split(":")[0] if ":" in row["target"] else FLOAT


def curve(row: Values, attack: str) -> Values:
    """The row's curve under an attack with its own gradients."""
    return next(one for one in row["curves"] if one["attack"] == attack)


def by_name(studies: Sequence[Values]) -> dict[str, list[Values]]:
    """Network -> its row of each seed; float first, then from few bits to many."""
    found: dict[str, list[Values]] = {}
    for study in studies:
        for row in study["rows"]:
            found.setdefault(named(row), []).append(row)
    return dict(sorted(found.items(), key=lambda one: (one[1][0]["quantized"], one[1][0]["bits"][0])))


def attacked(studies: Sequence[Values], attack: str) -> str:
    """Accuracy by strength and bits, mean and deviation over seeds; what is above float's mean is bold."""
    rows = by_name(studies)
    strengths = [eps for eps in curve(rows[FLOAT][0], attack)["eps"] if eps == 0 or eps >= 1]
    base = {eps: statistics.fmean(_at(rows[FLOAT], attack, eps)) for eps in strengths}
    lines = []
    for name, members in rows.items():
        cells = []
        for eps in strengths:
            values = _at(members, attack, eps)
            above = name != FLOAT and statistics.fmean(values) > base[eps]
            cells.append(f"**{spread(values)}**" if above else spread(values))
        lines.append([name, *cells])
    return markdown(["network", *(_strength(eps) for eps in strengths)], lines)


def differences(studies: Sequence[Values], attack: str) -> str:
    """Accuracy above float's in points, paired by seed, with a 95 % interval over seeds; bold where that excludes 0."""
    rows = by_name(studies)
    floats = rows.pop(FLOAT)
    lines = [[name, *(_above(members, floats, attack, eps) for eps in COMPARED)] for name, members in rows.items()]
    return markdown(["network", *(f"{eps}/255" for eps in COMPARED)], lines)


def _above(rows: Sequence[Values], floats: Sequence[Values], attack: str, eps: float) -> str:
    values = [100 * (one - base) for one, base in zip(_at(rows, attack, eps), _at(floats, attack, eps), strict=True)]
    mean = statistics.fmean(values)
    if len(values) not in STUDENT:
        return f"{mean:+.1f}"
    half = STUDENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    found = f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"
    return f"**{found}**" if abs(mean) > half else found


def _at(rows: Sequence[Values], attack: str, eps: float) -> list[float]:
    curves = [curve(row, attack) for row in rows]
    return [one["top1"][one["eps"].index(eps)] for one in curves]


def _strength(eps: float) -> str:
    return "clean" if eps == 0 else f"{eps / 255:.3f} ({eps:g}/255)"


def upward(row: Values, attack: str) -> Values | None:
    """Where the network passes float's curve; None where it does not."""
    found = [one for one in row["crossings"] if (one["attack"], one["direction"]) == (attack, "upward")]
    return next((one for one in found if one["against"].startswith("onnxruntime/fp32")), None)


def crossings(studies: Sequence[Values]) -> str:
    """eps* against float by bits: the range over seeds, and the widest interval over images."""
    lines = []
    for name, rows in by_name(studies).items():
        if name == FLOAT:
            continue
        cells = []
        for attack in ATTACKS:
            found = [one for row in rows if (one := upward(row, attack)) is not None]
            sure = sum(one["p"] < ALPHA for one in found)
            cells += [
                f"{len(found)} of {len(rows)}, {sure} beyond chance",
                _places([one["eps"] for one in found]),
                _reach(found),
            ]
        lines.append([name, *cells])
    headings = [f"{name}: {what}" for name in ATTACKS.values() for what in ("seeds", "eps*", "95 % over images")]
    return markdown(["network", *headings], lines)


def _places(eps: Sequence[float]) -> str:
    if not eps:
        return NOTHING
    low, high = min(eps) / 255, max(eps) / 255
    return f"{low:.3f}" if len(eps) == 1 else f"{low:.3f} to {high:.3f}"


def _reach(found: Sequence[Values]) -> str:
    ends = [end for one in found if one["ci95"] for end in one["ci95"]]
    if not ends or any(end is None for end in ends):
        return NOTHING
    return f"{min(ends) / 255:.3f} to {max(ends) / 255:.3f}"


def masking(asked: Values, runs: Sequence[Values]) -> str:
    """The verdict on gradients where queries were asked, with what fails, and how many seeds fail without queries."""
    rows = [by_name([run["study"]]) for run in runs]
    lines = []
    for name, (row,) in by_name([asked["study"]]).items():
        checks = asked["attacks"]["targets"][row["target"]]["masking"]["checks"]
        failed = [one["says"] for one in checks if one["status"] == "fail"]
        seeds = sum(one["masking"] == "fail" for found in rows for one in found.get(name, ()))
        lines.append([name, str(row["masking"]), " ".join(failed) or NOTHING, f"{seeds} of {len(runs)}"])
    return markdown(["network", "verdict", "what fails", "seeds that fail, without queries"], lines)


def transfer(runs: Sequence[Values]) -> str:
    """Accuracy under PGD with own gradients and under images made on float, at three strengths; means over seeds."""
    found: dict[str, list[Values]] = {}
    for run in runs:
        for target in run["targets"]:
            found.setdefault(target["variant"] or FLOAT, []).append(target["conditions"])
    lines = []
    for name, seeds in found.items():
        cells = []
        for eps in TRANSFERRED:
            of_float = f"attack/pgd-linf@{eps}"
            own = of_float if name == FLOAT else f"{of_float}+{name}"
            cells += [spread([one[condition]["top1"] for one in seeds]) for condition in (own, of_float)]
        lines.append([name, *cells])
    headings = [f"{eps}/255: {what}" for eps in TRANSFERRED for what in ("own", "of float")]
    return markdown(["network", *headings], lines)


def claims(studies: Sequence[Values]) -> str:
    """The published sentence, as each seed answers it, and the bit-widths for which it holds by themselves."""
    lines = []
    for seed, study in enumerate(studies):
        for one in study["claims"]:
            figure = NOTHING if one["figure"] is None else f"{one['figure'] / 255:.3f}"
            reach = NOTHING if one["ci95"] is None else " to ".join(f"{end / 255:.3f}" for end in one["ci95"])
            parts = [part["name"].split()[-1].split("/")[0] for part in one["parts"] if part["answer"] == "holds"]
            lines.append([str(seed), one["answer"], figure, reach, ", ".join(sorted(parts, key=int)) or NOTHING])
    return markdown(["seed", "answer", "eps*", "95 %", "bits for which it holds"], lines)

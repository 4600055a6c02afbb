"""Plots of the study's page as SVG: a figure of the table against the bits, a line for each method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import LEVELS

Values = Mapping[str, Any]
# What a row has to say: value, low, high as shares; None where the run does not tell.
Reading = Callable[[Values], tuple[float, float, float] | None]

mpl.rcParams.update({"svg.hashsalt": "robustmq", "svg.fonttype": "none", "font.size": 9})
_COLOURS = ("#0b5fa5", "#c2410c", "#15803d", "#7e22ce", "#b45309")  # apart for most kinds of colour vision


def clean(row: Values) -> tuple[float, float, float] | None:
    """Clean accuracy."""
    return (row["clean"]["top1"], *row["clean"]["ci95"])


def corrupted(row: Values) -> tuple[float, float, float] | None:
    """NR."""
    return None if row["nr"] is None else (row["nr"]["top1"], *row["nr"]["ci95"])


def settings(row: Values) -> tuple[float, float, float] | None:
    """SR."""
    return None if row["sr"] is None else (row["sr"]["top1"], *row["sr"]["ci95"])


def attacked(attack: str, level: str) -> Reading:
    """AR of one attack with own gradients."""

    def read(row: Values) -> tuple[float, float, float] | None:
        found = [
            one.get("own") or one.get("queries")
            for one in row["ar"]
            if (one["attack"], one["level"]) == (attack, level)
        ]
        return (found[0]["rate"], *found[0]["ci95"]) if found and found[0] else None

    return read


def worst(way: str, level: str) -> Reading:
    """WCAR at one strength: `own`, `transfer` or `all`."""

    def read(row: Values) -> tuple[float, float, float] | None:
        found = [one[way] for one in row["wcar"] if one["level"] == level]
        return (found[0]["rate"], *found[0]["ci95"]) if found and found[0] else None

    return read


def panels(study: Values, readings: Mapping[str, Reading], unit: str, path: Path, columns: int = 3) -> None:
    """One panel for each reading, written to `path`."""
    lines = -(-len(readings) // columns)
    figure = Figure(figsize=(3.1 * min(columns, len(readings)), 2.5 * lines), layout="constrained")
    axes = figure.subplots(lines, min(columns, len(readings)), squeeze=False, sharey=True).flatten()
    for place, (title, reading) in zip(axes, readings.items(), strict=False):
        _panel(place, study["rows"], reading)
        place.set_title(title, fontsize=9)
    for place in axes[len(readings) :]:
        place.set_axis_off()
    for place in axes[::columns]:
        place.set_ylabel(unit)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def _panel(axes: Axes, rows: Sequence[Values], reading: Reading) -> None:
    base = reading(rows[0])
    if base is not None:
        axes.axhline(100 * base[0], color="#555", linestyle="--", linewidth=1, label="float")
    series: dict[str, list[Values]] = {}
    for row in rows[1:]:
        if row["quantized"] and row["bits"][1] is not None:
            series.setdefault(row["method"], []).append(row)
    for number, (method, members) in enumerate(sorted(series.items())):
        shift = 0.12 * (number - (len(series) - 1) / 2)
        points = [(row["bits"][0], found) for row in members if (found := reading(row)) is not None]
        points.sort()
        heights = [100 * found[0] for _, found in points]
        below = [100 * max(0.0, found[0] - found[1]) for _, found in points]
        above = [100 * max(0.0, found[2] - found[0]) for _, found in points]
        places = [bits + shift for bits, _ in points]
        axes.errorbar(
            places, heights, (below, above), color=_COLOURS[number % 5], marker="o", markersize=3, linewidth=1.2,
            capsize=2, label=method,
        )  # fmt: skip
    axes.set_xticks([2, 4, 6, 8])
    axes.set_xlabel("bits")
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)


def drawn(study: Values, stem: str, folder: Path) -> list[Path]:
    """All plots of a run, named `STEM-....svg`; those of what it was not asked are left out."""
    names = list(dict.fromkeys(one["attack"] for row in study["rows"] for one in row["ar"]))
    wanted = {
        "noise": ({"clean": clean, "corruptions (NR)": corrupted, "settings (SR)": settings}, "accuracy, %"),
        "worst": (
            {f"{way}, {level}": worst(way, level) for level in LEVELS for way in ("own", "transfer", "all")},
            "WCAR, %",
        ),
        **{f"attacks-{level}": ({name: attacked(name, level) for name in names}, "AR, %") for level in LEVELS},
    }
    written = []
    for name, (readings, unit) in wanted.items():
        told = {title: one for title, one in readings.items() if any(one(row) for row in study["rows"])}
        if told:
            written.append(folder / f"{stem}-{name}.svg")
            panels(study, told, unit, written[-1])
    return written

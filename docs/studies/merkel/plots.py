"""Plots of the study's page as SVG."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from grids import BITS, FLOAT
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tables import ALPHA, ATTACKS, PUBLISHED, by_name, curve, upward

Values = Mapping[str, Any]

mpl.rcParams.update({"svg.hashsalt": "merkel", "svg.fonttype": "none", "font.size": 9})
_COLOURS = ("#0b5fa5", "#c2410c", "#15803d", "#7e22ce", "#0891b2")  # apart for most kinds of colour vision
_DRAWN = ("levels-w1", "levels-w2", "levels-w3", "levels-w4", "levels-w10")


def clean(found: Mapping[str, Sequence[float]], path: Path) -> None:
    """The zero-attack curve: published, and on both grids with the deviation over seeds."""
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(BITS, PUBLISHED, color="#333", marker="s", markersize=4, linestyle="--", label="published")
    for colour, (grid, label) in zip(
        _COLOURS, {"sign": "sign as an extra bit", "levels": "2^B levels"}.items(), strict=False
    ):
        values = [found[f"{grid}-w{bits}"] for bits in BITS]
        means = [100 * statistics.fmean(one) for one in values]
        over = [100 * statistics.stdev(one) if len(one) > 1 else 0.0 for one in values]
        axes.errorbar(BITS, means, over, color=colour, marker="o", markersize=3, capsize=2, label=label)
    axes.axhline(100 * statistics.fmean(found[FLOAT]), color="#999", linewidth=1, label="float")
    axes.set_xticks(list(BITS))
    axes.set_ylim(80, 100)
    _labelled(axes, "bits of weights and biases", "accuracy, %")
    _save(figure, path)


def sweeps(studies: Sequence[Values], path: Path) -> None:
    """Accuracy against strength under each attack: means over seeds, with their range as a band."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    rows = by_name(studies)
    for axes, (attack, called) in zip(figure.subplots(1, 2, sharey=True), ATTACKS.items(), strict=True):
        for name, colour in zip((FLOAT, *_DRAWN), ("#333", *_COLOURS), strict=True):
            if name not in rows:
                continue
            curves = [curve(row, attack) for row in rows[name]]
            eps = [one / 255 for one in curves[0]["eps"]]
            points = list(zip(*(one["top1"] for one in curves), strict=True))
            style = "--" if name == FLOAT else "-"
            axes.plot(eps, [100 * statistics.fmean(one) for one in points], style, color=colour, label=name)
            low, high = [100 * min(one) for one in points], [100 * max(one) for one in points]
            axes.fill_between(eps, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_title(called, fontsize=9)
        axes.set_ylim(0, 100)
        _labelled(axes, "eps, of pixels in [0, 1]", "accuracy, %")
    _save(figure, path)


def crossings(studies: Sequence[Values], path: Path) -> None:
    """eps* against float by bits: a point for each seed, with its interval over images."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    rows = by_name(studies)
    for axes, (attack, called) in zip(figure.subplots(1, 2, sharey=True), ATTACKS.items(), strict=True):
        for name, members in rows.items():
            for seed, row in enumerate(members):
                found = None if name == FLOAT else upward(row, attack)
                if found is None:
                    continue
                place = row["bits"][0] + 0.1 * (seed - (len(members) - 1) / 2)
                eps = found["eps"] / 255
                ends = [eps if end is None else end / 255 for end in found["ci95"] or (None, None)]
                over = [[max(0.0, eps - ends[0])], [max(0.0, ends[1] - eps)]]
                sure = found["p"] < ALPHA
                axes.errorbar(
                    [place], [eps], over, color=_COLOURS[seed % 5], marker="o", markersize=4 if sure else 2, capsize=2,
                    alpha=1.0 if sure else 0.3,
                )  # fmt: skip
        axes.set_title(called, fontsize=9)
        axes.set_xticks(list(BITS))
        axes.grid(alpha=0.3)
        axes.set_xlabel("bits of weights and biases")
        axes.set_ylabel("eps*, of pixels in [0, 1]")
    _save(figure, path)


def _labelled(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None})

"""Accuracy against severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.typeset.drawings import line_style, svg_text

_COLUMNS = 4


def accuracy_by_severity(summary: Mapping[str, Any]) -> str | None:
    """SVG of top-1 against severity, a panel for each corruption and one for their mean; None without corruptions."""
    targets = summary["targets"]
    names = words.corruption_names(targets[0]["conditions"])
    if not names:
        return None
    from matplotlib.figure import Figure

    panels = ["mean", *names]
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(2.8 * _COLUMNS, 2.1 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        axis.set_title(panel if panel != "mean" else "mean of all corruptions", fontsize=9)
        axis.grid(alpha=0.25)
        for index, target in enumerate(targets):
            severities, top1 = _curve(target["conditions"], names if panel == "mean" else [panel])
            axis.plot(severities, top1, label=target["id"], markersize=4, linewidth=1.5, **line_style(index))
        axis.set_xticks(range(6))
        axis.set_ylim(0, 100)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.supxlabel("severity (0 = clean)", fontsize=9)
    figure.supylabel("top-1 accuracy, %", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(3, len(labels)), fontsize=9, frameon=False)
    return svg_text(figure)


def _curve(conditions: Mapping[str, Any], names: Sequence[str]) -> tuple[list[int], list[float]]:
    found = [words.by_severity(conditions, name) for name in names]
    severities = sorted(set.intersection(*(set(values) for values in found)))
    means = [sum(values[severity]["top1"] for values in found) / len(found) * 100 for severity in severities]
    return severities, means

"""The report's figures, as SVG text without any reference to the outside."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.report import words

# Okabe and Ito's colours, distinguishable without colour vision; and a marker each.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
# Dashes let a line shine through that lies below.
_LINES = ("-", (0, (3, 2)))
_COLUMNS = 4


def accuracy_by_severity(summary: Mapping[str, Any]) -> str | None:
    """Top-1 against severity, a panel for each corruption and one for their mean; None without corruptions."""
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


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of the target at that place."""
    return {"color": _COLOURS[index % 6], "marker": _MARKERS[index % 6], "linestyle": _LINES[index % 2]}


def _curve(conditions: Mapping[str, Any], names: Sequence[str]) -> tuple[list[int], list[float]]:
    found = [words.by_severity(conditions, name) for name in names]
    severities = sorted(set.intersection(*(set(values) for values in found)))
    means = [sum(values[severity]["top1"] for values in found) / len(found) * 100 for severity in severities]
    return severities, means


def svg_text(figure: Any) -> str:
    """A matplotlib figure as an SVG element: the same figures give the same bytes."""
    import matplotlib

    buffer = io.StringIO()
    # Text stays text; ids are a hash of the content, so that the same figures give the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seatrial"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]

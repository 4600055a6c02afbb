"""The HTML report: one file that needs no network and runs no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seatrial.files import write_text
from seatrial.harness.report import attack_words, guard, pipeline_words, words
from seatrial.harness.report.attack_plot import accuracy_by_strength
from seatrial.harness.report.plots import accuracy_by_severity
from seatrial.harness.report.stacked_plot import stacked_loss


def render_report(summary: Mapping[str, Any]) -> str:
    """The page for a summary; every text in it is escaped, wherever it came from."""
    environment = Environment(
        loader=PackageLoader("seatrial.harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figure = accuracy_by_severity(summary)
    stacked = stacked_loss(summary["pipeline"]) if summary.get("pipeline") else None
    strengths = accuracy_by_strength(summary["attacks"]) if summary.get("attacks") else None
    return environment.get_template("report.html").render(
        summary=summary,
        targets=summary["targets"],
        corruptions=words.corruption_names(summary["targets"][0]["conditions"]),
        figure=None if figure is None else Markup(figure),  # noqa: S704  (matplotlib escapes the text in its SVG)
        stacked=None if stacked is None else Markup(stacked),  # noqa: S704  (as above)
        strengths=None if strengths is None else Markup(strengths),  # noqa: S704  (as above)
        attack=attack_words,
        guard=guard,
        pipeline=pipeline_words,
        words=words,
    )


def write_report(path: Path, summary: Mapping[str, Any]) -> None:
    """Writes the page atomically."""
    write_text(path, render_report(summary))

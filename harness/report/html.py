"""The HTML report: one file that needs no network and runs no script."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seatrial.files import write_text
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report import guard, unlabelled, words
from seatrial.harness.typeset import numbers


@functools.cache
def _environment() -> Environment:
    """Keeps what it has compiled."""
    return Environment(
        loader=PackageLoader("seatrial.harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_report(summary: Mapping[str, Any]) -> str:
    """The page for a summary; every text in it is escaped, wherever it came from."""
    shared = {"summary": summary, "targets": summary["targets"], "numbers": numbers}
    sections = [section for kind in KINDS.values() if (section := kind.section(summary)) is not None]
    rendered = [_environment().from_string(one.template).render(shared, values=one.values) for one in sections]
    return (
        _environment()
        .get_template("report.html")
        .render(
            shared,
            columns=[column for kind in KINDS.values() for column in kind.columns()],
            sections=list(map(Markup, rendered)),  # they are escaped already
            guard=guard,
            unlabelled=unlabelled,
            words=words,
        )
    )


def write_report(path: Path, summary: Mapping[str, Any]) -> None:
    """Writes the page atomically."""
    write_text(path, render_report(summary))

"""The HTML report: one file that needs no network, and can be read without its script."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from seatrial.files import write_text
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.report.beside import shown_of
from seatrial.harness.report.page.accuracy import accuracy
from seatrial.harness.report.page.asked import asked
from seatrial.harness.report.page.baseline import baseline
from seatrial.harness.report.page.checks import checks, notes
from seatrial.harness.report.page.classes import by_class
from seatrial.harness.report.page.decomposition import decomposition
from seatrial.harness.report.page.flips import what_changed, worst_images
from seatrial.harness.report.page.heat import heat_maps
from seatrial.harness.report.page.kinds import sections
from seatrial.harness.report.page.latency import latency
from seatrial.harness.report.page.layers import by_layer
from seatrial.harness.report.page.likeness import likeness
from seatrial.harness.report.page.part import MakePart, Part, Shown
from seatrial.harness.report.page.places import places
from seatrial.harness.report.page.verdict import verdict, what_to_do
from seatrial.harness.report.studies.page import study
from seatrial.harness.typeset.plain import all_visible
from seatrial.harness.typeset.styles import as_classes

# In the order of the page; the kinds' own sections stand between them.
_BEFORE: tuple[MakePart, ...] = (asked, baseline, study, accuracy, likeness, places, heat_maps)
_BEHIND: tuple[MakePart, ...] = (
    *(decomposition, by_class, what_changed, worst_images),
    *(by_layer, latency, checks, notes),
)


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


def render_report(summary: Mapping[str, Any], beside: Shown | None = None) -> str:
    """The page for a summary; every text in it is escaped, wherever it came from. beside: what else is shown of the
    run.
    """
    shown = _visible(dataclasses.replace(beside or Shown(summary), summary=summary))
    parts = [*_made(_BEFORE, shown), *sections(shown), *_made(_BEHIND, shown)]
    page = (
        _environment()
        .get_template("report.html")
        .render(
            summary=shown.summary,
            conditions=len(shown.conditions),
            verdict=verdict(shown),
            what_to_do=what_to_do(shown),
            parts=_named(parts),
        )
    )
    return _sealed(page)


def write_report(directory: RunDirectory, summary: Mapping[str, Any]) -> None:
    """Writes the page of a run atomically."""
    write_text(directory.report, render_report(summary, shown_of(directory, summary)))


def _visible(shown: Shown) -> Shown:
    return Shown(
        all_visible(shown.summary),
        all_visible(dict(shown.layers)),
        all_visible(dict(shown.timing)),
        {key: {all_visible(name): one for name, one in found.items()} for key, found in shown.tracks.items()},
        all_visible(shown.flips),
        all_visible(shown.places),
    )


def _made(makers: tuple[MakePart, ...], shown: Shown) -> list[Part]:
    return [part for make in makers if (part := make(shown)) is not None]


def _named(parts: list[Part]) -> list[tuple[str, Part]]:
    """Each with the name that links go to."""
    return [
        (f"{re.sub('[^a-z]+', '-', part.title.lower()).strip('-')}-{place}", part) for place, part in enumerate(parts)
    ]


def _sealed(page: str) -> str:
    """With its sheet and its script, and a policy that lets in these two alone."""
    page, rules = as_classes(page)
    style, script = f"\n{_part('report.css')}\n{rules}\n", f"\n{_part('report.js')}\n"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # Other text has no "<": it is escaped. The first two marks come before any part, the last one behind all.
    head, _, rest = page.partition("<!--policy-->")
    middle, _, rest = rest.partition("<!--style-->")
    body, _, end = rest.rpartition("<!--script-->")
    return f"{head}{policy}{middle}{style}{body}{script}{end}"


def _part(name: str) -> str:
    return (resources.files("seatrial.harness.report") / "templates" / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

"""What the kinds of conditions have to show: each has its own section."""

from __future__ import annotations

import functools
import re

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report.page.part import Part, Shown
from seatrial.harness.typeset import numbers

_TITLE = re.compile(r"<h2[^>]*>(.*?)</h2>", re.DOTALL)


@functools.cache
def _environment() -> Environment:
    """Keeps what it has compiled."""
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def sections(shown: Shown) -> list[Part]:
    """Each named by its first heading."""
    known = {"summary": shown.summary, "targets": shown.targets, "numbers": numbers}
    found = []
    for name, kind in KINDS.items():
        section = kind.section(shown.summary)
        if section is None:
            continue
        text = _environment().from_string(section.template).render(known, values=section.values)
        title = _TITLE.search(text)
        body = text if title is None else text[: title.start()] + text[title.end() :]
        heading = name if title is None else str(Markup(title[1]).striptags())  # noqa: S704  (escaped by the template)
        found.append(Part(heading, Markup(body)))  # noqa: S704
    return found

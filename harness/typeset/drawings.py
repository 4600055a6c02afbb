"""The report's drawings, as SVG text without any reference to the outside."""

from __future__ import annotations

import io
from typing import Any

from markupsafe import Markup

# Okabe and Ito's colours, distinguishable without colour vision; and a marker each.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
# Dashes let a line shine through that lies below.
_LINES = ("-", (0, (3, 2)))


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of the target at that place."""
    return {"color": _COLOURS[index % 6], "marker": _MARKERS[index % 6], "linestyle": _LINES[index % 2]}


def svg_text(figure: Any) -> Markup:
    """A matplotlib figure as an SVG element, fit for a page as it is: the same figures give the same bytes."""
    import matplotlib

    buffer = io.StringIO()
    # Text stays text; ids are a hash of the content, so that the same figures give the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "seatrial"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704  (matplotlib escapes the text in its SVG)

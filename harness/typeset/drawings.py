"""The report's drawings, as SVG text without any reference to the outside."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

# Okabe and Ito's colours, distinguishable without colour vision; and a marker each. The page puts variables in the
# place of these and of INK (`typeset.styles`), so that one drawing serves light and dark.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
INK = "#000000"
# Dashes let a line shine through that lies below.
_LINES = ("-", (0, (3, 2)))
_SETTINGS: Any = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "seatrial",  # ids are a hash of the content, so that the same figures give the same bytes
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


def line_style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of the target at that place."""
    return {"color": COLOURS[index % 6], "marker": MARKERS[index % 6], "linestyle": _LINES[index % 2]}


class Panel:
    """One drawing with one pair of axes: `axis` is matplotlib's, `svg` the SVG element, once the block has ended."""

    def __init__(self, axis: Any) -> None:
        self.axis = axis
        self.svg = Markup()


@contextlib.contextmanager
def panel(width: float = 2.9, height: float = 2.1) -> Iterator[Panel]:
    """Axes to draw on, of that size in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        # The browser's fonts have the signs that matplotlib's own lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
        drawn = Panel(figure.subplots())
        yield drawn
        drawn.svg = svg_text(figure)


def svg_text(figure: Any) -> Markup:
    """A matplotlib figure as an SVG element, fit for a page as it is: the same figures give the same bytes."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704  (matplotlib escapes the text in its SVG)

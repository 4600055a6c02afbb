"""The report's drawings, as SVG text without any reference to the outside."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

# Okabe and Ito's colours, distinguishable without colour vision; and a marker each. The page puts variables in the
# place of these and of INK (`typeset.styles`), so that one drawing serves light and dark.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
INK = "#000000"
# Dashes let a line shine through that lies below.
_LINES = ("-", (0, (3, 2)))
# Of the seventh to the twelfth line, whose colours are those of the first six.
_FURTHER = ((0, (1, 1)), (0, (6, 2, 1, 2)))
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
    dashes = _LINES if index // 6 % 2 == 0 else _FURTHER
    return {"color": COLOURS[index % 6], "marker": MARKERS[index % 6], "linestyle": dashes[index % 2]}


class Panel:
    """One drawing with one pair of axes: `axis` is matplotlib's, `svg` the SVG element, once the block has ended."""

    def __init__(self, axis: Any) -> None:
        self.axis = axis
        self.svg = Markup()


class Stack:
    """One drawing with several pairs of axes below each other, which share the lower one."""

    def __init__(self, axes: Sequence[Any]) -> None:
        self.axes = axes
        self.svg = Markup()


@contextlib.contextmanager
def panel(width: float = 2.9, height: float = 2.1) -> Iterator[Panel]:
    """Axes to draw on, of that size in inches."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with _figure(width, height) as figure:
        drawn = Panel(figure.subplots())
        yield drawn
        # By hand: of a figure that has it, matplotlib draws everything once more to find the layout.
        ConstrainedLayoutEngine().execute(figure)
        drawn.svg = svg_text(figure)


# Around and between stacked axes, in inches: room for figures, a title and a name.
_LEFT, _RIGHT, _ABOVE, _BELOW, _GAP = 0.75, 0.1, 0.36, 0.42, 0.26


@contextlib.contextmanager
def stack(heights: Sequence[float], width: float = 7.2) -> Iterator[Stack]:
    """Axes to draw on, from above, of these heights in inches."""
    height = sum(heights) + _GAP * (len(heights) - 1) + _ABOVE + _BELOW
    with _figure(width, height) as figure:
        # Margins that are known need no search for them, which would draw everything several times.
        room = {
            "left": _LEFT / width,
            "right": 1 - _RIGHT / width,
            "bottom": _BELOW / height,
            "top": 1 - _ABOVE / height,
        }
        figure.subplots_adjust(**room, hspace=_GAP * len(heights) / sum(heights))
        axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
        drawn = Stack(list(axes[:, 0]))
        yield drawn
        drawn.svg = svg_text(figure)


@contextlib.contextmanager
def _figure(width: float, height: float) -> Iterator[Any]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        # The browser's fonts have the signs that matplotlib's own lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield Figure(figsize=(width, height), facecolor="none")


# Of a logarithmic axis that spans less than so many times its lower end, every tick has its figure; of one that spans
# less than the second, those that begin with 2 or 5.
_ALL, _FEW = 4.0, 30.0


def logarithmic(axis: Any, which: str) -> None:
    """Makes `x` or `y` a logarithmic axis with plain figures: 0.5, 1, 2, not powers."""
    lies = axis.xaxis if which == "x" else axis.yaxis
    (axis.set_xscale if which == "x" else axis.set_yscale)("log")

    def between(value: float, place: Any = None) -> str:
        low, high = sorted(lies.get_view_interval())
        few = high / low < _ALL or (high / low < _FEW and f"{value:e}"[0] in "25")
        return f"{value:g}" if few else ""

    lies.set_major_formatter(lambda value, place: f"{value:g}")
    lies.set_minor_formatter(between)


def svg_text(figure: Any) -> Markup:
    """A matplotlib figure as an SVG element, fit for a page as it is: the same figures give the same bytes."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])  # noqa: S704  (matplotlib escapes the text in its SVG)

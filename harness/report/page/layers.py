"""Precision by layer: a strip for each target, and every layer that does not run as requested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.drawings import COLOURS, INK, panel
from seatrial.harness.typeset.numbers import percent
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, note

# Layers that the page lists of each target, the largest first; audit.json has all.
_LISTED = 150
# Hatches, for those who do not tell colours apart.
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")


def by_layer(shown: Shown) -> Part | None:
    """What each layer runs at; None where no audit tells."""
    audited = {name: layers for name, layers in shown.layers.items() if layers and name in shown.names}
    if not audited:
        return None
    precisions = list(dict.fromkeys(layer["realized"] for layers in audited.values() for layer in layers))
    captions = "From the first layer to the last; each is as wide as its share of the arithmetic."
    says = " ".join(f"{name}: {_shares(layers)}." for name, layers in audited.items())
    drawing = Drawing(_strips(audited, precisions), "Realized precision by layer", says)
    tables = [_table(name, layers) for name, layers in audited.items()]
    return Part(
        "Precision by layer",
        together(figure([drawing], captions), *tables, note("Shares are of the multiply-accumulates.")),
    )


def _shares(layers: Sequence[Values]) -> str:
    total = sum(layer["macs"] for layer in layers) or 1
    work: dict[str, int] = {}
    for layer in layers:
        work[layer["realized"]] = work.get(layer["realized"], 0) + layer["macs"]
    return ", ".join(
        f"{name} {percent(macs / total, 1)}" for name, macs in sorted(work.items(), key=lambda one: -one[1])
    )


def _strips(audited: Mapping[str, Sequence[Values]], precisions: Sequence[str]) -> Markup:
    with panel(7.2, 0.75 + 0.36 * len(audited)) as drawn:
        axis = drawn.axis
        named = set()
        for row, layers in enumerate(audited.values()):
            total = sum(layer["macs"] for layer in layers) or 1
            start = 0.0
            for precision, macs in _joined(layers, total):
                index = precisions.index(precision)
                axis.barh(
                    row,
                    macs / total * 100,
                    left=start,
                    height=0.66,
                    color=COLOURS[index % 6],
                    hatch=_HATCHES[index % 6],
                    edgecolor=INK,
                    linewidth=0.3,
                    label=None if precision in named else precision,
                )
                named.add(precision)
                start += macs / total * 100
        axis.set_yticks(range(len(audited)), list(audited))
        axis.set_ylim(len(audited) - 0.5, -0.5)
        axis.set_xlim(0, 100)
        axis.set_xlabel("share of the arithmetic, %")
        axis.figure.legend(loc="outside upper right", ncols=len(precisions), fontsize=8, frameon=False)
    return drawn.svg


def _joined(layers: Sequence[Values], total: int) -> list[tuple[str, int]]:
    """Layers in a row of the same precision in one piece where they are too small to be told apart."""
    found: list[tuple[str, int]] = []
    for layer in layers:
        if found and found[-1][0] == layer["realized"] and min(found[-1][1], layer["macs"]) < total / 200:
            found[-1] = (found[-1][0], found[-1][1] + layer["macs"])
        else:
            found.append((layer["realized"], layer["macs"]))
    return found


def _table(name: str, layers: Sequence[Values]) -> Table:
    total = sum(layer["macs"] for layer in layers) or 1
    order = sorted(range(len(layers)), key=lambda place: -layers[place]["macs"])[:_LISTED]
    rows = [
        [
            layers[place].get("node") or layers[place]["name"],
            Cell(str(place + 1), place),
            layers[place]["op"],
            Cell(layers[place]["realized"], look="" if _as_requested(layers[place]) else "fail"),
            Cell(percent(layers[place]["macs"] / total, 1), layers[place]["macs"]),
            layers[place].get("reason") or "-",
        ]
        for place in order
    ]
    left = len(layers) - len(rows)
    headings = [
        Heading("layer"),
        Heading("place"),
        Heading("operator", figures=False),
        Heading("runs at", figures=False),
        Heading("share"),
        Heading("why not as requested", figures=False),
    ]
    caption = f"{name}, layers by their work{f'; {left} small ones are in audit.json' if left else ''}"
    return Table(caption, headings, rows, folded=True)


def _as_requested(layer: Values) -> bool:
    return bool(layer["realized"] == layer.get("requested", layer["realized"]))

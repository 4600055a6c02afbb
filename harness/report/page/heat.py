"""Heat maps: the difference to the reference, condition by condition and target by target."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.protocol import Kind
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.page import Cell, Heading, Table

# Points of top-1 at which a cell takes the next shade, in both directions.
_SHADES = (0.25, 1.0, 2.5, 5.0, 10.0)


def heat_maps(shown: Shown) -> Part | None:
    """A map for each kind of conditions; None where nothing is compared, or there is but one condition."""
    if not shown.others or len(shown.conditions) < 2 or not shown.targets[0]["conditions"]:
        return None
    maps = []
    left = list(shown.conditions)
    for kind in KINDS.values():
        owned = [name for name in left if kind.owns(name)]
        left = [name for name in left if name not in owned]
        if owned and owned != [CLEAN]:
            maps.append(_map(kind, owned, shown.others))
    return Part("Differences at a glance", together(_key(), *maps))


def _map(kind: Kind, conditions: Sequence[str], targets: Sequence[Values]) -> Table:
    cells = {name: kind.cell(name) for name in conditions}
    columns = list(dict.fromkeys(column for _, column in cells.values()))
    at = {cell: name for name, cell in cells.items()}
    rows: list[list[Cell | str]] = []
    for row in dict.fromkeys(row for row, _ in cells.values()):
        found: list[Cell | str] = [row]
        for target in targets:
            found += [_cell(target["conditions"].get(at.get((row, column), ""))) for column in columns]
        rows.append(found)
    single = len(columns) == 1
    headings = [Heading("condition")]
    for target in targets:
        headings += [
            Heading(target["id"] if single else column, group="" if single else target["id"]) for column in columns
        ]
    where = f", {columns[0]}" if single and columns[0] else ""
    return Table(f"Points of top-1 against the reference: {kind.name}{where}", headings, rows, folded=False)


def _cell(found: Values | None) -> Cell | str:
    if found is None or found["vs_reference"] is None:
        return "-"
    against = found["vs_reference"]
    delta, (low, high) = against["delta"], against["ci95"]
    text = Markup.escape(f"{delta * 100:+.2f}")
    certain = low > 0 or high < 0
    return Cell(Markup("<b>{}</b>").format(text) if certain else text, delta, look=f"heat {_shade(delta)}")


def _shade(delta: float) -> str:
    steps = sum(abs(delta) * 100 >= limit for limit in _SHADES)
    return f"h{'l' if delta < 0 else 'g'}{steps}" if steps else "h0"


def _key() -> Markup:
    """What the shades mean."""
    lost = [_swatch(f"hl{step}", f"-{_SHADES[step - 1]:g}") for step in range(5, 0, -1)]
    gained = [_swatch(f"hg{step}", f"+{_SHADES[step - 1]:g}") for step in range(1, 6)]
    return Markup(
        '<p class="key">Points of top-1 from <span class="swatches">{}</span> on. Bold: beyond chance, the 95 % '
        "interval leaves out 0.</p>"
    ).format(Markup().join([*lost, *gained]))


def _swatch(look: str, text: str) -> Markup:
    return Markup('<span class="heat {}">{}</span>').format(look, text)

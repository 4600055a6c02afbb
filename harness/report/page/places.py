"""What the same question got as answers at several places."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.page.flips import NameOf, names_of
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.report.places import sentences
from seatrial.harness.typeset.page import Cell, Heading, Table, listed, note

# Images of a pair that the page names, of the first condition that has any; places.json has more.
_IMAGES = 40


def places(shown: Shown) -> Part | None:
    """On how many images two places differ, and on which; None where no two targets are to be compared."""
    pairs = shown.summary.get("places") or ()
    if not pairs:
        return None
    tables = [_images(pair, names_of(shown.places)) for pair in shown.places.get("pairs", ()) if pair["conditions"]]
    told = note(
        "Where the file is the same, a difference is the runtime's or the processor's: kernels sum in another order, "
        "or saturate. places.json names the images of every condition."
    )
    return Part("Place by place", together(listed(sentences(shown.summary)), _counts(shown, pairs), *tables, told))


def _counts(shown: Shown, pairs: Sequence[Values]) -> Table:
    """A row for each pair and condition that differs."""
    labelled = shown.summary["data"]["labelled"]
    rows: list[list[Cell | str]] = [
        [
            pair["first"],
            pair["second"],
            title_of(name),
            Cell(f"{one['images']:,}", one["images"]),
            Cell(f"{one['differing']:,}", one["differing"]),
            *(
                (Cell(str(one[key]), one[key]) for key in ("first_right", "second_right", "both_wrong"))
                if labelled
                else ()
            ),
        ]
        for pair in pairs
        for name, one in pair["conditions"].items()
        if one["differing"]
    ]
    headings = [
        Heading("first"),
        Heading("second", figures=False),
        Heading("condition", figures=False),
        Heading("images"),
        Heading("other class"),
        *(Heading(name, group="who is right there") for name in ("the first", "the second", "neither") if labelled),
    ]
    return Table("Images that two places give different classes", headings, rows)


def _images(pair: Values, name_of: NameOf) -> Table | Markup:
    """The first images of the first condition that has any."""
    condition, found = next(iter(pair["conditions"].items()))
    rows: list[list[Cell | str]] = [
        [image, name_of(label) if label >= 0 else "-", name_of(first), name_of(second)]
        for image, label, first, second in found["images"][:_IMAGES]
    ]
    headings = [
        Heading("image"),
        Heading("label", figures=False),
        Heading(pair["first"], figures=False),
        Heading(pair["second"], figures=False),
    ]
    rest = found["differing"] - len(rows)
    more = f", {len(rows)} of {found['differing']:,} images" if rest > 0 else ""
    return Table(f"{pair['first']} and {pair['second']}, {title_of(condition)}{more}", headings, rows)

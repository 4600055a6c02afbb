"""Images without labels: how often a target answers as the reference does."""

from __future__ import annotations

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report import unlabelled
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.page import Cell, Heading, Table, note, paragraph


def likeness(shown: Shown) -> Part | None:
    """A row for each target and condition; None for images with labels."""
    compared = [target for target in shown.targets if target.get("likeness")]
    if not compared:
        return None
    rows = [_row(target["id"], name, one) for target in compared for name, one in target["likeness"].items()]
    headings = [
        Heading("target"),
        Heading("condition", figures=False),
        Heading("images"),
        Heading("same class [95 %]"),
        Heading("flipped"),
        Heading("confidence"),
        Heading("shift of it, points [95 %]"),
        Heading("flipped", group="the reference's median margin"),
        Heading("kept", group="the reference's median margin"),
        Heading("less sure"),
    ]
    told = [(target["id"], next(iter(target["likeness"].values()))) for target in compared]
    return Part(
        f"Answers as {shown.summary['reference']}'s",
        together(
            paragraph(
                "The images have no labels. How often a target is right is not known; as an image that both give the "
                "same class is right for both or for neither, accuracies differ by at most the share of flipped images."
            ),
            Table("Every target and condition", headings, rows),
            note(
                "Confidence: mean probability of the first class. Margin: that minus the second's. Less sure: the "
                "probability that the reference's margin is smaller on a flipped image than on another; 0.5 says that "
                "flips hit any image."
            ),
            *(paragraph(f"{name} flips {unlabelled.flips(one, 20)}.") for name, one in told if one["flips"]),
        ),
    )


def _row(target: str, condition: str, one: Values) -> list[Cell | str]:
    low, high = one["agreement_ci95"]
    return [
        target,
        title_of(condition),
        Cell(str(one["images"]), one["images"]),
        Cell(f"{percent(one['agreement'])} [{percent(low, 1)}, {percent(high, 1)}]", one["agreement"]),
        Cell(str(one["flipped"]), one["flipped"]),
        Cell(percent(one["confidence"]), one["confidence"]),
        Cell(points(one["shift"], one["shift_ci95"]), one["shift"]),
        *(_median(one[key]) for key in ("flipped_margin", "kept_margin")),
        "-" if one["less_sure"] is None else f"{one['less_sure']:.2f}",
    ]


def _median(margin: Values) -> str:
    return f"{margin['quantiles'][2]:.2f}" if margin["images"] else "-"

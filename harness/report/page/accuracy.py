"""Accuracy by target, and by condition and target, with intervals."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.registry import KINDS, title_of
from seatrial.harness.report import guard, words
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.numbers import percent, points, probability
from seatrial.harness.typeset.page import Cell, Heading, Table, note, paragraph


def accuracy(shown: Shown) -> Part:
    """Two tables: of the targets, and of every condition; without labels, what runs at which precision alone."""
    labelled = shown.summary["data"]["labelled"]
    explained = note(
        "Realized: shares of the multiply-accumulates. Differences are paired: the same images, in percentage points, "
        "with 95 % intervals. A negative flip is an image that the reference gets right and the target wrong."
    )
    return Part(
        "Accuracy" if labelled else "Targets",
        together(
            _targets(shown),
            *([explained] if labelled else []),
            *(
                paragraph(guard.meaning(target["id"], target["guard"]), "" if target["guard"]["faithful"] else "fail")
                for target in shown.targets
                if target.get("guard")
            ),
            _confidence(shown),
            _every(shown),
            _different(shown),
        ),
    )


def _targets(shown: Shown) -> Table:
    columns = [column for kind in KINDS.values() for column in kind.columns()]
    few = shown.summary["model"]["classes"] <= 5
    rows = []
    for target in shown.targets:
        clean = target["conditions"].get(CLEAN)
        rows.append(
            [
                target["id"],
                words.realized(target["realized"], target["simulated"]),
                *_figures(clean, few),
                *(column.cell(target) for column in columns),
            ]
        )
    headings = [Heading("target"), Heading("realized", figures=False), *_headings()]
    headings += [Heading(Markup.escape(column.title)) for column in columns]
    return Table("Targets, on clean images, and points against the reference", headings, rows, folded=False)


def _confidence(shown: Shown) -> Table:
    """What the probabilities are worth, under the first condition."""
    first = shown.conditions[0] if shown.conditions else ""
    rows: list[list[Cell | str]] = []
    for target in shown.targets:
        found = target["conditions"].get(first)
        if found is not None:
            confidence = found.get("confidence") or {}
            rows.append(
                [target["id"], *(_share(confidence.get(key)) for key in ("mean", "ece")), _share(found["ties"])]
            )
    headings = [
        Heading("target"),
        Heading("mean confidence"),
        Heading("calibration error (ECE)"),
        Heading("images with tied scores"),
    ]
    return Table(f"Confidence ({title_of(first)})", headings, rows, folded=True)


def _every(shown: Shown) -> Table | None:
    if len(shown.conditions) < 2 or not shown.targets[0]["conditions"]:
        return None
    few = shown.summary["model"]["classes"] <= 5
    rows: list[list[Cell | str]] = []
    for name in shown.conditions:
        for target in shown.targets:
            found = target["conditions"].get(name)
            if found is not None:
                rows.append([title_of(name), target["id"], *_figures(found, few), Cell(_code(name), name)])
    headings = [
        Heading("condition"),
        Heading("target", figures=False),
        *_headings(),
        Heading("id", figures=False),
    ]
    return Table("Every condition and target, and points against the reference", headings, rows)


def _headings() -> list[Heading]:
    return [
        Heading("top-1 [95 %]"),
        Heading("top-5"),
        Heading("points [95 %]"),
        Heading("p"),
        Heading("same class"),
        Heading("negative flips"),
        Heading("positive flips"),
    ]


def _figures(found: Values | None, few: bool) -> list[Cell | str]:
    """few: top-5 would say nothing."""
    if found is None:
        return ["-"] * len(_headings())
    against = found["vs_reference"]
    low, high = found["top1_ci95"]
    top5 = None if few else found["top5"]
    cells: list[Cell | str] = [
        Cell(f"{percent(found['top1'])} [{low * 100:.1f}, {high * 100:.1f}]", found["top1"]),
        _share(top5),
    ]
    if against is None:
        cells += ["-"] * 5
    else:
        cells += [
            Cell(points(against["delta"], against["ci95"]), against["delta"], beyond_chance(against)),
            Cell(probability(against["p"]), against["p"]),
            *(_share(against[key]) for key in ("agreement", "negative_flips", "positive_flips")),
        ]
    return cells


def beyond_chance(against: Values) -> str:
    """How a difference looks whose interval leaves out 0; nothing for others."""
    low, high = against["ci95"]
    return "worse" if high < 0 else "better" if low > 0 else ""


def _share(value: float | None) -> Cell:
    return Cell(percent(value), value)


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _different(shown: Shown) -> Any:
    found = words.disagreements(shown.summary)
    if not found:
        return None
    headings = [Heading("target"), *(Heading(name) for name, _ in found)]
    rows = [[name, *cells] for name, cells in found]
    agreement = shown.summary["agreement"]
    caption = (
        f"Images with different classes, of {shown.summary['data']['images']} ({title_of(agreement['condition'])})"
    )
    return together(Table(caption, headings, rows, sortable=False, folded=False), note("=: both run the same file."))

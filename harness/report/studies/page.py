"""A study in report.html."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from seatrial.harness.attacks.ids import ATTACKS
from seatrial.harness.conditions.kinds.attack.words import attack_title, panel_title, strength
from seatrial.harness.report.page.part import Part, Shown, together
from seatrial.harness.report.studies import words
from seatrial.harness.typeset.curves import Axis, Curve, accuracy_panel
from seatrial.harness.typeset.numbers import percent, probability
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, listed, note

Values = Mapping[str, Any]


def study(shown: Shown) -> Part | None:
    """Its tables, its curves, and what each published sentence is worth here; None without a study."""
    found = shown.summary.get("study")
    if not found:
        return None
    own = [_shares(found), _by_attack(found)] if found["suite"] == "robustmq" else [_curves(found), _crossings(found)]
    body = together(_claims(found), _parts(found), *own, note(words.ABOUT[found["suite"]]), listed(found["notes"]))
    return Part(words.TITLES[found["suite"]], body)


def _claims(found: Values) -> Table:
    rows = [
        [
            one["sentence"],
            Cell(one["answer"], look=words.LOOKS[one["answer"]]),
            Cell(words.figure(one), one["figure"]),
            one["of"],
            words.whole(one),
            one["source"],
        ]
        for one in found["claims"]
    ]
    headings = [
        Heading("published"),
        Heading("here it", figures=False),
        Heading("points [95 %]" if found["suite"] == "robustmq" else "figure [95 %]"),
        *(Heading(name, figures=False) for name in ("of", "why", "source")),
    ]
    return Table("What was published, on this run", headings, rows, folded=False)


def _parts(found: Values) -> Table:
    rows = [
        [
            claim["sentence"],
            part["name"],
            Cell(part["answer"], look=words.LOOKS[part["answer"]]),
            words.figure(claim, part),
        ]
        for claim in found["claims"]
        for part in claim["parts"]
    ]
    headings = [
        Heading("published"),
        Heading("of", figures=False),
        Heading("it", figures=False),
        Heading("figure [95 %]"),
    ]
    return Table("The same, one by one", headings, rows)


def _shares(found: Values) -> Table:
    rows: list[list[Cell | str]] = []
    for row, called in zip(found["rows"], words.names(found), strict=True):
        cells = [(row["clean"], "top1"), (row["nr"], "top1"), (row["sr"], "top1")]
        rows.append(
            [
                called,
                Cell(words.bits(row), row["bits"][0]),
                *(Cell(" ".join(words.share(one, key)), one and one[key]) for one, key in cells),
                Cell(" ".join(words.deviation(row["sr"])), row["sr"] and row["sr"]["std"]),
                " ".join(words.share(row["ar_mean"], "rate")),
                *(
                    " ".join(words.share(words.worst(row, level, of), "rate"))
                    for level in words.levels(found)
                    for of in ("own", "all")
                ),
                Cell(words.masking(row), look="fail" if row["masking"] == "fail" else ""),
            ]
        )
    headings = [
        Heading("method"),
        *(Heading(name) for name in ("bits", "clean", "NR", "SR", "SR, deviation", "AR")),
        *(
            Heading(f"{level}, {what}", group="WCAR")
            for level in words.levels(found)
            for what in ("own gradients", "everything")
        ),
        Heading("masking", figures=False),
    ]
    return Table("Accuracy, % [95 %]", headings, rows, folded=False)


def _by_attack(found: Values) -> Table:
    rows: list[list[Cell | str]] = []
    for attack, level, eps in words.attacks(found):
        row: list[Cell | str] = [f"{attack_title(attack)}, {strength(ATTACKS[attack].norm, eps)}"]
        for target in found["rows"]:
            one = _of_attack(target, attack, level)
            row += [
                " ".join(words.share(one.get("own") or one.get("queries"), "rate")),
                " ".join(words.share(one.get("transfer"), "rate")),
            ]
        rows.append(row)
    headings = [Heading("attack")]
    for target, called in zip(found["rows"], words.names(found), strict=True):
        named = f"{called} {words.bits(target)}"
        headings += [Heading("asked itself", group=named), Heading("made on float", group=named)]
    return Table("AR by attack, % [95 %]", headings, rows)


def _of_attack(target: Values, attack: str, level: str) -> Values:
    """Its AR by the ways of making images; empty where it was not asked."""
    return next((one for one in target["ar"] if (one["attack"], one["level"]) == (attack, level)), {})


def _curves(found: Values) -> Markup | None:
    """A panel for each attack, a line for each target; strengths stand at equal distances."""
    named = [f"{called} {words.bits(row)}" for row, called in zip(found["rows"], words.names(found), strict=True)]
    attacks = list(dict.fromkeys(one["attack"] for row in found["rows"] for one in row["curves"]))
    drawings = []
    for attack in attacks:
        curves = {
            place: one for place, row in enumerate(found["rows"]) for one in row["curves"] if one["attack"] == attack
        }
        strengths = sorted({eps for one in curves.values() for eps in one["eps"]})
        lines, says = [], []
        for place, one in curves.items():
            points = [
                (float(strengths.index(eps)), top1, (span[0], span[1]))
                for eps, top1, span in zip(one["eps"], one["top1"], one["ci95"], strict=True)
            ]
            lines.append(Curve(place, points))
            told = ", ".join(
                f"{percent(top1, 1)} at {eps:g}" for eps, top1 in zip(one["eps"], one["top1"], strict=True)
            )
            says.append(f"{named[place]}: {told}.")
        title = panel_title({"attack": attack, "made": "white box", "surrogate": None})
        axis = Axis([float(place) for place in range(len(strengths))], [f"{eps:g}" for eps in strengths], "eps, 255ths")
        svg = accuracy_panel(title, lines, axis, size=(5.0, 3.2))
        drawings.append(Drawing(svg, f"Accuracy against strength: {title}", " ".join(says)))
    if not drawings:
        return None
    return figure(
        drawings, "Accuracy against the strength of the attack, not to scale. Bars are 95 % intervals.", named
    )


def _crossings(found: Values) -> Table:
    rows = [
        [
            f"{called} {words.bits(row)}",
            one["attack"],
            f"{words.verb(one)} {words.bits(one)} ({one['against']})",
            Cell(words.place(one["eps"], one["ci95"]), one["eps"]),
            Cell(probability(one["p"]), one["p"]),
            words.masking(row),
        ]
        for row, called in zip(found["rows"], words.names(found), strict=True)
        for one in row["crossings"]
    ]
    headings = [
        Heading("target"),
        Heading("attack", figures=False),
        Heading("it", figures=False),
        Heading("eps* [95 %]"),
        Heading("p"),
        Heading("masking", figures=False),
    ]
    return Table("Where accuracy crosses float's, and that of more bits", headings, rows, folded=False)

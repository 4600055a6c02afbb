"""A study in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from seatrial.harness.report.studies import words
from seatrial.harness.typeset.numbers import probability
from seatrial.harness.typeset.tables import Listing, figure, figures, name
from seatrial.harness.typeset.tables import words as text
from seatrial.harness.typeset.terminal import say

_STYLES = {"holds": "green", "does not hold": "red", "cannot be told": "yellow"}


def print_study(summary: Mapping[str, Any], console: Console) -> None:
    """Its tables, and what each published sentence is worth here; nothing without a study."""
    study = summary.get("study")
    if not study:
        return
    for table in _robustmq(study) if study["suite"] == "robustmq" else [_crossings(study)]:
        console.print(table)
    say(console, words.ABOUT[study["suite"]])
    console.print(_claims(study))
    for line in [*words.caveats(study), *study["notes"]]:
        say(console, line, style="yellow")


def _robustmq(study: Mapping[str, Any]) -> list[Listing]:
    shares = Listing(
        f"{words.TITLES['robustmq']}: %, [95 %]",
        name("method"),
        text("bits"),
        *figures("clean", "NR", "SR", "deviation"),
    )
    attacks = Listing(
        "under attack, the masking verdict below the method: AR, and WCAR of everything, %, [95 %]",
        name("method"),
        text("bits"),
        *figures("AR", *(f"WCAR {level}" for level in words.levels(study))),
    )
    for row, called in zip(study["rows"], words.names(study), strict=True):
        clean, nr, sr = words.share(row["clean"]), words.share(row["nr"]), words.share(row["sr"])
        shares.add(called, words.bits(row), clean, nr, sr, words.deviation(row["sr"]))
        cells = [words.share(words.worst(row, level, "all"), "rate") for level in words.levels(study)]
        attacks.add((called, words.masking(row)), words.bits(row), words.share(row["ar_mean"], "rate"), *cells)
    return [shares, attacks] if words.levels(study) else [shares]


def _crossings(study: Mapping[str, Any]) -> Listing:
    table = Listing(
        words.TITLES["merkel"],
        name("method"),
        name("bits"),
        name("attack"),
        text("where"),
        figures("eps* [95 %]")[0],
        figure("p"),
    )
    for row, called in zip(study["rows"], words.names(study), strict=True):
        for one in row["crossings"]:
            where = f"{words.verb(one)} {words.bits(one)}"
            table.add(
                called,
                words.bits(row),
                one["attack"],
                where,
                words.place(one["eps"], one["ci95"]),
                probability(one["p"]),
            )
    return table


def _claims(study: Mapping[str, Any]) -> Listing:
    table = Listing("what was published", name("here it"), text("sentence"), figure("figure [95 %]"))
    for one in study["claims"]:
        said = Text(one["answer"], _STYLES[one["answer"]])
        table.add(said, one["sentence"], words.figure(one))
    return table

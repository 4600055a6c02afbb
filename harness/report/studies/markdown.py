"""A study in report.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.harness.report.studies import words
from seatrial.harness.typeset.markdown import code, table, text


def study(summary: Mapping[str, Any]) -> Iterator[str]:
    """The sentences, and the table; nothing without a study."""
    found = summary.get("study")
    if not found:
        return
    yield f"## {words.TITLES[found['suite']]}"
    rows = [[text(one["sentence"]), text(one["answer"]), text(words.figure(one))] for one in found["claims"]]
    yield table(["published", "here it", "figure [95 %]"], rows, left=2)
    yield from (text(line) for line in words.caveats(found))
    yield from _rows(found)


def _rows(found: Mapping[str, Any]) -> Iterator[str]:
    named = list(zip(found["rows"], words.names(found), strict=True))
    if found["suite"] == "merkel":
        rows = [
            [
                code(f"{called} {words.bits(row)}"),
                text(one["attack"]),
                text(f"{words.verb(one)} {words.bits(one)}"),
                text(words.place(one["eps"], one["ci95"])),
            ]
            for row, called in named
            for one in row["crossings"]
        ]
        if rows:
            yield table(["target", "attack", "it", "eps* [95 %]"], rows, left=3)
        return
    levels = words.levels(found)
    cells = [
        [
            code(called),
            words.bits(row),
            *(text(" ".join(words.share(row[name]))) for name in ("clean", "nr", "sr")),
            text(" ".join(words.deviation(row["sr"]))),
            text(" ".join(words.share(row["ar_mean"], "rate"))),
            *(text(" ".join(words.share(words.worst(row, level, "all"), "rate"))) for level in levels),
            text(words.masking(row)),
        ]
        for row, called in named
    ]
    headings = [
        "method",
        "bits",
        "clean",
        "NR",
        "SR",
        "SR, deviation",
        "AR",
        *(f"WCAR {one}" for one in levels),
        "masking",
    ]
    yield table(headings, cells, left=1)

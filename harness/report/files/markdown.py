"""report.md: the run on one page that fits a comment on a pull request, as GitHub and GitLab render it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report import places, unlabelled, words
from seatrial.harness.report.files.latency import latency
from seatrial.harness.report.studies.markdown import study
from seatrial.harness.report.timed import SINGLE_STREAM, percentile_cells, percentile_columns
from seatrial.harness.typeset.markdown import block, code, items, table, text
from seatrial.harness.typeset.numbers import percent, points

# GitHub refuses comments of more than 65536 signs.
MOST_BYTES = 60 * 1024
# A page that nobody reads to its end is no use: the rest stands in report.html.
_MOST_ROWS, _MOST_TARGETS, _MOST_SIGNS = 10, 30, 800
_REST = "The rest is in report.html."


def markdown(summary: Mapping[str, Any]) -> str:
    """Verdict, reasons and what to do first; then the targets, where they lose most, and what to know.

    At most MOST_BYTES of UTF-8: what would go beyond is left out, and said to be.
    """
    found, room = [], MOST_BYTES - len(f"\n\n{_REST}\n".encode())
    for part in _parts(summary):
        room -= len(f"{part}\n\n".encode())
        if room < 0:
            found.append(_REST)
            break
        found.append(part)
    return "\n\n".join(found) + "\n"


def _parts(summary: Mapping[str, Any]) -> Iterator[str]:
    gate = summary["gate"]
    yield f"# seatrial: {text(gate['verdict'])}"
    yield (
        f"{code(_short(summary['model']['name']))} on {summary['data']['images']} images of "
        f"{code(_short(summary['data']['name']))} ({text(words.enforcement(gate))})."
    )
    if gate["reasons"]:
        yield _listed([text(_short(reason)) for reason in gate["reasons"]])
    yield from _what_to_do(summary)
    if summary["failed"]:
        yield "## Targets that came to no end"
        yield _listed(
            [
                f"{code(_short(one['target']))} {text(words.OUTCOMES[one['outcome']])}: {text(_short(one['says']))}"
                for one in summary["failed"]
            ]
        )
    if summary["targets"]:
        yield "## Targets"
        yield _targets(summary)
        yield from latency(summary)
    yield from study(summary)
    if summary.get("baseline") is not None:
        yield from _baseline(summary["baseline"])
    told = places.sentences(summary)
    if told:
        yield "## Place by place"
        yield _listed([text(_short(one)) for one in told])
    for title, heading, rows in (
        ("Where they lose most: conditions", "condition", _conditions(summary)),
        ("Where they lose most: classes", "class", _classes(summary)),
    ):
        if rows:
            yield f"## {title}"
            yield _losses(heading, rows)
    if summary["notes"]:
        yield "## Notes"
        yield _listed([text(_short(note)) for note in summary["notes"]])


def _what_to_do(summary: Mapping[str, Any]) -> Iterator[str]:
    findings = summary.get("findings", ())
    if findings:
        yield "## What to do"
    for one in findings[:_MOST_ROWS]:
        about = "" if one["target"] is None else f"{code(_short(one['target']))}: "
        yield f"{about}{text(_short(words.finding(one)))}"
        if one["command"] is not None and len(one["command"]) <= _MOST_SIGNS * 2:
            yield block(one["command"])


def _targets(summary: Mapping[str, Any]) -> str:
    if not summary["data"]["labelled"]:
        return _unlabelled(summary)
    columns = [column for kind in KINDS.values() for column in kind.columns()]
    percentiles = percentile_columns(summary["targets"], SINGLE_STREAM)
    headings = [
        "target",
        "runs as",
        "top-1",
        "points [95 %]",
        *(text(one.title) for one in columns),
        *(f"{one} ms" for one in percentiles),
    ]
    rows = []
    for target in summary["targets"][:_MOST_TARGETS]:
        clean = target["conditions"].get("clean")
        against = clean and clean["vs_reference"]
        cells = [
            words.realized(target["realized"], target["simulated"]),
            percent(clean and clean.get("top1")),
            points(against["delta"], against["ci95"]) if against else "-",
            *(one.cell(target) for one in columns),
            *percentile_cells(target, SINGLE_STREAM, percentiles),
        ]
        rows.append([code(_short(target["id"])), *map(text, cells)])
    return _and_more(table(headings, rows, left=2), len(summary["targets"]) - _MOST_TARGETS)


def _unlabelled(summary: Mapping[str, Any]) -> str:
    percentiles = percentile_columns(summary["targets"], SINGLE_STREAM)
    latencies = [f"{one} ms" for one in percentiles]
    headings = ["target", "runs as", "the reference's class [95 %]", "flipped", *latencies]
    rows = []
    for target in summary["targets"][:_MOST_TARGETS]:
        one = next(iter(target["likeness"].values()), None)
        cells = [
            words.realized(target["realized"], target["simulated"]),
            unlabelled.same_class_within(one),
            "-" if one is None else str(one["flipped"]),
            *percentile_cells(target, SINGLE_STREAM, percentiles),
        ]
        rows.append([code(_short(target["id"])), *map(text, cells)])
    return _and_more(table(headings, rows, left=2), len(summary["targets"]) - _MOST_TARGETS)


def _baseline(found: Mapping[str, Any]) -> Iterator[str]:
    """What changed since: clean images, corrupted ones, and the condition that lost most."""
    yield "## Against the baseline"
    yield f"{code(_short(found['first']))}, on the images that both have."
    rows = []
    for target, change in found["targets"].items():
        conditions = change["conditions"]
        others = sorted((name for name in conditions if name != "clean"), key=lambda name: conditions[name]["delta"])
        shown = [("clean", conditions.get("clean")), ("corrupted, mean", change["corrupted"])]
        shown += [(name, conditions[name]) for name in others[:1]]
        rows += [(target, what, one) for what, one in shown if one is not None]
    cells = [
        [
            *(code(_short(target)), code(_short(what)), f"{one['images']}"),
            *map(text, (percent(one["before"]), percent(one["after"]), points(one["delta"], one["ci95"]))),
        ]
        for target, what, one in rows[:_MOST_TARGETS]
    ]
    headings = ["target", "on", "images", "before", "after", "points [95 %]"]
    if cells:
        yield _and_more(table(headings, cells, left=2), len(rows) - _MOST_TARGETS)
    alike = [
        f"{target}, {condition}: the class that it had on {unlabelled.same_class_within(one)} of {one['images']} images"
        for target, change in found["targets"].items()
        for condition, one in list(change["likeness"].items())[:1]
    ]
    faster = [
        f"{target}: {words.change_of_speed(change['speed'])}"
        for target, change in found["targets"].items()
        if change.get("speed")
    ]
    told = [*alike, *faster, *(f"changed: {path}" for path in found["changed"]), *found["alone"]]
    if told:
        yield _listed([text(_short(one)) for one in told])


# Difference, target, what, its figures.
_Row = tuple[float, str, str, Mapping[str, Any]]


def _conditions(summary: Mapping[str, Any]) -> list[_Row]:
    """The lowest differences to the reference first."""
    rows = [
        (one["vs_reference"]["delta"], target["id"], name, {**one, **one["vs_reference"]})
        for target in summary["targets"]
        for name, one in target["conditions"].items()
        if name != "clean" and one["vs_reference"] and _lost(one["vs_reference"])
    ]
    return sorted(rows, key=lambda row: row[0])


def _classes(summary: Mapping[str, Any]) -> list[_Row]:
    rows = []
    for target in summary["targets"]:
        for name, one in target.get("classes", {}).items():
            figures = {**one, **(one.get("vs_reference") or {})}
            if _lost(figures):
                rows.append((figures["delta"], target["id"], name, figures))
    return sorted(rows, key=lambda row: row[0])


def _lost(figures: Mapping[str, Any]) -> bool:
    return figures.get("delta") is not None and figures["delta"] < 0


def _losses(heading: str, rows: Sequence[_Row]) -> str:
    cells = [
        [
            code(_short(target)),
            code(_short(what)),
            str(one["images"]),
            text(percent(one["top1"])),
            text(points(delta, one.get("ci95"))),
        ]
        for delta, target, what, one in rows[:_MOST_ROWS]
    ]
    return _and_more(
        table(["target", heading, "images", "top-1", "points [95 %]"], cells, left=2), len(rows) - _MOST_ROWS
    )


def _listed(lines: Sequence[str]) -> str:
    return _and_more(items(lines[:_MOST_ROWS]), len(lines) - _MOST_ROWS)


def _and_more(shown: str, rest: int) -> str:
    return shown if rest <= 0 else f"{shown}\n\nand {rest} more"


def _short(words: str) -> str:
    """A message of a runtime may be pages long."""
    return words if len(words) <= _MOST_SIGNS else f"{words[:_MOST_SIGNS]} ..."

"""Latency over the time of the run, with the rounds, and what the machine did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, together
from seatrial.harness.report.page.timing.rounds import Beside, Round, beside, rounds
from seatrial.harness.report.tracks import Track
from seatrial.harness.typeset.drawings import INK, line_style, logarithmic, stack
from seatrial.harness.typeset.numbers import milliseconds
from seatrial.harness.typeset.page import Drawing, figure, folded_away, listed

# Heights in inches.
_TARGET, _BESIDE = 0.72, 0.5
# The counters below the latencies: what stands beside the axis, and those that share it.
_BELOW: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("probe, times\nits fastest", {"probe_ns": "arithmetic", "memory_ns": "memory"}),
    ("others' share\nof a core", {"others": "others"}),
    ("MHz", {"mhz": "MHz"}),
)
# Scenarios in which each target is asked from a beginning of its own.
_APART = ("sustained",)
_ONE_BY_ONE = "Targets are asked one after the other, each from its own beginning."
_IN_TURNS = "Targets take turns. Every other round is shaded; a hatched one was disturbed, and may not count."
# Points of a line that are marked each: of more, marks would hide the line.
_MARKED = 120
_LINES = (("-", "o"), ((0, (3, 2)), "s"))


def timeline(shown: Shown, scenario: str, *, folded: bool = False) -> Markup | None:
    """Of each place; None where nothing tells when the queries were. folded: a click opens it."""
    found = [_at(shown, board, scenario, folded) for board in timed.boards(shown.summary)]
    return together(*found) if any(found) else None


def _at(shown: Shown, board: str | None, scenario: str, folded: bool) -> Markup | None:
    tracks = {
        target["id"]: one
        for target in shown.targets
        if target.get("board") == board
        and (one := shown.tracks.get(scenario, {}).get(target["id"])) is not None
        and len(one.at_s) > 1
    }
    if not tracks:
        return None
    found = rounds(shown.timing, board, scenario)
    where = "" if board is None else f" on {board}"
    title = f"Latency over the time of the run{where}, {timed.scenario_name(scenario)}"
    says = " ".join(f"{name}: {_told(one)}." for name, one in tracks.items())
    drawing = Drawing(
        _drawn(shown, board, scenario, tracks, found), title, f"{says} {' '.join(map(_spoken, found))}".strip()
    )
    caption = "From the fastest to the slowest query of a stretch, thick at their median; milliseconds, logarithmic. "
    caption += _ONE_BY_ONE if scenario in _APART else _IN_TURNS
    drawn = figure([drawing], caption)
    return together(
        folded_away(title, drawn) if folded else drawn,
        listed([*_blocks_left_out(found), *(_spoken(one) for one in found if _is_disturbed(one))]),
    )


def _told(one: Track) -> str:
    worst = int(np.argmax(one.high_ms))
    half, most = milliseconds(float(np.median(one.half_ms))), milliseconds(one.high_ms[worst])
    return f"median {half} ms, the slowest query {most} ms after {one.at_s[worst]:.1f} s"


def _is_disturbed(one: Round) -> bool:
    return bool(one.reasons) or not one.kept


def _spoken(one: Round) -> str:
    what = "is not counted" if not one.kept else "was disturbed, and counts" if one.reasons else "counts"
    why = f": {'; '.join(one.reasons)}" if one.reasons else ""
    return f"Round {one.number} {what}{why}."


def _blocks_left_out(found: Sequence[Round]) -> list[str]:
    kept = [one for one in found if one.kept]
    left, all_ = sum(one.left_out for one in kept), sum(one.blocks for one in kept)
    if not left:
        return []
    return [
        f"Of the rounds that count, {left} of {all_} blocks are left out: known work before or behind them took longer "
        "than at calm moments."
    ]


def _drawn(
    shown: Shown, board: str | None, scenario: str, tracks: Mapping[str, Track], found: Sequence[Round]
) -> Markup:
    below = [
        (label, told)
        for label, names in (() if scenario in _APART else _BELOW)
        if (told := {says: of for name, says in names.items() if (of := beside(shown.timing, board, scenario, name))})
    ]
    with stack([*[_TARGET] * len(tracks), *[_BESIDE] * len(below)]) as drawn:
        for axis, (name, one) in zip(drawn.axes, tracks.items(), strict=False):
            _draw(axis, one, line_style(shown.names.index(name))["color"])
            axis.text(0, 1.04, name, transform=axis.transAxes, va="bottom", fontsize=8)
        for axis, (label, told) in zip(drawn.axes[len(tracks) :], below, strict=True):
            _draw_beside(axis, label, told)
        for place, axis in enumerate(drawn.axes):
            _shade(axis, found, named=place == 0)
        drawn.axes[-1].set_xlabel("seconds")
    return drawn.svg


def _draw(axis: Any, one: Track, colour: str) -> None:
    middle = one.at_s + one.width_s / 2
    axis.plot(*_upright(middle, one.low_ms, one.high_ms), color=colour, linewidth=0.8, alpha=0.7)
    axis.plot(*_level(one), color=colour, linewidth=2.2, solid_capstyle="butt")
    logarithmic(axis, "y")


def _upright(at: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """One path of upright strokes."""
    nothing = np.full(len(at), np.nan)
    return np.column_stack([at, at, nothing]).ravel(), np.column_stack([low, high, nothing]).ravel()


def _level(one: Track) -> tuple[Any, Any]:
    """One path of level strokes, a column wide, joined where columns are neighbours."""
    ends = one.at_s + one.width_s
    apart = np.append(one.at_s[1:] - ends[:-1] > one.width_s / 2, True)
    places = np.column_stack([one.at_s, ends, np.where(apart, np.nan, ends)]).ravel()
    values = np.column_stack([one.half_ms, one.half_ms, np.where(apart, np.nan, one.half_ms)]).ravel()
    return places, values


def _draw_beside(axis: Any, label: str, told: Mapping[str, Beside]) -> None:
    for (says, one), (line, marker) in zip(told.items(), _LINES, strict=False):
        marker = marker if len(one.values) <= _MARKED else ""
        look = {"color": INK, "linestyle": line, "marker": marker, "label": says} if len(told) > 1 else {"color": INK}
        axis.plot(one.at_s, one.values, markersize=2, linewidth=0.9, **look)
    if len(told) > 1:
        corner = {"loc": "lower right", "bbox_to_anchor": (1, 0.98), "borderaxespad": 0, "borderpad": 0}
        axis.legend(fontsize=7, frameon=False, ncols=len(told), **corner)
    axis.set_ylabel(label, fontsize=7)
    axis.margins(y=0.25)


def _shade(axis: Any, found: Sequence[Round], *, named: bool) -> None:
    for place, one in enumerate(found):
        if _is_disturbed(one):
            axis.axvspan(one.begin_s, one.end_s, facecolor="none", edgecolor=INK, hatch="////", alpha=0.28, linewidth=0)
        elif place % 2:
            axis.axvspan(one.begin_s, one.end_s, color=INK, alpha=0.06, linewidth=0)
        if named and _is_disturbed(one):
            axis.text(
                (one.begin_s + one.end_s) / 2,
                1.28,
                f"round {one.number} {'disturbed' if one.kept else 'not counted'}",
                transform=axis.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=7,
            )

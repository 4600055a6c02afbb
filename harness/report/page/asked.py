"""What was asked: the model, the images, the targets, the conditions, and how the images are fed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from markupsafe import Markup

from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report.page.checks import BINDING
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.report.places import asked_from_here
from seatrial.harness.typeset.page import Heading, Table, folded_away


def asked(shown: Shown) -> Part:
    """The question that the page answers."""
    summary = shown.summary
    model, data = summary["model"], summary["data"]
    calibration = data.get("calibration")
    rows: list[list[str | Markup]] = [
        ["Model", f"{model['name']}{_of(model.get('precision'))}, {model['classes']} classes"],
        ["Images", f"{data['images']} of {data['name']}, seed {summary['seed']}"],
        ["Targets", ", ".join(shown.names)],
        ["Boards", _boards(summary, served=False)],
        ["Endpoints", _boards(summary, served=True)],
        ["Reference", summary["reference"]],
        ["Conditions", _conditions(shown)],
        ["Calibration", f"{calibration['images']} images of {calibration['name']}" if calibration else "-"],
        ["Gate", summary["gate"]["gate"]],
    ]
    fed = [[name.replace("_", " "), _spelled(value)] for name, value in model["contract"].items()]
    fed += [["model, SHA-256", _hash(model["digest"])], ["images, SHA-256", _hash(data["digest"])]]
    if calibration:
        fed.append(["calibration, SHA-256", _hash(calibration["digest"])])
    headings = [Heading("what"), Heading("value", figures=False)]
    contract = Table("The input contract, and what was hashed", headings, fed, sortable=False, folded=False)
    return Part(
        "What was asked",
        together(
            Table("The question", headings, [row for row in rows if row[1] != "-"], sortable=False, folded=False),
            _limits(summary["gate"]),
            folded_away("How the images are fed, and hashes", Markup.escape(contract)),
        ),
    )


def _boards(summary: Values, *, served: bool) -> str:
    boards = summary.get("boards", {}).items()
    told = [f"{name}: {_board(one)}" for name, one in boards if asked_from_here(summary, name) == served]
    return "; ".join(told) or "-"


def _board(found: Values) -> str:
    """What it is, as far as it tells: model, processor, cores, system."""
    place = found.get("place") or {}
    cores = place.get("cores")
    told = [place.get("model"), place.get("processor"), f"{cores} cores" if cores else None, place.get("system")]
    return ", ".join(str(one) for one in told if one) or str(place.get("name") or "-")


def _of(precision: str | None) -> str:
    return f", {precision}" if precision else ""


def _conditions(shown: Shown) -> str:
    counts = Counter(_kind_of(name) for name in shown.conditions)
    return f"{sum(counts.values())}: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def _kind_of(condition_id: str) -> str:
    return next((name for name, kind in KINDS.items() if kind.owns(condition_id)), "other")


def _limits(gate: Values) -> Table:
    """The resolved gate."""
    rows = [
        [name.replace("_", " "), f"{limit['value']:g} {limit['unit']}", BINDING[limit["binding"]]]
        for name, limit in gate["limits"].items()
        if limit["value"] is not None
    ]
    headings = [Heading("check"), Heading("limit"), Heading("for the verdict", figures=False)]
    return Table(f"Limits of the gate {gate['gate']}", headings, rows, folded=True)


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_spelled(one)}" for name, one in value.items())
    return ", ".join(map(_spelled, value)) if isinstance(value, list) else "none" if value is None else str(value)


def _hash(digest: str) -> Markup:
    return Markup("<code>{}</code>").format(digest)

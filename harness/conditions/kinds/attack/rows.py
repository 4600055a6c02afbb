"""The rows of tables of attacks: a condition each; where a run tests many files, one for all attacks on own files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.harness.attacks.ids import SOURCE, AttackId
from seatrial.harness.conditions.kinds.attack import words

# Of so many files beside the source, a row for the images made on each would be empty but for a cell or two.
MANY_FILES = 3

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """label: in the terminal; title: in the report. described: the condition, or one of those that stand together.
    cells: target -> figures of its condition; None where it has none.
    """

    label: str
    title: str
    described: Values
    cells: Mapping[str, Values | None]


def rows_of(block: Values, conditions: Iterable[str] | None = None) -> list[Row]:
    """In the order of conditions. block: `attacks` of summary.json. conditions: of these alone, None for all.

    Where there are many files, the attacks that each target meets on its own file stand in one row for each strength,
    and what other targets say of these images, in `crossed`.
    """
    files = {target["file"] for target in block["targets"].values()}
    together = files - {SOURCE} if len(files - {SOURCE}) >= MANY_FILES else set()
    rows: list[Row] = []
    met: set[tuple[str, float]] = set()
    for name in block["conditions"] if conditions is None else conditions:
        one = block["conditions"][name]
        if one["surrogate"] not in together:
            rows.append(_of_condition(block, name))
        elif (one["attack"], one["eps"]) not in met:
            met.add((one["attack"], one["eps"]))
            rows.append(_on_own_files(block, name))
    return rows


def crossed(block: Values) -> list[Row]:
    """The images made on files of targets that others answered, too, but for the source's: who else falls for them."""
    owners: dict[str, list[str]] = {}
    for name, target in block["targets"].items():
        owners.setdefault(target["file"], []).append(name)
    found = []
    for name, one in block["conditions"].items():
        own = owners.get(str(one["surrogate"]), [])
        others = [
            target
            for target, values in block["targets"].items()
            if target not in own and values["file"] != SOURCE and name in values["conditions"]
        ]
        if own and one["surrogate"] != SOURCE and others:
            found.append(_of_condition(block, name))
    return found


def _of_condition(block: Values, name: str) -> Row:
    one = block["conditions"][name]
    cells = {target: values["conditions"].get(name) for target, values in block["targets"].items()}
    return Row(words.label(name, one), f"{words.title(name)}{words.as_float(one, ', ')}", one, cells)


def _on_own_files(block: Values, name: str) -> Row:
    one = block["conditions"][name]
    attack = AttackId(one["attack"], one["eps"], SOURCE)
    cells = {
        target: values["conditions"].get(str(dataclasses.replace(attack, surrogate=values["file"])))
        for target, values in block["targets"].items()
    }
    label = f"{attack.name}@{attack.eps:.10g} own file{words.as_float(one, ' ')}"
    strength = words.title(str(attack)).rpartition(", ")[0]
    return Row(label, f"{strength}, made on the target's own file{words.as_float(one, ', ')}", one, cells)

"""What a reader wants to know first: what stands in the way of the figures, and who is faster."""

from __future__ import annotations

from markupsafe import Markup

from seatrial.harness.report import timed, words
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.typeset.page import folded_away, listed, paragraph

# The worst: of many targets in many scenarios, the others would push the answer out of sight.
_MOST_MARKS = 10


def marks(shown: Shown) -> Markup | None:
    """Sentences, the worst first."""
    found = timed.marks(shown.summary)
    if not found:
        return None
    items = [
        Markup("<strong{}>{}</strong>: {}").format(
            Markup(' class="fail"') if mark.kind in timed.WORST else Markup(), mark.title, mark.sentence
        )
        for mark in found
    ]
    more = items[_MOST_MARKS:]
    return together(
        listed(items[:_MOST_MARKS], "marks"),
        folded_away(f"{len(more)} more mark{'' if len(more) == 1 else 's'}", listed(more, "marks")) if more else None,
    )


def answer(shown: Shown) -> Markup:
    """A sentence for each target, with the layers that fell back where it is slower than the reference."""
    return together(*(paragraph(_sentence(shown, target)) for target in shown.others))


def _sentence(shown: Shown, target: Values) -> Markup:
    found = timed.speedup_of(target, "single_stream")
    name = target["id"]
    if target.get("simulated"):
        return Markup("{} is simulated: its speed says nothing of the precision.").format(name)
    if found is None:
        return Markup("{}").format(words.unknown_pace(target, name))
    if timed.is_wrong(target):
        told = Markup("<strong>{} is {}, if its answers counted</strong>: while it was timed they cannot be trusted.")
        return told.format(name, words.pace(found))
    told = Markup("<strong>{} is {}</strong>.").format(name, words.pace(found))
    further = _further(target)
    told += Markup(" {}").format(further) if further else ""
    if timed.is_slower(found):
        told += Markup(" {}").format(timed.fallen_back(shown.layers.get(name, ())))
    return told


def _further(target: Values) -> str:
    """The other scenarios'."""
    found = (target.get("metrics") or {}).get("speedups") or {}
    told = [
        f"{timed.scenario_name(key)} {one['ratio']:.2f} times"
        + (f" ({one['ci95'][0]:.2f} to {one['ci95'][1]:.2f})" if one.get("ci95") else "")
        for key, one in found.items()
        if one and one.get("ratio") is not None
    ]
    return f"As fast in other scenarios: {', '.join(told)}." if told else ""

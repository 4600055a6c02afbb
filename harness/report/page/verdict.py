"""What the page opens with: the verdict, its reasons, what it means for each target, and what to do."""

from __future__ import annotations

from markupsafe import Markup

from seatrial.harness.report import guard, words
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.typeset.page import code, listed, paragraph

_MEANINGS = {
    "ACCEPT": "Every check that must pass does.",
    "REGRESSION": "A check fails beyond doubt.",
    "INCONCLUSIVE": "No check fails, but the images are too few to tell for at least one.",
    "ANOMALOUS": "What was measured cannot be trusted: look into that before any other figure.",
}


def verdict(shown: Shown) -> Markup:
    """The verdict with its reasons, and a sentence for each target."""
    gate = shown.summary["gate"]
    name = gate["verdict"]
    badge = Markup('<p class="judged"><strong class="verdict {look}">{name}</strong> {says} {status}</p>').format(
        look=name.lower() if name in _MEANINGS else "",
        name=name,
        says=_MEANINGS.get(name, ""),
        status=Markup('<span class="muted">({})</span>').format(words.enforcement(gate)),
    )
    return together(
        badge,
        listed([shown.readable(reason) for reason in gate["reasons"]], "reasons"),
        *(paragraph(sentence, "fail") for sentence in (shown.summary.get("alike") or {}).get("says", ())),
        *map(_failed, shown.summary["failed"]),
        *(_fallback(check) for check in gate["checks"]),
        *(paragraph(words.headline(shown.summary, target)) for target in shown.others),
        *(
            paragraph(guard.meaning(target["id"], target["guard"]), "fail")
            for target in shown.targets
            if target.get("guard") and not target["guard"]["faithful"]
        ),
    )


def _failed(failure: Values) -> Markup:
    head = f"{failure['target']} {words.OUTCOMES[failure['outcome']]} ({failure['stage']}): "
    return Markup('<p class="fail">{}<span class="lines">{}</span></p>').format(head, failure["says"])


def _fallback(check: Values) -> Markup:
    lines = words.fallback_lines(check)
    return together(*(paragraph(line, "fail" if index == 0 else "") for index, line in enumerate(lines)))


def what_to_do(shown: Shown) -> Markup | None:
    """The findings with their remedies, likeliest first; None without any."""
    findings = shown.summary.get("findings") or ()
    if not findings:
        return None
    items = [
        together(
            Markup("<p><strong>{}</strong>{}</p>").format(
                shown.readable(finding["says"]),
                Markup(' <span class="muted">({})</span>').format(finding["target"]) if finding.get("target") else "",
            ),
            paragraph(shown.readable(finding["remedy"])),
            code(finding["command"]) if finding.get("command") else None,
        )
        for finding in findings
    ]
    return Markup('<ol class="findings">{}</ol>').format(Markup().join(Markup("<li>{}</li>").format(i) for i in items))

"""junit.xml: the checks as a test report, in the form that pytest writes as xunit2.

GitLab shows a failure's body and not its `message`, Jenkins both: the reason stands in each.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from seatrial.harness.report import words
from seatrial.text import shown

_TAGS = ("failure", "error", "skipped")


def junit(summary: Mapping[str, Any]) -> str:
    """One test for each check: `classname` its target, `name` its question, so that it is the same test in every run.

    What fails is a failure, a target that came to no end an error; what the images are too few for, and what only
    advises, is skipped with its reason.
    """
    checks = summary["gate"]["checks"]
    cases = [_case(check, name, summary) for check, name in zip(checks, _names(checks), strict=True)]
    counts = {tag: sum(case.find(tag) is not None for case in cases) for tag in _TAGS}
    suite = ET.Element(
        "testsuite",
        name="seatrial",
        errors=str(counts["error"]),
        failures=str(counts["failure"]),
        skipped=str(counts["skipped"]),
        tests=str(len(cases)),
        time=f"{(summary.get('timing') or {}).get('wall', 0):.3f}",
    )
    suite.extend(cases)
    root = ET.Element("testsuites", name="seatrial")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _names(checks: list[Mapping[str, Any]]) -> list[str]:
    """By the check alone; where a target has several of a name, what they are about tells them apart."""
    counts = Counter((check["target"], check["name"]) for check in checks)
    used: Counter[tuple[str, str]] = Counter()
    names = []
    for check in checks:
        name = check["name"]
        if counts[check["target"], name] > 1 and check["subject"] is not None:
            name = f"{name} [{check['subject']}]"
        used[check["target"], name] += 1
        again = used[check["target"], name]
        names.append(shown(name if again == 1 else f"{name} ({again})"))
    return names


def _case(check: Mapping[str, Any], name: str, summary: Mapping[str, Any]) -> ET.Element:
    case = ET.Element("testcase", classname=shown(check["target"]), name=name, time="0.000")
    found = _outcome(check, {one["target"] for one in summary["failed"]})
    if found is not None:
        tag, kind, says = found
        result = ET.SubElement(case, tag, type=kind, message=says)
        result.text = "\n".join([says, *_remedies(check, summary)]) if tag != "skipped" else says
    return case


def _outcome(check: Mapping[str, Any], ended: Collection[str]) -> tuple[str, str, str] | None:
    """Element, type and reason; None for what passed. ended: the targets that came to no end."""
    says = shown(check["says"])
    if check["answer"] == "pass":
        return None
    if check["answer"] == "inconclusive":
        return "skipped", "inconclusive", f"inconclusive: {says}"
    if check["binding"] == "no":
        return "skipped", "advice", f"failed, but only advises: {says}"
    return ("error", "no end", says) if check["target"] in ended else ("failure", "limit", says)


def _remedies(check: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    """What to do about this target."""
    found = [one for one in summary.get("findings", ()) if one["target"] in (None, check["target"])]
    lines = []
    for one in found:
        lines.append(shown(words.finding(one)))
        if one["command"] is not None:
            lines.append(shown(f"    {one['command']}"))
    return lines

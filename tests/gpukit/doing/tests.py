"""Tests of tests/gpu, with pytest: for one engine, provider or package of those that they have as a parameter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gpukit.paths import ROOT, slug
from gpukit.results import FAILED, PASSED, SKIPPED, Result

_MOST = 3


class Only:
    """Keeps the tests that have this value among their parameters."""

    def __init__(self, value: str) -> None:
        self.value = value

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Pytest's hook."""
        chosen = [item for item in items if self.value in _parameters(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def do(work: Path, name: str, *arguments: str) -> Result:
    """arguments: node ids, and `--only VALUE`."""
    nodes, only = list(arguments), None
    if "--only" in nodes:
        at = nodes.index("--only")
        only, nodes[at : at + 2] = nodes[at + 1], []
    junit = work / "junit" / f"{slug(name)}.xml"
    junit.parent.mkdir(parents=True, exist_ok=True)
    options = ["-v", "--tb=long", "-p", "no:cacheprovider", f"--rootdir={ROOT}", f"--junitxml={junit}"]
    status = pytest.main([*options, *nodes], plugins=[] if only is None else [Only(only)])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        return Result(FAILED, "no test was found: a name has changed")
    return read_junit(junit.read_text(encoding="utf-8"))


def read_junit(text: str) -> Result:
    """The whole of a report: failed where one test did, passed where one ran and none failed, else skipped."""
    cases = list(ElementTree.fromstring(text).iter("testcase"))
    failed = [_said(case, fault) for case in cases for fault in (*case.iter("failure"), *case.iter("error"))]
    skipped = [_reason(fault) for case in cases for fault in case.iter("skipped")]
    passed = len(cases) - len(failed) - len(skipped)
    data = {"tests": len(cases), "passed": passed, "failed": failed, "skipped": sorted(set(skipped))}
    if failed:
        rest = f"; and {len(failed) - _MOST} more" if len(failed) > _MOST else ""
        return Result(FAILED, f"{len(failed)} of {len(cases)} tests: {'; '.join(failed[:_MOST])}{rest}", data)
    if passed:
        also = f", {len(skipped)} skipped" if skipped else ""
        return Result(PASSED, f"{passed} tests{also}", data)
    return Result(SKIPPED, "; ".join(sorted(set(skipped))) or "it has no tests", data)


def _said(case: ElementTree.Element, fault: ElementTree.Element) -> str:
    return f"{case.get('name')}: {' '.join((fault.get('message') or '').split())[:300]}"


def _reason(fault: ElementTree.Element) -> str:
    # A module that is skipped whole tells its reason as a tuple: (path, line, 'Skipped: reason').
    found = re.search(r"Skipped: (.*)['\"]\)$", fault.text or "")
    message = fault.get("message") or ""
    return " ".join((found[1] if found and message == "collection skipped" else message).split())[:500]


def _parameters(item: Any) -> list[object]:
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return [getattr(value, "library", value) for value in values]

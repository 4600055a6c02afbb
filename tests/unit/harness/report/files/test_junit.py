"""junit.xml against what pytest itself writes as xunit2, and what it holds."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from files_hostile import evil_summary, with_checks

from seatrial.harness.report.files.junit import junit
from seatrial.harness.results.check import Check

FAILED = Check(name="recovery", target="new/x@cpu", answer="fail", says="clean: -5.00 points", unit="points")
BUILT = Check(name="built and run", target="bad/x@cpu", answer="fail", says="refused: no")
ENDED = [{"target": "bad/x@cpu", "stage": "build", "outcome": "refused", "says": "no"}]
PYTESTS = """
import pytest
@pytest.fixture
def broken():
    raise ValueError("cannot be made")
def test_passes(): pass
def test_fails(): assert 1 == 2
def test_is_skipped(): pytest.skip("too few")
def test_has_an_error(broken): pass
"""


@pytest.fixture(scope="module")
def of_pytest(tmp_path_factory):
    """pytest's own report of a test of each outcome."""
    root = tmp_path_factory.mktemp("pytest")
    (root / "test_it.py").write_text(PYTESTS)
    words = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", "-o", "junit_family=xunit2"]
    subprocess.run([sys.executable, "-m", "pytest", *words, "--junit-xml=it.xml", "."], cwd=root, check=False)
    return ET.parse(root / "it.xml").getroot()


def shape(root):
    """(parents, tag) -> the attributes that it has."""
    found = {}

    def walk(element, above):
        path = (*above, element.tag)
        found.setdefault(path, set()).update(element.attrib)
        for child in element:
            walk(child, path)

    walk(root, ())
    return found


def cases(summary):
    return ET.fromstring(junit(summary)).findall("testsuite/testcase")


def test_it_has_the_form_of_pytests(of_pytest):
    few = Check(name="recovery", target="new/x@cpu", answer="inconclusive", says="too few")
    ours, theirs = shape(ET.fromstring(junit(with_checks(FAILED, BUILT, few, failed=ENDED)))), shape(of_pytest)
    assert {"failure", "error", "skipped"} == {path[-1] for path in ours if len(path) == 4}
    for path, attributes in ours.items():
        assert path in theirs
        # pytest gives a reason's type where it skips, none where a test fails: readers take both.
        assert attributes <= theirs[path] | {"type"}


def test_it_counts_as_pytest_counts(of_pytest):
    few = Check(name="classes", target="new/x@cpu", answer="inconclusive", says="too few")
    good = Check(name="gain", target="new/x@cpu", answer="pass", says="fine")
    suite = ET.fromstring(junit(with_checks(FAILED, BUILT, few, good, failed=ENDED))).find("testsuite")
    theirs = of_pytest.find("testsuite")
    for count in ("tests", "failures", "errors", "skipped"):
        assert suite.get(count) == theirs.get(count)


def test_the_reason_stands_first_in_the_body():
    finding = {
        "cause": "layer",
        "target": "new/x@cpu",
        "says": "conv1 is lost.",
        "remedy": "Leave it.",
        "likelihood": 1,
    }
    summary = with_checks(FAILED, findings=[{**finding, "command": "bench.py --keep-float conv1", "evidence": {}}])
    failure = cases(summary)[0].find("failure")
    assert failure.text.splitlines() == [
        "clean: -5.00 points",
        "conv1 is lost. Leave it.",
        "    bench.py --keep-float conv1",
    ]
    assert failure.get("message") == "clean: -5.00 points"


@pytest.mark.parametrize(
    ("answer", "binding", "tag"),
    [
        *[("pass", binding, None) for binding in ("yes", "failures", "no")],
        *[("inconclusive", binding, "skipped") for binding in ("yes", "failures", "no")],
        *(("fail", "yes", "failure"), ("fail", "failures", "failure"), ("fail", "no", "skipped")),
    ],
)
def test_answers_are_outcomes(answer, binding, tag):
    check = Check(name="recovery", target="new/x@cpu", answer=answer, says="so", binding=binding)
    case = cases(with_checks(check))[0]
    assert [child.tag for child in case] == ([] if tag is None else [tag])
    assert tag is None or case[0].text.endswith("so")


def test_names_are_the_same_whatever_was_measured():
    def names(delta, subject):
        checks = [
            Check(name="recovery", target="a/x@cpu", answer="pass", says=f"{delta} points", measured=delta),
            Check(name="conditions", target="a/x@cpu", answer="fail", says=f"{subject} {delta}", subject=subject),
            Check(name="recovery", target="b/x@cpu", answer="pass", says=f"{delta} points", measured=delta),
        ]
        return [(case.get("classname"), case.get("name")) for case in cases(with_checks(*checks))]

    assert names(-0.01, "corruption/fog@1") == names(-0.5, "corruption/snow@5")
    assert names(0.0, "x") == [("a/x@cpu", "recovery"), ("a/x@cpu", "conditions"), ("b/x@cpu", "recovery")]


def test_names_are_unique():
    same = [
        Check(name="mine", target="a/x@cpu", answer="pass", says="", subject=subject)
        for subject in ("u", "v", "v", None)
    ]
    names = [case.get("name") for case in cases(with_checks(*same))]
    assert names == ["mine [u]", "mine [v]", "mine [v] (2)", "mine"]


def test_hostile_text_is_text():
    found = cases(evil_summary())
    assert len(found) == 9
    failures = [case.find("failure") for case in found if case.find("failure") is not None]
    assert "<script>" in failures[0].text
    assert "?[31m??" in failures[0].text

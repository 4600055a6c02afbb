"""What a job of GitHub Actions shows: the page of a step, and annotations as its runner reads them."""

import re

from files_hostile import EVIL, evil_summary, with_checks

from seatrial.harness.report.files.github import annotation_lines, append_page
from seatrial.harness.results.check import Check

GITHUB = {"GITHUB_ACTIONS": "true"}


def understood(line):
    """As the runner takes a command apart (actions/runner, ActionCommand.cs): level, properties, message."""
    level, properties, message = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line).groups()

    def plain(words, further=()):
        for escaped, sign in (*further, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            words = words.replace(escaped, sign)
        return words

    pairs = dict(one.split("=", 1) for one in properties.split(","))
    return level, {name: plain(value, (("%3A", ":"), ("%2C", ","))) for name, value in pairs.items()}, plain(message)


def check(answer, says="so", **more):
    return Check(name="recovery", target="onnxruntime/int8@cuda:0", answer=answer, says=says, **more)


def test_only_a_job_of_github_gets_annotations():
    assert annotation_lines(with_checks(check("fail")), {}) == []
    assert annotation_lines(with_checks(check("fail")), {"GITHUB_ACTIONS": "false"}) == []
    assert annotation_lines(with_checks(check("pass")), GITHUB) == []


def test_the_worst_stand_first_and_the_rest_is_counted():
    checks = [check("inconclusive"), check("fail", binding="no"), *[check("fail", f"{n}") for n in range(10)]]
    checks.append(check("fail", "suspect", suspect=True))
    lines = [understood(line) for line in annotation_lines(with_checks(*checks), GITHUB)]
    assert [level for level, _, _ in lines] == ["error"] * 9 + ["warning"]
    assert lines[0][2] == "suspect"
    assert lines[-1][2] == "and 4 more, in report.md"


def test_what_fails_is_an_error_and_what_is_open_a_warning():
    lines = annotation_lines(with_checks(check("inconclusive"), check("fail")), GITHUB)
    assert [understood(line)[0] for line in lines] == ["error", "warning"]
    advisory = with_checks(check("fail"))
    advisory["gate"]["advisory"] = True
    assert [understood(line)[0] for line in annotation_lines(advisory, GITHUB)] == ["warning"]


def test_titles_and_messages_come_out_as_they_went_in():
    line = annotation_lines(with_checks(check("fail", "100 %, 50%0A: a\nb")), GITHUB)[0]
    assert understood(line) == (
        "error",
        {"title": "seatrial, onnxruntime/int8@cuda:0: recovery, fail"},
        "100 %, 50%0A: a b",
    )


def test_hostile_text_gives_no_second_command():
    for line in annotation_lines(evil_summary(), GITHUB):
        assert line.isprintable()
        understood(line)


def test_the_page_is_appended_to_what_is_there(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("# before\n")
    append_page(with_checks(check("fail")), {"GITHUB_STEP_SUMMARY": str(path)})
    text = path.read_text()
    assert text.startswith("# before\n# seatrial: REGRESSION\n")
    append_page(with_checks(check("fail")), {})
    assert path.read_text() == text


def test_the_page_stays_below_the_limit_that_github_has(tmp_path):
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * ((1 << 20) - 500))
    append_page(evil_summary(), {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.stat().st_size == (1 << 20) - 500
    assert EVIL not in path.read_text()

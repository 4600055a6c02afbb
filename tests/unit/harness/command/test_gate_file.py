"""Gates in files: what they say, and what is refused."""

import re

import pytest
from conftest import ROOT

from seatrial.errors import UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.gate import LIMITS, Limit


def gate(*words):
    return spec_of(parse_flags(make_parser(), list(map(str, words)))).gate


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "our gate.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_file_of_the_docs_means_what_it_says(file):
    page = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
    text = page[page.index("    recovery: 98") : page.index("Latency, size and memory")]
    found = gate("--gate", file("\n".join(line[4:] for line in text.splitlines())))
    assert found.name == "our gate.yaml"
    assert found.limit("recovery", "onnxruntime/int8@cpu") == Limit(98.0)
    assert found.limit("recovery", "onnxruntime/int4@cpu") == Limit(95.0)
    assert found.limit("conditions") == Limit(3.0, "failures")
    assert found.limit("classes") == Limit(None, "failures")
    assert found.limit("corrupted_recovery") == LIMITS["corrupted_recovery"].default
    assert found.limit("speed_up").value == 1.5
    assert found.limit("latency_p99") == Limit(12.0, place="Intel*Xeon*")


def test_the_docs_have_every_limit_with_its_default():
    page = (ROOT / "docs/gate.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]*) \|", page, re.M))
    expected = {k.name: "" if k.default.value is None else f"{k.default.value:g}" for k in LIMITS.values()}
    assert rows == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recovry: 99", r"no check 'recovry'\. Did you mean 'recovery'\?"),
        ("recovery: 101", "recovery: .* at most 100 %"),
        ("recovery: -1", "recovery: A limit is a number, from 0"),
        ("recovery: .nan", "recovery: A limit is a number, from 0"),
        ("recovery: high", "recovery: 'high' is not a number"),
        ("recovery: true", "recovery: True is not a number"),
        ("recovery: {limt: 3}", "recovery: .*is not understood"),
        ("recovery: {limit: 3, binding: maybe}", "recovery: binding is 'maybe'"),
        ("recovery: {binding: 3}", "recovery: binding is 3"),
        ("latency_p99: 12", r"latency_p99: it holds on one place alone\. .*latency_p99: \{limit: 12, place: \""),
        ("server_rate: {limit: 9, binding: no}", "server_rate: it holds on one place alone"),
        ("latency_p99: {limit: 12, place: 3}", "latency_p99: place is 3"),
        ("latency_p99: {limit: 12, place: ''}", "latency_p99: place is empty"),
        ("recovery: {limit: 98, place: 'Intel*'}", r"recovery: .*holds on every place\. A place is of latency_p50"),
        ("recovery: 98\nrecovery: 99", "'recovery' stands twice"),
        ("[1, 2]", "not a mapping"),
        ("targets: [1]", "targets is a mapping"),
        ("targets: {'*/int4*': {recovry: 1}}", r"targets, \*/int4\*: there is no check"),
        ("a: &a [*a]", "unfolds to more"),
        ("!!python/object:os.system {}", "cannot be read"),
        ("{", "cannot be read"),
        ("{[1]: 2}", "gate"),
    ],
)
def test_what_is_no_gate_is_refused_with_its_place(text, says, file):
    with pytest.raises(UsageError, match=says):
        gate("--gate", file(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        gate("--gate", tmp_path / "none.yaml")


def test_yes_and_no_are_words_of_yaml(file):
    found = gate("--gate", file("classes: {binding: yes}\nrecovery: {limit: 3, binding: no}"))
    assert found.limit("classes") == Limit(10.0, "yes")
    assert found.limit("recovery") == Limit(3.0, "no")


def test_strict_and_advisory_contradict_each_other():
    assert gate("--strict").strict
    with pytest.raises(UsageError, match="contradict"):
        gate("--strict", "--advisory")

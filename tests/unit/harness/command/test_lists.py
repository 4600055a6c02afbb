"""--list names what flags take, and every name is taken."""

import json

import pytest
from conftest import bench

from seatrial.engines import ENGINES
from seatrial.engines.precision import check_precision
from seatrial.exporters.presets import PRESETS
from seatrial.harness.attacks.ids import parse_attack
from seatrial.harness.command.listed import KINDS
from seatrial.harness.conditions import choose, suites
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.spec.run import RunSpec


def listed(*words):
    done = bench(["--list", *words])
    assert done.returncode == 0
    return done.stdout


def names(text):
    return [line.split()[0] for line in text.splitlines()]


def test_the_names_are_those_that_are_taken():
    assert names(listed("engines")) == list(ENGINES)
    assert names(listed("presets")) == list(PRESETS)
    assert names(listed("suites")) == suites()
    for name in names(listed("precisions"))[:-2]:
        assert check_precision(name) == name
    for name in names(listed("attacks")):
        assert str(parse_attack(f"{name}@2")) == f"{name}@2"
    found = names(listed("conditions"))
    assert found[0] == "clean"
    world = World(targets=RunSpec().targets.asked)
    for name in found[:: len(found) // 20]:
        assert name in choose("standard", world, [name])


def test_conditions_are_those_of_the_suite_and_the_globs_where_they_are_given():
    assert names(listed("conditions", "--suite", "quick")) == choose("quick", World())
    assert names(listed("conditions", "--conditions", "corruption/fog@*", "--severity", "2")) == [
        "clean",
        "corruption/fog@2",
    ]


def test_a_surrogate_names_conditions_of_its_own():
    assert "attack/pgd-linf@2+other" in names(listed("conditions", "--surrogate", "other=o.onnx"))


@pytest.mark.parametrize("kind", KINDS)
def test_as_json_for_other_programs(kind):
    found = json.loads(listed(kind, "--json"))
    assert [one["name"] for one in found] == names(listed(kind))
    assert all(one["is"] for one in found)


def test_it_reads_no_model_and_no_images(tmp_path):
    assert listed("suites", "--model", str(tmp_path / "none.onnx"), "--data", str(tmp_path / "none"))

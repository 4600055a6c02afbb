"""Conditions dealt out to shards: each to one, alike everywhere, and what is added behind moves nothing."""

import dataclasses

import pytest
from conftest import make_folders, make_model
from specs import flat

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.harness.plan.making import make_plan, with_part
from seatrial.harness.plan.parts import TOGETHER, dealt, part_of, pieces_of, shard_numbers
from seatrial.harness.plan.passes import pass_of
from seatrial.harness.progress import Silent
from seatrial.harness.records.shards import shard_in
from seatrial.harness.spec.kept import from_dict, to_dict
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.shard import MOST, Shard, shard_of
from seatrial.harness.spec.targets import TargetSpec

OF = (1, 2, 3, 5, 16, 64, 200)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Of many conditions of every kind; their images need not be made."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("parts")
    spec = flat(
        RunSpec,
        model=str(make_model(root / "m.onnx")),
        data=str(make_folders(root / "test", images=1)),
        calib=str(make_folders(root / "calib", images=1, seed=1)),
        contract=ContractOptions(size=(16, 16)),
        targets=(TargetSpec("onnxruntime", "int8"),),
        conditions=("corruption/*", "pipeline/*", "attack/*@2", "blackbox/*@8"),
    )
    return make_plan(spec, Silent())


def parts(plan, of):
    return [part_of(plan.conditions, plan.model.contract, plan.world, Shard(number, of)) for number in range(1, of + 1)]


@pytest.mark.parametrize("of", OF)
def test_every_condition_falls_to_one_shard(plan, of):
    found = parts(plan, of)
    assert sum(map(len, found)) == len(plan.conditions) > 100
    assert set().union(*found) == {one.id for one in plan.conditions}
    assert plan.conditions[0].id in found[0]


@pytest.mark.parametrize("of", OF)
def test_what_is_decoded_together_goes_a_few_together(plan, of):
    numbers = shard_numbers(plan.conditions, plan.model.contract, plan.world, of)
    pieces = pieces_of(plan.conditions, plan.model.contract)
    assert all(len({numbers[one.id] for one in piece}) == 1 for piece in pieces)
    assert all(len({pass_of(one, plan.model.contract) for one in piece}) == 1 for piece in pieces)
    assert max(map(len, pieces)) == TOGETHER < len([one for one in plan.conditions if one.from_source])
    assert [len(piece) for piece in pieces if not piece[0].from_source] == [1] * sum(
        not one.from_source for one in plan.conditions
    )


@pytest.mark.parametrize("of", OF)
def test_kinds_that_are_added_move_nothing(plan, of):
    whole = shard_numbers(plan.conditions, plan.model.contract, plan.world, of)
    for begin in (("clean",), ("clean", "corruption/"), ("clean", "corruption/", "pipeline/")):
        fewer = [one for one in plan.conditions if one.id.startswith(begin)]
        assert 0 < len(fewer) < len(plan.conditions)
        for name, number in shard_numbers(fewer, plan.model.contract, plan.world, of).items():
            assert whole[name] == number


@pytest.mark.parametrize("of", [2, 3, 5, 16])
def test_shards_of_like_conditions_have_as_many(plan, of):
    for ending in ("", "@3"):
        fewer = [one for one in plan.conditions if one.id.startswith("corruption/") and one.id.endswith(ending)]
        counts = [
            len(part_of(fewer, plan.model.contract, plan.world, Shard(number, of))) for number in range(1, of + 1)
        ]
        assert max(counts) - min(counts) <= 1


def test_attacks_count_for_what_they_cost(plan):
    attacks = [one for one in plan.conditions if one.id.startswith(("attack/", "blackbox/"))]
    from seatrial.harness.conditions.kinds.registry import kind_of

    efforts = {one.id: kind_of(one.id).effort(one, plan.world) for one in attacks}
    assert efforts["attack/fgsm-linf@2"] < efforts["attack/pgd-linf@2"] < efforts["attack/autoattack-linf@2"]
    loads = [sum(efforts[name] for name in part) for part in _of(attacks, plan, 4)]
    assert max(loads) <= sum(loads) / 4 + max(efforts.values())


def _of(conditions, plan, of):
    return [part_of(conditions, plan.model.contract, plan.world, Shard(number, of)) for number in range(1, of + 1)]


def test_targets_change_nothing(plan):
    world = dataclasses.replace(plan.world, targets=(*plan.targets, TargetSpec("openvino", "int8")))
    assert shard_numbers(plan.conditions, plan.model.contract, world, 3) == shard_numbers(
        plan.conditions, plan.model.contract, plan.world, 3
    )


def test_each_goes_to_whom_has_least_and_of_equals_to_the_first():
    """The figures are worked out by hand: any machine and version must come to the same."""
    assert dealt([1, 2, 3, 1, 2, 3, 5, 1], 3) == [1, 2, 3, 1, 1, 2, 3, 1]
    assert dealt([5, 1, 1, 1, 1, 1, 1], 2) == [1, 2, 2, 2, 2, 2, 1]


def test_a_shard_shapes_no_key(plan):
    part = with_part(plan, Shard(2, 3))
    assert part.identity == plan.identity
    assert part.digest == plan.digest
    assert part.out.name == f"{plan.out.name}-2of3"
    assert [one.target.id for one in part.builds] == [one.target.id for one in plan.builds]
    asked = [one for one in part.conditions if part.answers(part.builds[0], one)]
    assert {one.id for one in asked} == part.part != {one.id for one in part.conditions}


def test_a_shard_is_kept_with_its_spec():
    spec = RunSpec(shard=Shard(2, 3))
    assert from_dict(RunSpec, to_dict(spec)) == spec


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/4", "1/3\n", " 1/3", "一/3", f"1/{MOST + 1}", "1e0/3"]
)
def test_what_is_no_shard_is_told(text):
    with pytest.raises(UsageError, match="give K/N"):
        shard_of(text)
    with pytest.raises(BadInputError):
        shard_in({"shard": text})


def test_shards_are_spelled_as_they_are_given():
    assert str(shard_of("2/16")) == "2/16"
    assert shard_in({"shard": "2/16"}) == Shard(2, 16)
    assert shard_in({}) is shard_in(None) is None

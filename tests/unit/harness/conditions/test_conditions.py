"""Conditions: their ids, how they are chosen, and that an image's randomness is its own."""

import numpy as np
import pytest

from seatrial.errors import UsageError
from seatrial.harness.conditions import choose, known_ids, make_condition
from seatrial.harness.conditions.kinds.pipeline.ids import known_pipeline_ids
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.draws import generator
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.run import RunSpec

ALL = [name for name in known_ids(World()) if not KINDS["attack"].owns(name)]


def ids(**options):
    return choose(options.pop("suite", "standard"), World(), **options)


def scaled(scale):
    return World(RunSpec(conditions=ConditionsAsked(corruption_scale=scale)))


def test_suites():
    assert ALL[1 + 19 * 5 :] == known_pipeline_ids()
    assert ids(suite="full") == ALL[: 1 + 19 * 5]
    assert ids(suite="pipeline") == ["clean", *known_pipeline_ids()]
    assert ids() == ALL[: 1 + 15 * 5]
    assert ids(suite="quick") == ["clean", *(name for name in ALL[: 1 + 15 * 5] if name.endswith("@3"))]
    assert ALL[:3] == ["clean", "corruption/gaussian_noise@1", "corruption/gaussian_noise@2"]


def test_only_what_the_data_can_answer_is_chosen():
    available = ["corruption/fog@2", "corruption/fog@3", "corruption/saturate@1"]
    assert ids(available=available) == ["corruption/fog@2", "corruption/fog@3"]
    assert ids(available=available, globs=["corruption/s*"]) == ["corruption/saturate@1"]
    with pytest.raises(UsageError, match="No condition is left"):
        ids(available=available, suite="full", severities=[5])


def test_a_scale_can_be_forced():
    images = np.full((1, 32, 32, 3), 128, np.uint8)
    noise = [
        make_condition("corruption/gaussian_noise@3", scaled(scale)).apply(images, ["a"], 0).std()
        for scale in (None, 32, 224)
    ]
    assert noise[0] == noise[1] < noise[2]
    with pytest.raises(UsageError, match="for 224, 64, 32"):
        choose("quick", scaled(96))


def test_globs_and_severities_choose():
    assert ids(globs=["corruption/pix*@[45]"]) == ["clean", "corruption/pixelate@4", "corruption/pixelate@5"]
    assert ids(globs=["clean"]) == ["clean"]
    assert ids(globs=["corruption/pixelate@*"], severities=[2]) == ["clean", "corruption/pixelate@2"]
    assert len(ids(severities=[1, 5])) == 31
    assert len(ids(suite="quick", severities=[5])) == 16


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"suite": "huge"}, "Known: quick, standard, full, robustmq, pipeline"),
        ({"globs": ["corruption/pixellate@3"]}, "No condition matches"),
        ({"severities": [6]}, "1 to 5"),
        ({"globs": ["corruption/*@3"], "severities": [5]}, "at severity 5"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, says):
    with pytest.raises(UsageError, match=says):
        ids(**options)


@pytest.mark.parametrize("name", ["corruption/pixelate@6", "corruption/none@1", "clean@1", "corruption/pixelate@", ""])
def test_unknown_ids_are_refused(name):
    with pytest.raises(UsageError, match="Known: clean"):
        make_condition(name, World())


def test_clean_leaves_images_alone():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    assert make_condition("clean", World()).apply(images, ["a", "b"], 0) is images


def test_an_images_noise_depends_on_seed_id_and_condition_alone():
    images = np.full((6, 32, 32, 3), 128, np.uint8)
    names = list("abcdef")
    condition = make_condition("corruption/gaussian_noise@3", World())
    whole = condition.apply(images, names, 0)
    alone = np.concatenate([condition.apply(images[i : i + 1], names[i : i + 1], 0) for i in range(6)])
    turned = condition.apply(images, names[::-1], 0)[::-1]
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(whole, turned)
    assert len({image.tobytes() for image in whole}) == 6
    assert not np.array_equal(whole, condition.apply(images, names, 1))


def test_generators_are_told_apart_by_every_part():
    draws = {
        generator(seed, image, condition).integers(2**62)
        for seed in (0, 1)
        for image in ("a", "ab")
        for condition in ("b@1", "@1")
    }
    assert len(draws) == 8

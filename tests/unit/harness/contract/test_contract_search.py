"""The search for a contract: its statistics against SciPy and by hand, its candidates, and races on made-up answers."""

import dataclasses
import doctest
import math

import numpy as np
import pytest
from conftest import make_folders, make_model
from PIL import Image
from scipy import optimize, special, stats
from specs import flat

from seatrial.errors import BadInputError, UsageError
from seatrial.exporters import ContractOptions
from seatrial.exporters.contract import InputContract
from seatrial.harness.command import parse_flags
from seatrial.harness.command.contract import make_parser
from seatrial.harness.command.flags import contract as contract_flags
from seatrial.harness.contract import ContractSpec, candidates, search, statistics
from seatrial.harness.contract import flags as flags_module
from seatrial.harness.contract.answers import Answers, Asker
from seatrial.harness.contract.deviations import deviations
from seatrial.harness.contract.flags import flags_of
from seatrial.harness.contract.images import DecodedImages
from seatrial.harness.contract.races import SCALING, Races
from seatrial.harness.contract.statistics import (
    MARGIN,
    best_confidence,
    less_accurate,
    less_likely,
    levels,
    log_likelihood,
    looks,
    near_chance,
    paired_tail,
)
from seatrial.harness.data import labeller, open_source, select
from seatrial.harness.metrics import paired_interval
from seatrial.harness.metrics.accuracy import binomial_tail
from seatrial.harness.pipeline.reference import model_pixels
from seatrial.harness.progress import Silent

IMAGENET = InputContract((32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
HALF = InputContract((32, 32), mean=(0.5,) * 3, std=(0.5,) * 3)


def answers_of(rng, images, classes, strength):
    labels = rng.integers(0, classes, images)
    logits = rng.standard_normal((images, classes)).astype(np.float32)
    logits[np.arange(images), labels] += strength
    return logits, labels


# Statistics


@pytest.mark.parametrize("module", [statistics, candidates, flags_module])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_the_paired_test_is_scipys_with_a_margin():
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal(40) + 0.3, rng.standard_normal(40)
    expected = stats.ttest_rel(one - MARGIN, other, alternative="greater").pvalue
    assert paired_tail(one, other) == pytest.approx(expected, abs=1e-12)


def test_equal_scores_are_no_evidence_and_a_constant_lead_is():
    scores = np.linspace(-3, 0, 50)
    assert paired_tail(scores, scores) == 1
    assert paired_tail(scores + 0.1, scores) == 0
    assert paired_tail(scores + MARGIN / 2, scores) == 1  # too little to mean anything


def test_the_log_likelihood_is_scipys():
    logits, labels = answers_of(np.random.default_rng(0), 50, 7, 2)
    expected = special.log_softmax(0.4 * logits.astype(np.float64), axis=1)[np.arange(50), labels]
    np.testing.assert_allclose(log_likelihood(logits, labels, 0.4), expected, atol=1e-12)


@pytest.mark.parametrize("scale", [0.003, 1.0, 400.0])
def test_the_best_confidence_is_that_of_a_general_minimiser(scale):
    logits, labels = answers_of(np.random.default_rng(1), 300, 5, 1.5)
    logits = logits * np.float32(scale)

    def loss(log_confidence):
        return -log_likelihood(logits, labels, math.exp(log_confidence)).mean()

    found = optimize.minimize_scalar(loss, bounds=(-12, 9), method="bounded", options={"xatol": 1e-8}).x
    assert best_confidence(logits, labels) == pytest.approx(math.exp(found), rel=1e-3)


def test_logits_that_say_nothing_or_the_opposite_get_no_confidence():
    logits, labels = answers_of(np.random.default_rng(2), 300, 5, -3.0)
    assert best_confidence(logits, labels) == 0
    np.testing.assert_allclose(log_likelihood(logits, labels, 0.0), -math.log(5))


def test_never_wrong_logits_stay_finite():
    logits = np.eye(4, dtype=np.float32).repeat(5, axis=0) * 10
    labels = np.arange(4).repeat(5)
    score = log_likelihood(logits, labels, best_confidence(logits, labels))
    assert np.isfinite(score).all()
    assert (score <= 0).all()


@pytest.mark.parametrize(("successes", "total", "share"), [(0, 10, 0.1), (3, 10, 0.1), (60, 500, 0.1), (500, 500, 0.9)])
def test_the_binomial_tail_is_scipys(successes, total, share):
    assert binomial_tail(successes, total, share) == pytest.approx(
        stats.binom.sf(successes - 1, total, share), rel=1e-9
    )


def test_the_interval_of_a_paired_difference_holds_its_level():
    """Bonett and Price 2012: coverage near the level; checked by drawing, at a usual and at a strict level."""
    rng = np.random.default_rng(0)
    worse, better = 0.05, 0.12
    for level, tolerance in ((0.95, 0.012), (0.999, 0.002)):
        draws = rng.multinomial(200, [worse, better, 1 - worse - better], size=4000)
        inside = 0
        for lost, won, _ in draws.tolist():
            low, high = paired_interval(lost, won, 200, 1 - level)
            inside += low <= better - worse <= high
        assert inside / 4000 == pytest.approx(level, abs=tolerance)


def test_the_interval_turns_with_the_pair():
    low, high = paired_interval(4, 19, 200, 0.01)
    assert paired_interval(19, 4, 200, 0.01) == pytest.approx((-high, -low))


def test_chance_is_that_of_naming_the_most_frequent_class():
    labels = np.array([0] * 80 + [1] * 20)
    assert near_chance(80, labels, level=0.01)
    assert near_chance(81, labels, level=0.01)
    assert not near_chance(95, labels, level=0.01)
    spread = np.arange(200) % 100
    assert near_chance(5, spread, level=0.001)
    assert not near_chance(60, spread, level=0.001)
    assert not near_chance(10, np.zeros(10, np.int64), level=0.01)  # one class: accuracy cannot say


def test_looks_double_and_end_with_all_images():
    assert looks(32) == [32]
    assert looks(33) == [32, 33]
    assert looks(1000) == [32, 64, 128, 256, 512, 1000]


@pytest.mark.parametrize("count", [1, 2, 6])
def test_all_tests_of_a_race_share_the_level(count):
    assert sum(levels(0.05, 25, count)) * 25 == pytest.approx(0.05)


def test_of_equals_hardly_any_race_drops_the_truth():
    """Every candidate is as good as the others: whoever is dropped is dropped by chance."""
    rng = np.random.default_rng(0)
    trials, dropped = 300, 0
    for _ in range(trials):
        scores = -rng.exponential(0.4, (10, 128))
        correct = rng.random((10, 128)) < 0.8
        alive = list(range(10))
        steps = looks(128)
        for look, level in zip(steps, levels(0.05, 9, len(steps)), strict=True):
            _, losers = less_likely([scores[i][:look] for i in alive], [correct[i][:look] for i in alive], level)
            alive = [i for index, i in enumerate(alive) if index not in losers]
        dropped += 0 not in alive
    assert dropped / trials <= 0.05


def test_the_likelihood_drops_nobody_who_is_more_accurate():
    rng = np.random.default_rng(0)
    high, low = -rng.random(100), -rng.random(100) - 3
    right, more = np.arange(100) < 80, np.arange(100) < 81
    assert less_likely([high, low], [right, right], 0.01) == (0, [1])
    assert less_likely([high, low], [right, more], 0.01) == (0, [])


def test_accuracy_drops_by_mcnemars_test():
    right = np.ones(60, np.bool_)
    few, many = right.copy(), right.copy()
    few[:4], many[:5] = False, False
    scores = [np.zeros(60)] * 3
    assert stats.binomtest(0, 4, alternative="less").pvalue > 0.04 > stats.binomtest(0, 5, alternative="less").pvalue
    assert less_accurate(scores, [few, right, many], 0.04) == (1, [2])


# Candidates


def test_every_scaling_is_there_in_both_colour_orders_and_once():
    found = candidates.numbers_and_colors(IMAGENET, None)
    assert len(found) == 2 * len(candidates.NUMBERS)
    assert candidates.numbers_name(found[0]) == "ImageNet"
    caffe = next(c for c in found if c.color == "bgr" and candidates.numbers_name(c) == "Caffe")
    assert caffe.mean == (103.939, 116.779, 123.68)
    assert caffe.divisor == 1
    tensor = caffe.normalise(np.full((1, 32, 32, 3), (200, 100, 50), np.uint8))
    np.testing.assert_allclose(tensor[0, :, 0, 0], [50 - 103.939, 100 - 116.779, 200 - 123.68], rtol=1e-5)


def test_a_declared_scaling_is_added_unless_it_is_known_by_another_spelling():
    same = dataclasses.replace(HALF, divisor=1.0, mean=(127.5,) * 3, std=(127.5,) * 3)
    assert len(candidates.numbers_and_colors(HALF, same)) == 2 * len(candidates.NUMBERS)
    other = dataclasses.replace(HALF, mean=(0.1, 0.2, 0.3))
    found = candidates.numbers_and_colors(HALF, other)
    assert len(found) == 2 * len(candidates.NUMBERS) + 1
    assert found[0] == other
    assert candidates.numbers_name(other) == "/ 255, mean 0.1 0.2 0.3, std 0.5"


def test_uint8_inputs_have_colour_orders_only():
    raw = InputContract((32, 32), divisor=1.0, dtype="uint8")
    assert [c.color for c in candidates.numbers_and_colors(raw, None)] == ["rgb", "bgr"]


def test_the_rules_of_a_224_px_network_are_those_of_torchvision():
    found = candidates.resize_rules(InputContract((224, 224)), None, resizes=True)
    assert [c.resize_to for c in found] == [256, 224, 232, 248, None]
    assert candidates.resize_rules(InputContract((64, 64)), None, resizes=True)[0].resize == "exact"
    assert [c.resize for c in candidates.resize_rules(InputContract((32, 32)), None, resizes=False)] == ["none"]


@pytest.mark.parametrize(
    "contract",
    [
        IMAGENET,
        dataclasses.replace(HALF, color="bgr", resize="exact", interpolation="opencv-area", decoder="opencv"),
        InputContract(
            (224, 192), "short-side", 256, divisor=1.0, mean=(103.939, 116.779, 123.68), std=(1 / 0.017,) * 3
        ),
        InputContract((224, 192), "squash-crop", 256, "torch-bicubic-antialias", crop_offset="up"),
        InputContract((224, 224), "squash-crop", 224),
        InputContract((64, 48), "letterbox", interpolation="opencv-linear-exact", pad_value=0),
    ],
)
def test_the_printed_flags_mean_the_contract_whatever_the_model_carries(contract):
    options = contract_flags.take(parse_flags(make_parser(), flags_of(contract)), ContractOptions())
    other = InputContract(
        (8, 8), "exact", divisor=3.0, mean=(9.0,) * 3, color="bgr", decoder="opencv", crop_offset="down"
    )
    expected = contract if contract.resize != "none" else dataclasses.replace(contract, interpolation="pillow-bilinear")
    assert options.resolve(None) == expected
    assert options.resolve(other) == expected


SHORT_SIDE = InputContract((224, 224), "short-side", 256)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (dataclasses.replace(SHORT_SIDE, crop_offset="down"), "short side 256, crop 224x224, offset rounded down"),
        (InputContract((224, 224), "squash-crop", 256), "both sides 256, crop 224x224"),
        (InputContract((224, 224), "letterbox", pad_value=0), "letterbox 224x224 on 0"),
    ],
)
def test_declared_rules_that_are_not_searched_for_are_candidates_and_deviations(declared, name):
    plain = InputContract((224, 224))
    searched = candidates.resize_rules(plain, None, resizes=True)
    found = candidates.resize_rules(plain, declared, resizes=True)
    own = candidates.with_rule(plain, declared)
    assert [one for one in found if one not in searched] == [own]
    assert candidates.rule_name(own) == name
    swapped = deviations(SHORT_SIDE, candidates.with_rule(SHORT_SIDE, declared))
    assert list(swapped) == ["resize"]
    assert candidates.rule_name(swapped["resize"]) == name


def test_what_a_rule_does_not_use_makes_no_candidate():
    declared = dataclasses.replace(SHORT_SIDE, pad_value=0)
    assert deviations(SHORT_SIDE, declared) == {}
    plain = InputContract((224, 224))
    assert len(candidates.resize_rules(plain, declared, resizes=True)) == len(
        candidates.resize_rules(plain, None, resizes=True)
    )


def test_deviations_name_the_factors_and_swap_one_at_a_time():
    declared = dataclasses.replace(IMAGENET, color="bgr", resize="exact")
    found = deviations(IMAGENET, declared)  # the figures are left as they were: still one slip
    assert list(found) == ["color", "resize"]
    assert found["color"] == dataclasses.replace(IMAGENET, color="bgr")
    assert found["resize"] == dataclasses.replace(IMAGENET, resize="exact")
    turned = dataclasses.replace(declared, mean=IMAGENET.mean[::-1], std=IMAGENET.std[::-1])
    assert list(deviations(IMAGENET, turned)) == ["color", "resize"]
    both = deviations(IMAGENET, dataclasses.replace(HALF, color="bgr"))
    assert list(both) == ["color", "numbers"]
    assert both["color"] == candidates.with_color(IMAGENET, "bgr")
    assert both["numbers"] == HALF
    assert deviations(IMAGENET, IMAGENET) == {}


# Images and answers


def test_images_are_decoded_once_and_read_as_the_pipeline_reads_them(data_folder, tmp_path, monkeypatch):
    inks = [Image.effect_noise((40, 40), 60) for _ in range(4)]
    Image.merge("CMYK", inks).save(data_folder / "class0/cmyk.jpg")  # the decoders differ on it
    selection = select(open_source(data_folder, 4, labeller(4)), seed=0, limit=None)
    calls = []
    from seatrial.harness.contract import images as module

    decode = module.decode
    monkeypatch.setattr(
        module, "decode", lambda payload, decoder, turn: calls.append(decoder) or decode(payload, decoder)
    )
    with DecodedImages(selection, tmp_path / "scratch", workers=2) as images:
        assert sorted(calls) == sorted(("pillow", "opencv") * len(selection))
        assert images.differing == 1
        assert (24, 26) in images.sizes
        for contract in (
            InputContract((20, 20), "short-side", 22),
            InputContract((9, 17), "exact", interpolation="opencv-area", decoder="opencv"),
        ):
            for position, payload in selection.source.stream(selection.indices):
                expected = model_pixels(payload, contract)
                np.testing.assert_array_equal(images.read(position, contract), expected)
        assert len(calls) == 2 * len(selection)
        assert list((tmp_path / "scratch").iterdir()) == []


class FakeEngine:
    """Logits from the mean of each channel of the tensor."""

    def __init__(self):
        self.seen = 0

    def infer(self, batch):
        self.seen += len(batch)
        return batch.reshape(len(batch), 3, -1).mean(axis=2)


@pytest.fixture
def asker(data_folder, tmp_path):
    selection = select(open_source(data_folder, 4, labeller(4)), seed=0, limit=None)
    with DecodedImages(selection, tmp_path / "scratch", workers=2) as images:
        yield Asker(FakeEngine(), images, selection.labels % 3, probabilities=False, workers=2)


def test_no_image_is_asked_twice_of_a_candidate_nor_of_two_that_make_one_tensor(asker):
    exact = InputContract((16, 16), "exact")
    asker.ask([exact, dataclasses.replace(exact, decoder="opencv")], 10)  # the same pixels by both
    assert asker.inferences == asker._engine.seen == 10
    asker.ask([exact, exact], 24)
    assert asker.inferences == 24
    asker.ask([exact], 24)
    assert asker.inferences == 24
    bgr = dataclasses.replace(exact, color="bgr")
    asker.ask([exact, bgr], 24)
    assert asker.inferences == 48
    np.testing.assert_array_equal(asker.answers[exact]._logits, asker.answers[bgr]._logits[:, ::-1])


def test_answers_in_pieces_are_the_answers_at_once(monkeypatch):
    monkeypatch.setattr("seatrial.harness.contract.answers.TEMPERATURE_IMAGES", 100)
    logits, labels = answers_of(np.random.default_rng(0), 250, 6, 2)
    pieces, whole = Answers(), Answers()
    for start, stop in ((0, 32), (32, 90), (90, 180), (180, 250)):
        pieces.add(logits[start:stop], labels[start:stop])
    whole.add(logits, labels)
    np.testing.assert_allclose(pieces.score(), whole.score())
    np.testing.assert_array_equal(pieces.correct, whole.correct)
    confidence = best_confidence(logits[:100], labels[:100])
    np.testing.assert_allclose(whole.score(), log_likelihood(logits, labels, confidence))
    assert len(pieces._logits) == 100  # memory does not grow with the images


class MadeUp:
    """Answers as an Asker gives them, made up: a strength for each candidate."""

    def __init__(self, strengths, images=512, classes=10):
        self.answers, self.asked, self.strengths = {}, {}, strengths
        rng = np.random.default_rng(0)
        self.labels = np.arange(images) % classes
        self.noise = rng.standard_normal((images, classes)).astype(np.float32)
        self.own = {c: 0.3 * rng.standard_normal((images, classes)).astype(np.float32) for c in strengths}

    def ask(self, contestants, images, progress):
        for contract in contestants:
            logits = self.noise[:images] + self.own[contract][:images]
            logits[np.arange(images), self.labels[:images]] += self.strengths[contract]
            self.answers[contract] = Answers()
            self.answers[contract].add(logits, self.labels[:images])
            self.asked[contract] = images


def scalings(*strengths):
    return dict(zip(candidates.numbers_and_colors(IMAGENET, None), strengths, strict=False))


def test_losers_are_dropped_early_and_ties_are_kept():
    strengths = scalings(3.0, 0.0, 3.0, 0.0, 1.5, 0.0)
    asker = MadeUp(strengths)
    stage = Races(asker, 512, 6, Silent()).race("x", SCALING, list(strengths), None)
    names = list(strengths)
    assert {row.contract for row in stage.tied} == {names[0], names[2]}
    assert stage.named == names[0]  # of two equals, the customary one
    assert asker.asked[names[0]] == 512
    assert all(asker.asked[loser] <= 64 for loser in (names[1], names[3], names[5]))


def test_a_declared_value_is_named_as_long_as_it_is_tied():
    strengths = scalings(3.0, 0.0, 3.0)
    names = list(strengths)
    races = Races(MadeUp(strengths), 512, 3, Silent())
    assert races.race("x", SCALING, names, names[2]).named == names[2]
    assert races.race("x", SCALING, names, names[1]).named == names[0]


def test_a_race_without_any_signal_ends_early():
    strengths = scalings(*[0.0] * 8)
    asker = MadeUp(strengths, images=4096)
    races = Races(asker, 4096, 8, Silent())
    stage = races.race("x", SCALING, list(strengths), None)
    assert races.at_chance([stage.named])
    assert max(asker.asked.values()) == 256


# Usage


@pytest.mark.parametrize(
    ("change", "says"),
    [({"limit": 8}, "--limit is 8"), ({"workers": 0}, "--workers"), ({"seed": -1}, "--seed")],
)
def test_numbers_out_of_range_are_refused(change, says):
    with pytest.raises(UsageError, match=says):
        flat(ContractSpec, **change)


def test_a_model_of_free_size_needs_one(tmp_path, data_folder):
    def free(model):
        for axis in (2, 3):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"

    model = make_model(tmp_path / "free.onnx", change=free)
    with pytest.raises(UsageError, match="--size"):
        search(flat(ContractSpec, model=str(model), data=str(data_folder)), Silent())


def test_too_few_images_are_refused(model_file, data_folder):
    with pytest.raises(BadInputError, match="24 images; at least 32"):
        search(flat(ContractSpec, model=str(model_file), data=str(data_folder)), Silent())


def test_a_network_that_knows_nothing_has_no_best_contract(model_file, tmp_path):
    data = make_folders(tmp_path / "more", images=10)
    found = search(flat(ContractSpec, model=str(model_file), data=str(data), workers=2), Silent())
    assert found.best is None
    assert found.to_dict()["verdict"] == "near chance"


def test_workers_change_nothing(model_file, tmp_path):
    data = make_folders(tmp_path / "more", images=10)
    one, other = (
        search(
            flat(
                ContractSpec,
                model=str(model_file),
                data=str(data),
                contract=ContractOptions(size=(16, 16)),
                workers=workers,
            ),
            Silent(),
        )
        for workers in (1, 3)
    )
    assert one.stages == other.stages
    assert one.inferences == other.inferences

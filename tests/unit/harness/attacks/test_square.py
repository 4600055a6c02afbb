"""Square Attack: its rules, checked on every image that an engine is asked about, and what it achieves."""

import numpy as np
import pytest

from seatrial.harness.attacks import square
from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Search

LEVELS = {"square-linf": 6.0, "square-l2": 120.0}
NAMES = tuple(LEVELS)


def images_of(count, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def linear(size=16, seed=1, classes=4):
    """A linear classifier of smooth weights: squares move its scores."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((classes, 4, 4, 3)).repeat(size // 4, 1).repeat(size // 4, 2).reshape(classes, -1)

    def scores(images):
        flat = images.reshape(len(images), -1).astype(np.float64) / 255 - 0.5
        return (flat @ weights.T).astype(np.float32)

    return scores


class Asked:
    """An oracle that keeps what it was asked about."""

    def __init__(self, scores):
        self.scores, self.batches = scores, []

    def __call__(self, images):
        self.batches.append(images.copy())
        return self.scores(images)


def search_of(oracle, images, labels, name, *, budget=200, eight_bit=True, seed=0, levels=None, ids=None):
    ids = [str(index) for index in range(len(images))] if ids is None else ids
    levels = LEVELS[name] if levels is None else levels
    return Search(oracle, images, labels, levels, Draws(seed, ids, name), budget, eight_bit)


def distance(images, clean, name):
    change = (images.astype(np.float64) - clean).reshape(len(images), -1)
    return np.abs(change).max(1) if name == "square-linf" else np.linalg.norm(change, axis=1)


def stubborn(images):
    """Class 0 whatever it sees, by a margin that depends on the image."""
    scores = np.zeros((len(images), 3), np.float32)
    scores[:, 0] = 10 + images.reshape(len(images), -1).astype(np.float64).mean(1)
    return scores


@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_every_query_is_a_valid_image_within_the_radius_and_none_exceeds_the_budget(name, eight_bit):
    images, oracle = images_of(3), Asked(stubborn)
    search = search_of(oracle, images, np.zeros(3, np.int64), name, budget=150, eight_bit=eight_bit)
    found = BLACK_BOX_ATTACKS[name](search)
    assert len(oracle.batches) == 150
    for batch in oracle.batches:
        assert batch.dtype == found.images.dtype == (np.uint8 if eight_bit else np.float32)
        assert (batch >= 0).all()
        assert (batch <= 255).all()
        assert (distance(batch, images, name) <= LEVELS[name] + (0 if eight_bit else 1e-3)).all()
    assert (found.queries == 150).all()
    assert found.queries.dtype == np.int32


@pytest.mark.parametrize(("name", "levels", "share"), [("square-linf", 2, 0.6), ("square-l2", 50, 0.4)])
def test_it_fools_a_linear_classifier_never_more_often_than_the_exact_attack_and_often(name, levels, share):
    images, scores = images_of(40), linear()
    clean = scores(images)
    labels = clean.argmax(1)
    found = BLACK_BOX_ATTACKS[name](search_of(scores, images, labels, name, budget=400, levels=float(levels)))
    fooled = scores(found.images).argmax(1) != labels
    # The exact attack, without the limits of 0..255: the margin falls by the dual norm of the scores' gradients.
    basis = np.concatenate([np.zeros((1, 768)), 255 * np.eye(768)]).reshape(-1, 16, 16, 3)
    gradients = (scores(basis)[1:] - scores(basis)[0]) / 255
    apart = gradients[:, None, :] - gradients[:, :, None]
    reach = np.abs(apart).sum(0) if name == "square-linf" else np.linalg.norm(apart, axis=0)
    margins = clean.max(axis=1, keepdims=True) - clean
    possible = ((margins < levels * reach[labels]) & (np.arange(4) != labels[:, None])).any(axis=1)
    assert not (fooled & ~possible).any()
    assert 0.3 < possible.mean() < 1
    assert fooled.sum() >= share * possible.sum()


@pytest.mark.parametrize("name", NAMES)
def test_a_misclassified_image_costs_one_query_and_stays(name):
    images, scores = images_of(6), linear()
    labels = scores(images).argmax(1)
    labels[::2] = (labels[::2] + 1) % 4
    found = BLACK_BOX_ATTACKS[name](search_of(scores, images, labels, name, budget=30))
    assert (found.queries[::2] == 1).all()
    assert (found.queries[1::2] > 1).all()
    np.testing.assert_array_equal(found.images[::2], images[::2])


@pytest.mark.parametrize("name", NAMES)
def test_queries_are_counted_up_to_the_one_that_succeeded_and_then_the_image_is_left_alone(name):
    images = images_of(12)
    oracle = Asked(linear())
    labels = oracle.scores(images).argmax(1)
    found = BLACK_BOX_ATTACKS[name](search_of(oracle, images, labels, name, budget=100))
    asked = [len(batch) for batch in oracle.batches]
    assert sum(asked) == found.queries.sum()
    assert asked == [int((found.queries > index).sum()) for index in range(len(asked))]
    fooled = oracle.scores(found.images).argmax(1) != labels
    assert (found.queries[~fooled] == 100).all()
    assert fooled.sum() > 0
    assert found.queries[fooled].min() < 100


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_the_smallest_budgets_are_kept(name, budget):
    images, oracle = images_of(2), Asked(stubborn)
    found = BLACK_BOX_ATTACKS[name](search_of(oracle, images, np.zeros(2, np.int64), name, budget=budget))
    assert len(oracle.batches) == budget
    assert (found.queries == budget).all()
    assert (distance(found.images, images, name) == 0).all() == (budget == 1)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_is_not_fooled_is_the_one_of_the_lowest_margin_asked_about(name):
    images, oracle = images_of(2), Asked(stubborn)
    found = BLACK_BOX_ATTACKS[name](search_of(oracle, images, np.zeros(2, np.int64), name, budget=80))
    margins = np.stack([stubborn(batch)[:, 0] for batch in oracle.batches[1:]])
    np.testing.assert_array_equal(stubborn(found.images)[:, 0], margins.min(0))
    assert (margins.min(0) < margins[0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_images_result_does_not_depend_on_its_batch(name):
    images, scores = images_of(5), linear()
    labels = scores(images).argmax(1)
    together = BLACK_BOX_ATTACKS[name](search_of(scores, images, labels, name, budget=90))
    for index in range(5):
        one = slice(index, index + 1)
        alone = BLACK_BOX_ATTACKS[name](search_of(scores, images[one], labels[one], name, budget=90, ids=[str(index)]))
        np.testing.assert_array_equal(alone.images, together.images[one])
        np.testing.assert_array_equal(alone.queries, together.queries[one])


@pytest.mark.parametrize("name", NAMES)
def test_other_seeds_find_other_images(name):
    images, scores = images_of(4), linear()
    labels = scores(images).argmax(1)
    one, other = (BLACK_BOX_ATTACKS[name](search_of(scores, images, labels, name, seed=seed)) for seed in (0, 1))
    assert (one.images != other.images).any()


@pytest.mark.parametrize(("name", "share"), [("square-linf", 0.43), ("square-l2", 0.26)])
def test_rounded_scores_do_not_stop_the_search(name, share):
    """Scores in steps that single windows seldom reach, as integer engines have them: a search that refuses equal
    scores fools 0.325 and 0.15 of these images.
    """
    images, scores = images_of(40), linear()

    def coarse(batch):
        return np.round(scores(batch) / 2) * 2 + np.float32(1e-3) * np.arange(4, dtype=np.float32)

    labels = coarse(images).argmax(1)
    found = BLACK_BOX_ATTACKS[name](search_of(coarse, images, labels, name, budget=400))
    assert (coarse(found.images).argmax(1) != labels).mean() > share


def test_equal_scores_are_accepted():
    """On a plateau the image goes on changing: after the stripes, squares are kept although nothing improves."""
    images = images_of(1)

    def flat(batch):
        return np.tile(np.array([1, 0], np.float32), (len(batch), 1))

    oracle = Asked(flat)
    BLACK_BOX_ATTACKS["square-linf"](search_of(oracle, images, np.zeros(1, np.int64), "square-linf", budget=40))
    stripes, last = oracle.batches[1], oracle.batches[-1]
    assert (stripes != last).any(axis=3).mean() > 0.3


def test_equal_top_scores_count_as_the_first_class():
    """As a run counts them."""
    images = images_of(2)

    def tied(batch):
        return np.ones((len(batch), 3), np.float32)

    found = BLACK_BOX_ATTACKS["square-linf"](
        search_of(tied, images, np.array([0, 1], np.int64), "square-linf", budget=5)
    )
    assert found.queries.tolist() == [5, 1]


def test_linf_starts_from_vertical_stripes_of_the_whole_radius():
    images, oracle = np.full((4, 16, 16, 3), 128, np.uint8), Asked(stubborn)
    BLACK_BOX_ATTACKS["square-linf"](search_of(oracle, images, np.zeros(4, np.int64), "square-linf", budget=2))
    change = oracle.batches[1].astype(int) - 128
    assert set(np.unique(change)) == {-6, 6}
    assert (change == change[:, :1]).all()
    assert (change != change[:, :, :1]).any()
    assert (change[..., 0] != change[..., 1]).any()


def test_linf_changes_one_square_of_one_colour_at_a_time_and_never_nothing():
    images, oracle = np.full((1, 20, 12, 3), 128, np.uint8), Asked(stubborn)
    BLACK_BOX_ATTACKS["square-linf"](search_of(oracle, images, np.zeros(1, np.int64), "square-linf", budget=400))
    best, lowest = oracle.batches[1][0].astype(int), stubborn(oracle.batches[1])[0, 0]
    largest, corners = 0, []
    for batch in oracle.batches[2:]:
        changed = np.argwhere((batch[0] != best).any(axis=2))
        assert len(changed)
        low, high = changed.min(0), changed.max(0) + 1
        window = batch[0][low[0] : high[0], low[1] : high[1]].astype(int) - 128
        assert (np.abs(window) == 6).all()
        largest = max(largest, *(high - low))
        corners.append(high)
        if stubborn(batch)[0, 0] <= lowest:
            best, lowest = batch[0].astype(int), stubborn(batch)[0, 0]
    assert 10 <= largest <= 12
    assert np.max(corners, axis=0).tolist() == [20, 12]


def test_an_l2_query_uses_nearly_all_of_the_radius():
    images, oracle = np.full((2, 32, 32, 3), 128, np.uint8), Asked(stubborn)
    BLACK_BOX_ATTACKS["square-l2"](search_of(oracle, images, np.zeros(2, np.int64), "square-l2", budget=60))
    for batch in oracle.batches[1:]:
        assert (distance(batch, images, "square-l2") > 0.995 * 120).all()


def test_an_l2_query_changes_at_most_two_windows():
    images = np.full((1, 32, 32, 3), 128, np.uint8)
    oracle = Asked(stubborn)
    search = search_of(oracle, images, np.zeros(1, np.int64), "square-l2", budget=1000, eight_bit=False)
    BLACK_BOX_ATTACKS["square-l2"](search)
    best, lowest, areas = oracle.batches[1][0], stubborn(oracle.batches[1])[0, 0], []
    for batch in oracle.batches[2:]:
        # Elsewhere the change is only scaled, to the radius again.
        ratio = (batch[0] - 128 + 1e-9) / (best - 128 + 1e-9)
        common = np.median(ratio)
        areas.append((np.abs(ratio - common) > 0.02).any(axis=2).mean())
        if stubborn(batch)[0, 0] <= lowest:
            best, lowest = batch[0], stubborn(batch)[0, 0]
    assert np.median(areas[300:]) < 0.1


def test_what_an_l2_change_leaves_of_the_radius_goes_to_the_window():
    """Half the norm is elsewhere and nothing in the windows: the new peak takes the rest."""
    clean = np.full((1, 40, 40, 3), 128, np.float32)
    change = np.zeros_like(clean)
    change[0, 39, 39] = 60 / 3**0.5
    numbers = np.array([[0.0, 0.0, 0.2, 0.2, 0.6, 0.6, 0.6, 0.6]])
    new = square._L2(120.0, eight_bit=False).candidate(change, clean, 0.02, numbers)
    np.testing.assert_allclose(np.linalg.norm(new), 120, rtol=1e-5)
    np.testing.assert_allclose(new[0, 39, 39], change[0, 39, 39], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(new[0, :7, :7], axis=(0, 1)), (120**2 - 60**2) ** 0.5 / 3**0.5, rtol=1e-5)


@pytest.mark.parametrize("side", [2, 3, 6, 9])
def test_the_peak_of_a_window_is_that_of_the_paper(side):
    """eta(r, s) = sum over k = 0..M of 1 / (n + 1 - k)^2, M = n - max(|r - h1 // 2 - 1|, |s - h2 // 2 - 1|), n = the
    longer side's half; r and s count from 1.
    """

    def eta(h1, h2):
        n = max(h1, h2) // 2
        values = np.zeros((h1, h2))
        for r in range(1, h1 + 1):
            for s in range(1, h2 + 1):
                last = n - max(abs(r - h1 // 2 - 1), abs(s - h2 // 2 - 1))
                values[r - 1, s - 1] = sum(1 / (n + 1 - k) ** 2 for k in range(last + 1))
        return values

    expected = np.concatenate([eta(side // 2, side), -eta(side - side // 2, side)])
    np.testing.assert_allclose(square._peak(side), expected / np.linalg.norm(expected), rtol=1e-6)


def test_squares_shrink_by_the_schedule_of_10000_queries_scaled_to_the_budget():
    shares = [square.share(asked, 1000) for asked in (1, 2, 6, 21, 51, 101, 201, 401, 601, 801)]
    np.testing.assert_allclose(shares, [0.8 / 2**power for power in range(10)])
    assert square.share(1, 1000) == square.share(10, 10_000)


@pytest.mark.parametrize(("name", "levels"), [("square-linf", 0.5), ("square-l2", 0.9)])
def test_without_an_8_bit_image_inside_nothing_is_asked_beyond_the_clean_one(name, levels):
    images, oracle = images_of(2), Asked(stubborn)
    found = BLACK_BOX_ATTACKS[name](search_of(oracle, images, np.zeros(2, np.int64), name, levels=levels))
    np.testing.assert_array_equal(found.images, images)
    assert (found.queries == 1).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 3), (40, 7)])
def test_images_of_any_shape_are_searched(name, size):
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    found = BLACK_BOX_ATTACKS[name](search_of(stubborn, images, np.zeros(2, np.int64), name, budget=30))
    assert (distance(found.images, images, name) <= LEVELS[name]).all()

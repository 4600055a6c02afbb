"""HopSkipJump: its promises, checked on every image that an engine is asked about, and what it achieves."""

import numpy as np
import pytest

from seatrial.harness.attacks import hopskipjump
from seatrial.harness.attacks.draws import Draws
from seatrial.harness.attacks.hopskipjump import _chunks, _Walk
from seatrial.harness.attacks.search import BLACK_BOX_ATTACKS, Search

SIZE = 12
DIMENSIONS = SIZE * SIZE * 3
NORMAL = np.random.default_rng(5).standard_normal(DIMENSIONS)
NORMAL /= np.linalg.norm(NORMAL)


def images_of(count, seed=0):
    """Clean images at known distances, 20 to 80 levels, from the plane through mid-grey."""
    rng = np.random.default_rng(seed)
    images = rng.integers(100, 156, (count, DIMENSIONS)).astype(float)
    images += (np.linspace(-80, -20, count) - (images - 128) @ NORMAL)[:, None] * NORMAL
    return np.clip(np.rint(images), 0, 255).astype(np.uint8).reshape(count, SIZE, SIZE, 3)


def height(images):
    """Signed distance from the plane, in levels."""
    return (images.reshape(len(images), -1).astype(np.float64) - 128) @ NORMAL


def plane(images):
    above = (height(images) > 0).astype(np.float32)
    return np.stack([1 - above, above], axis=1)


class Asked:
    """An oracle that keeps what it was asked about."""

    def __init__(self, scores=plane):
        self.scores, self.batches = scores, []

    def __call__(self, images):
        self.batches.append(images.copy())
        return self.scores(images)


def search_of(oracle, images, *, levels=1.0, budget=1000, seed=0, ids=None, labels=None):
    ids = [str(index) for index in range(len(images))] if ids is None else ids
    labels = np.zeros(len(images), np.int64) if labels is None else labels
    return Search(oracle, images, labels, levels, Draws(seed, ids, "hopskipjump-l2"), budget)


def attack(search):
    return BLACK_BOX_ATTACKS["hopskipjump-l2"](search)


def distance(images, clean):
    return np.linalg.norm((images.astype(np.float64) - clean).reshape(len(images), -1), axis=1)


@pytest.mark.parametrize("budget", [1, 2, 5, 30, 130, 400, 1000])
def test_the_budget_of_every_image_is_kept_and_queries_are_counted(budget):
    images, oracle = images_of(5), Asked()
    found = attack(search_of(oracle, images, budget=budget))
    assert found.queries.dtype == np.int32
    assert (found.queries >= 1).all()
    assert (found.queries <= budget).all()
    assert found.queries.sum() == sum(map(len, oracle.batches))
    if budget >= 400:
        assert (found.queries > budget * 0.9).all()


def test_engines_are_asked_about_8_bit_images_in_batches_of_at_most_512():
    oracle = Asked()
    attack(search_of(oracle, images_of(12), budget=600))
    assert all(batch.dtype == np.uint8 for batch in oracle.batches)
    assert max(map(len, oracle.batches)) == 512
    assert np.mean([len(batch) for batch in oracle.batches if len(batch) > 12]) > 300


def test_on_a_plane_it_comes_near_to_the_shortest_way():
    images = images_of(8)
    nearest = -height(images)
    for index, factor in enumerate((2.2, 1.5)):
        budget = (500, 3000)[index]
        found = attack(search_of(Asked(), images, levels=0.0, budget=budget))
        np.testing.assert_array_equal(found.images, images)
        walk = walked(search_of(Asked(), images, budget=budget))
        ratio = np.sqrt(walk._nearest) / nearest
        assert (ratio >= 1 - 1e-9).all()
        assert np.median(ratio) < factor


def walked(search):
    """The attack's state at its end, whatever the radius."""
    kept = []
    original = _Walk.__init__

    def keeping(self, search):
        kept.append(self)
        original(self, search)

    _Walk.__init__ = keeping
    try:
        attack(search)
    finally:
        _Walk.__init__ = original
    return kept[0]


def test_what_is_found_is_misclassified_and_inside_and_else_the_clean_image():
    images = images_of(10)
    found = attack(search_of(plane, images, levels=60.0, budget=1500))
    changed = (found.images != images).any(axis=(1, 2, 3))
    assert 0.3 < changed.mean() < 1
    assert (distance(found.images, images) <= 60).all()
    np.testing.assert_array_equal(plane(found.images).argmax(1) == 1, changed)
    assert not changed[-height(images) > 60].any()
    assert found.images.dtype == np.uint8


def test_an_image_is_left_alone_once_it_is_inside():
    images, oracle = images_of(6), Asked()
    found = attack(search_of(oracle, images, levels=70.0, budget=3000))
    for image, clean, queries in zip(found.images, images, found.queries, strict=True):
        if queries < 2900:
            assert (image != clean).any()
    assert found.queries.min() < 1500
    # The last image that was asked about is the one that came inside.
    alone = Asked()
    index = int(found.queries.argmin())
    one = attack(search_of(alone, images[index : index + 1], levels=70.0, budget=3000, ids=[str(index)]))
    np.testing.assert_array_equal(alone.batches[-1][-1], one.images[0])


def test_a_misclassified_image_costs_one_query_and_stays():
    images = images_of(4)
    found = attack(search_of(plane, images, budget=200, labels=np.array([1, 0, 1, 0])))
    assert found.queries[[0, 2]].tolist() == [1, 1]
    np.testing.assert_array_equal(found.images[[0, 2]], images[[0, 2]])
    assert (found.queries[[1, 3]] > 100).all()


def test_an_images_result_does_not_depend_on_its_batch():
    """Also where its probes are asked about in several calls."""
    images = images_of(7)
    together = attack(search_of(plane, images, levels=60.0, budget=800))
    for index in range(7):
        one = slice(index, index + 1)
        alone = attack(search_of(plane, images[one], levels=60.0, budget=800, ids=[str(index)]))
        np.testing.assert_array_equal(alone.images, together.images[one])
        np.testing.assert_array_equal(alone.queries, together.queries[one])


def test_only_labels_are_used():
    images = images_of(4)

    def confident(batch):
        return plane(batch) * np.float32(1000) + np.float32(7)

    one, other = (attack(search_of(scores, images, levels=70.0, budget=600)) for scores in (plane, confident))
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.queries, other.queries)


def test_without_any_misclassified_start_the_clean_image_stays_and_few_queries_are_spent():
    images = images_of(3)

    def always(batch):
        return np.tile(np.array([1, 0], np.float32), (len(batch), 1))

    found = attack(search_of(always, images, levels=50.0, budget=1000))
    np.testing.assert_array_equal(found.images, images)
    assert (found.queries == 51).all()


def test_a_class_that_pixel_noise_falls_into_is_started_from_coarser_noise():
    """Rough images are class 0, smooth ones class 1: only noise in larger cells leaves class 0."""

    def rough(batch):
        across = np.abs(np.diff(batch.astype(np.float64), axis=2)).mean(axis=(1, 2, 3))
        return np.stack([across, np.full(len(batch), 30.0)], axis=1).astype(np.float32)

    images = np.random.default_rng(0).integers(80, 176, (3, SIZE, SIZE, 3), np.uint8)
    assert (rough(images).argmax(1) == 0).all()
    assert np.isfinite(walked(search_of(rough, images, budget=100))._nearest).all()


def test_the_direction_is_that_of_the_boundarys_normal():
    """Far nearer to it than a random direction is: one of 432 dimensions has a cosine of about 0.05."""
    images = images_of(4)
    walk = _Walk(search_of(plane, images))
    walk.start()
    rows = np.arange(4)
    directions = walk.directions(rows, np.full(4, 400)).reshape(4, -1)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    assert (directions @ NORMAL > 0.3).all()
    assert (directions @ NORMAL).mean() > 0.5


def test_points_lie_on_the_boundary_on_its_far_side():
    images = images_of(6)
    walk = _Walk(search_of(plane, images))
    walk.start()
    above = height(walk._points)
    assert (above > 0).all()
    assert (above < 1.5).all()
    np.testing.assert_allclose(walk._sizes, distance(walk._points, images), atol=0.5)


def test_a_nearer_start_is_taken_where_a_query_finds_one(monkeypatch):
    images = images_of(10)
    sizes = []
    for further in (0, 10):
        monkeypatch.setattr(hopskipjump, "_FURTHER", further)
        walk = _Walk(search_of(plane, images))
        walk.start()
        sizes.append(walk._sizes)
    assert (sizes[1] <= sizes[0]).all()
    assert np.mean(sizes[1]) < 0.9 * np.mean(sizes[0])


def test_steps_are_halved_until_one_stays_misclassified():
    images, oracle = images_of(3), Asked()
    walk = _Walk(search_of(oracle, images))
    walk.start()
    rows, points, sizes = np.arange(3), walk._points.copy(), walk._sizes.copy()
    directions = walk.directions(rows, np.full(3, 50))
    oracle.batches = []
    oracle.scores = lambda batch: np.tile(np.array([1, 0], np.float32), (len(batch), 1))
    walk.jump(rows, directions, 4)
    lengths = [distance(batch, points[: len(batch)])[0] for batch in oracle.batches if len(batch) == 3]
    np.testing.assert_allclose(lengths[:4], sizes[0] / 2 / 2.0 ** np.arange(4), rtol=0.03)
    np.testing.assert_array_equal(walk._points, points)


def test_floats_are_refused():
    search = search_of(plane, images_of(1))
    with pytest.raises(ValueError, match="8-bit"):
        attack(Search(search.oracle, search.images, search.labels, 9.0, search.draws, 10, eight_bit=False))


def test_chunks_fill_a_batch_and_lose_no_probe():
    counts = np.array([100, 700, 5, 512, 1])
    chunks = list(_chunks(counts, DIMENSIONS))
    assert [sum(count for _, count in chunk) for chunk in chunks] == [512, 512, 294]
    taken = np.zeros(5, int)
    for chunk in chunks:
        for place, count in chunk:
            taken[place] += count
    np.testing.assert_array_equal(taken, counts)
    assert len(next(_chunks(np.array([50]), 1 << 26))) == 1

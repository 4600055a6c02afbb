"""Where two accuracy curves cross: against lines drawn by hand, a walk from point to point, and resampling images."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import norm
from test_attack_metrics import FILES, INT8, REFERENCE, described, known, predictions

from seatrial.harness.metrics.crossing import crossing, first_upward
from seatrial.harness.metrics.paired import paired_p


def first(count, images=1000):
    """bool [images], the first `count` right."""
    return np.arange(images) < count


def curves(target, reference, images=1000):
    return [first(one, images) for one in target], [first(one, images) for one in reference]


def walked(eps, differences):
    """The first change from below zero to above, by walking from point to point."""
    below = None
    for place, value in enumerate(differences):
        if value < 0:
            below = place
        elif value > 0:
            if below is not None:
                if below == place - 1:
                    slope = (value - differences[below]) / (eps[place] - eps[below])
                    return eps[below] - differences[below] / slope
                return (eps[below + 1] + eps[place - 1]) / 2
            below = None
    return math.nan


def test_the_crossing_lies_where_the_lines_do():
    """d = -100 at 2 and +300 at 8 of 1000 images: a quarter of the way."""
    found = crossing([0, 2, 8], *curves((900, 500, 400), (950, 600, 100)))
    assert found.differences == pytest.approx((-0.05, -0.1, 0.3))
    assert found.upward.eps == pytest.approx(3.5)
    assert found.downward.eps is None
    assert found.downward.ci95 is None
    assert found.upward.ci95[0] < 3.5 < found.upward.ci95[1]
    assert found.upward.before_significant
    assert found.upward.after_significant


def test_the_reverse_is_reported_as_well():
    found = crossing([0, 2, 8], *curves((950, 600, 100), (900, 500, 400)))
    assert found.downward.eps == pytest.approx(3.5)
    assert found.downward.before_significant
    assert found.downward.after_significant
    assert found.upward.eps is None
    both = crossing([0, 1, 2, 3], *curves((400, 600, 400, 500), (500, 500, 500, 500)))
    assert (both.upward.eps, both.downward.eps) == pytest.approx((0.5, 1.5))


@pytest.mark.parametrize(
    ("target", "reference"),
    [
        ((500, 400, 0), (600, 500, 0)),  # equal at the end is no crossing
        ((600, 500, 0), (500, 400, 0)),
        ((500, 500, 300), (500, 400, 200)),  # nor is equal at the start
        ((500, 400, 300), (500, 400, 300)),
        ((500, 400, 300), (600, 400, 400)),  # nor touching
    ],
)
def test_curves_that_only_touch_do_not_cross(target, reference):
    found = crossing([0, 2, 8], *curves(target, reference))
    assert found.upward.eps is found.downward.eps is None
    assert not found.upward.before_significant
    assert not found.upward.after_significant


@example([-1, 0, 0, 0, 1], [1, 10, 100, 1000, 1, 1, 1, 1])
@example([-2, 0, 1, 0, 0, -3, 0, 1], [1, 2, 3, 4, 5, 6, 7, 8])
@given(
    st.lists(st.integers(-3, 3), min_size=2, max_size=8),
    st.lists(st.integers(1, 40), min_size=8, max_size=8),
)
def test_every_row_is_walked_alike(differences, gaps):
    eps = np.cumsum([0, *gaps[: len(differences) - 1]]).astype(float)
    rows = np.array([differences, differences[::-1], [-one for one in differences]])
    for row, place in zip(rows.tolist(), first_upward(eps, rows).tolist(), strict=True):
        assert place == pytest.approx(walked(eps.tolist(), row), nan_ok=True)


def test_the_interval_is_that_of_images_resampled_with_all_their_answers():
    rng = np.random.default_rng(2)
    images, eps = 1000, [0.0, 0.5, 2.0, 8.0]
    hardness = rng.random(images)
    target = [hardness + rng.normal(0, 0.2, images) < level for level in (0.88, 0.65, 0.5, 0.3)]
    reference = [hardness + rng.normal(0, 0.2, images) < level for level in (0.9, 0.75, 0.44, 0.1)]
    found = crossing(eps, target, reference)
    differences = np.array(target, int) - np.array(reference, int)
    places = []
    for _ in range(2000):
        chosen = rng.integers(0, images, images)
        places.append(walked(eps, differences[:, chosen].sum(1).tolist()))
    there = np.array(places)[~np.isnan(places)]
    assert found.upward.eps == pytest.approx(walked(eps, differences.sum(1).tolist()))
    assert len(there) > 1980  # where hardly a resample does not cross, resampling knows the place as well
    assert found.upward.ci95 == pytest.approx(tuple(np.percentile(there, (2.5, 97.5))), abs=0.1)


def test_few_images_that_differ_leave_the_place_open():
    """One image lost at the small strength, one won at the large: any resample with both crosses in the middle."""
    found = crossing([0, 2, 8], *curves((60, 59, 61), (60, 60, 60), images=100))
    assert found.upward.eps == pytest.approx(5)
    assert found.upward.ci95 == (0, 8)


def test_the_interval_of_the_place_covers():
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(300):
        hardness = rng.standard_normal((2, 400)) * 0.5 + rng.standard_normal(400)
        # Equal in truth halfway between 2 and 6.
        target = [hardness[0] < level for level in (0.6, 0.1, -0.3)]
        reference = [hardness[1] < level for level in (0.8, 0.4, -0.6)]
        levels = np.array([[0.1, -0.3], [0.4, -0.6]])
        below, above = np.diff(norm.cdf(levels / np.sqrt(1.25)), axis=0)[0] * -1
        truth = 2 + 4 * -below / (above - below)
        found = crossing([0, 2, 6], target, reference).upward
        inside += found.ci95 is not None and found.ci95[0] <= truth <= found.ci95[1]
    assert inside / 300 >= 0.92


def test_a_crossing_by_chance_is_told_from_a_certain_one():
    few = crossing([0, 2], *curves((9, 6), (10, 5), images=20))
    assert few.upward.eps == pytest.approx(1)
    assert not few.upward.before_significant
    assert not few.upward.after_significant
    one_sided = crossing([0, 2], *curves((90, 600), (92, 500)))
    assert not one_sided.upward.before_significant
    assert one_sided.upward.after_significant


def test_only_what_lies_on_a_side_of_the_crossing_counts_for_it():
    """Curves that cross back: what comes behind says nothing of what comes before, and below is not above."""
    eps, reference = [0, 2, 4], (500, 500, 500)
    late = crossing(eps, *curves((499, 800, 200), reference)).upward
    assert late.eps < 2
    assert not late.before_significant
    assert late.after_significant
    brief = crossing(eps, *curves((200, 501, 200), reference)).upward
    assert brief.eps < 2
    assert brief.before_significant
    assert not brief.after_significant


def test_significance_is_divided_among_the_strengths():
    """Six images to none has p = 0.034: enough for one strength, not for one of two."""
    target, reference = curves((500, 506), (520, 500))
    found = crossing([0, 2], target, reference)
    assert found.p == pytest.approx((paired_p(20, 0, 1000), paired_p(0, 6, 1000)))
    assert 0.025 < found.p[1] < 0.05
    assert found.upward.before_significant
    assert not found.upward.after_significant


def test_what_is_no_curve_is_refused():
    yes = np.ones(4, bool)
    for eps, mine, other in (
        ([0], [yes], [yes]),
        ([0, 0], [yes, yes], [yes, yes]),
        ([2, 0], [yes, yes], [yes, yes]),
    ):
        with pytest.raises(ValueError, match="ascending"):
            crossing(eps, mine, other)
    with pytest.raises(ValueError, match="same images"):
        crossing([0, 2], [yes, yes], [yes[:2], yes[:2]])
    with pytest.raises(ValueError, match="same images"):
        crossing([0, 2, 8], [yes, yes], [yes, yes])
    with pytest.raises(ValueError, match="same images"):
        crossing([0, 2], [yes[:0]] * 2, [yes[:0]] * 2)


def crossing_world(images=1000, files=FILES, quantized="qdq"):
    """int8 lies below fp32 at small eps and above at large ones on its own file, never below on fp32's images."""
    own = f"+{quantized}"
    right = {
        "clean": (900, 890),
        "attack/pgd-linf@2": (400, 500),
        "attack/pgd-linf@8": (100, 200),
        f"attack/pgd-linf@2{own}": (450, 380),
        f"attack/pgd-linf@8{own}": (120, 160),
        "attack/pgd-linf@8+resnet56": (500, 500),
        "attack/pgd-linf@2+resnet56": (700, 720),
        "attack/fgsm-linf@2": (500, 510),
        f"attack/diva-linf@2{own}": (700, 300),
        f"attack/diva-linf@8{own}": (600, 200),
        "attack/pgd-scaled-linf@2": (400, 400),
        "attack/pgd-scaled-linf@8": (100, 100),
        "blackbox/square-linf@2": (800, 780),
        "blackbox/square-linf@8": (600, 640),
    }
    answers = {
        target: {name: predictions(first(pair[name_of != "fp32"], images)) for name, pair in right.items()}
        for target, name_of in files.items()
    }
    rows = {(target, name): known(first(900), first(1)) for target in files for name in right}
    return answers, rows


def test_the_summary_compares_what_can_be_compared():
    block = described(*crossing_world())
    assert block["targets"][REFERENCE]["crossings"] == []
    found = {(row["attack"], row["made"], row["surrogate"]): row for row in block["targets"][INT8]["crossings"]}
    assert list(found) == [
        ("pgd-linf", "white box", "qdq"),
        ("pgd-linf", "transfer", "fp32"),
        ("pgd-linf", "transfer", "resnet56"),
        ("square-linf", "queries", None),
    ]
    own = found["pgd-linf", "white box", "qdq"]
    assert own["eps"] == [0, 2, 8]
    assert own["norm"] == "linf"
    assert own["differences"] == pytest.approx([-0.01, -0.02, 0.06])  # each on its own file
    assert own["upward"]["eps"] == pytest.approx(3.5)
    transfer = found["pgd-linf", "transfer", "fp32"]
    assert transfer["differences"] == pytest.approx([-0.01, 0.1, 0.1])
    assert found["pgd-linf", "transfer", "resnet56"]["differences"] == pytest.approx([-0.01, 0.02, 0])
    assert found["square-linf", "queries", None]["differences"] == pytest.approx([-0.01, -0.02, 0.04])


def test_the_file_of_another_quantized_target_is_neither_its_own_nor_a_source():
    files = {REFERENCE: "fp32", INT8: "qdq-ort-int8", "ov/int8@cpu": "qdq-ov-int8"}
    block = described(*crossing_world(files=files, quantized="qdq-ov-int8"), files=files)
    made = [(row["attack"], row["made"], row["surrogate"]) for row in block["targets"][INT8]["crossings"]]
    assert ("pgd-linf", "transfer", "fp32") in made
    assert all(surrogate != "qdq-ov-int8" for _, _, surrogate in made)
    made = [(row["attack"], row["made"], row["surrogate"]) for row in block["targets"]["ov/int8@cpu"]["crossings"]]
    assert ("pgd-linf", "white box", "qdq-ov-int8") in made


def test_another_engine_of_the_source_is_attacked_on_its_own_file():
    found = described(*crossing_world())["targets"]["ov/fp32@cpu"]["crossings"]
    assert [(row["attack"], row["made"]) for row in found if row["surrogate"] == "fp32"] == [("pgd-linf", "white box")]
    assert found[0]["differences"] == [0, 0, 0]

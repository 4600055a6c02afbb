"""Published sentences on made-up runs of which it is known whether they hold."""

import dataclasses

import numpy as np
import pytest

from seatrial.harness.attacks.strengths import PAPER_VALUES
from seatrial.harness.conditions.corruptions import MCE_CORRUPTIONS
from seatrial.harness.conditions.kinds.pipeline.settings import settings
from seatrial.harness.results.studies import extremes, merkel, robustmq
from seatrial.harness.results.studies.describe import scaled
from seatrial.harness.results.studies.readings import READINGS, left
from seatrial.harness.results.studies.robustmq import Systematic
from seatrial.harness.results.studies.rows import Row, guesses, method_of, series_of
from seatrial.harness.results.studies.table import table
from seatrial.harness.spec.targets import TargetSpec

SETTINGS = settings("pillow", "pillow-bilinear")
SURE = Systematic(SETTINGS)


class Made:
    """Answers of targets to the same images: each image has a difficulty, which all answers to it share."""

    def __init__(self, images=1000, seed=0):
        self.rng, self.images = np.random.default_rng(seed), images
        self.hard = self.rng.uniform(size=images)

    def answers(self, share):
        own = np.where(self.rng.uniform(size=self.images) < 0.7, self.hard, self.rng.uniform(size=self.images))
        return own < share

    def row(self, name, bits, shares, *, file="qdq", clean=0.9, **more):
        right = {"clean": self.answers(clean)}
        for condition, share in shares.items():
            found = self.answers(share)
            # What is wrong without attack is not right under it.
            right[condition] = found & right["clean"] if "/pgd" in condition or "square" in condition else found
        quantized = bits != (32, 32)
        return Row(f"{name}-{bits[0]}", name, bits, quantized, right, file=file if quantized else "fp32", **more)


def attacked(own, source, queries=None):
    """pgd at the three strengths."""
    shares = {f"attack/pgd-linf@{eps}+qdq": share for eps, share in zip(("0.5", "2", "8"), own, strict=True)}
    shares |= {f"attack/pgd-linf@{eps}": share for eps, share in zip(("0.5", "2", "8"), source, strict=True)}
    return shares | ({} if queries is None else {"blackbox/square-linf@2": queries})


def by_id(claims):
    return {claim.id: claim for claim in claims}


def floats(made, *, values=PAPER_VALUES, **shares):
    return made.row("float", (32, 32), shares, values=values)


def test_lower_bits_that_are_more_robust_are_so_under_every_reading_but_where_they_are_not():
    """Masked: own gradients of low-bit networks find less, transferred images and queries find it."""
    made = Made()
    rows = [floats(made, **attacked((0.5, 0.2, 0.0), (0.5, 0.2, 0.0), 0.5))]
    for place, bits in enumerate((8, 6, 4, 2)):
        shares = attacked((0.5 + place / 10,) * 3, (0.6 - place / 10,) * 3, 0.5)
        verdict = "fail" if bits == 2 else "pass"
        rows.append(made.row("lsq", (bits, bits), shares, masking=verdict))
    found = by_id(robustmq.claims(rows, SURE))
    assert found["bits-attacks-published"].answer == "holds"
    assert "lsq-2" in found["bits-attacks-published"].caveat
    assert found["bits-attacks-own"].answer == "holds"
    assert found["bits-attacks-transfer"].answer == "does not hold"
    assert found["bits-attacks-worst"].answer == "does not hold"
    assert found["bits-attacks-worst"].figure < -0.1
    assert found["quantized-attacks-published"].answer == "holds"
    assert found["bits-corruptions"].answer == "cannot be told"
    assert "no corruption" in found["bits-corruptions"].why
    truth = 0.3 / 0.9  # from 8 to 2 bits, of what is right without attack
    low, high = found["bits-attacks-published"].ci95
    assert low < truth < high
    assert found["bits-attacks-published"].figure == pytest.approx(truth, abs=0.06)


def test_few_images_decide_nothing():
    made = Made(images=12)
    rows = [floats(made, **attacked((0.5, 0.2, 0.1), (0.5, 0.2, 0.1), 0.5))]
    rows += [made.row("lsq", (bits, bits), attacked((0.5,) * 3, (0.5,) * 3, 0.5)) for bits in (8, 4)]
    found = robustmq.claims(rows, SURE)
    assert {one.answer for one in found if one.figure is not None} == {"cannot be told"}
    assert all("more images" in one.why for one in found if one.figure is not None)


def test_many_images_without_a_difference_refute():
    made = Made(images=60_000)
    same = {"corruption/fog@3": 0.5}
    rows = [floats(made, **same), *(made.row("lsq", (bits, bits), same) for bits in (8, 4))]
    found = by_id(robustmq.claims(rows, SURE))
    assert found["bits-corruptions"].answer == "does not hold"
    assert found["quantized-corruptions"].answer == "does not hold"
    low, high = found["bits-corruptions"].ci95
    assert -0.01 < low < 0 < high or abs(found["bits-corruptions"].figure) < 0.01


def test_methods_are_answered_one_by_one_and_together():
    made = Made(images=3000)
    rows = [floats(made, **{"corruption/fog@3": 0.6})]
    for bits in (8, 4, 2):
        rows.append(made.row("lsq", (bits, bits), {"corruption/fog@3": 0.3 + bits / 40}))
        rows.append(made.row("pact", (bits, bits), {"corruption/fog@3": 0.5 - bits / 60}))
    found = by_id(robustmq.claims(rows, SURE))["bits-corruptions"]
    assert {part.name: part.answer for part in found.parts} == {"lsq": "holds", "pact": "does not hold"}
    assert found.figure == pytest.approx(np.mean([part.figure for part in found.parts]))


def test_what_clean_accuracy_explains_is_told_apart():
    made = Made(images=4000)
    rows = [floats(made, **{"corruption/fog@3": 0.6})]
    for bits, clean in ((8, 0.9), (2, 0.7)):
        rows.append(made.row("lsq", (bits, bits), {"corruption/fog@3": clean - 0.3}, clean=clean))
    found = by_id(robustmq.claims(rows, SURE))
    assert found["bits-corruptions"].answer == "holds"
    assert found["bits-corruptions-beyond-clean"].answer != "holds"
    assert abs(found["bits-corruptions-beyond-clean"].figure) < 0.05


def test_a_target_that_guesses_has_no_say():
    made = Made()
    labels = np.arange(1000) % 10
    assert guesses(made.rng.integers(0, 10, 1000) == labels, labels == 0)
    assert not guesses(made.answers(0.5), labels == 0)
    # It keeps all of the little that it has right.
    rows = [floats(made, **attacked((0.5, 0.2, 0.0), (0.5, 0.2, 0.0)))]
    rows += [made.row("lsq", (bits, bits), attacked((0.5,) * 3, (0.5,) * 3)) for bits in (8, 4)]
    clean = labels == 0
    always = Row("lsq-2", "lsq", (2, 2), True, dict.fromkeys(rows[1].right, clean), file="qdq", guesses=True)
    assert robustmq.claims([*rows, always], SURE) == robustmq.claims(rows, SURE)


@pytest.mark.parametrize(
    ("lowest", "images", "answer"),
    [("impulse_noise", 2000, "holds"), ("fog", 2000, "does not hold"), ("impulse_noise", 8, "cannot be told")],
)
def test_the_worst_corruption_is_told_from_the_others(lowest, images, answer):
    made = Made(images=images)
    shares = {f"corruption/{name}@3": 0.4 if name == lowest else 0.6 for name in MCE_CORRUPTIONS}
    rows = [floats(made, **shares), made.row("lsq", (8, 8), shares)]
    found = by_id(extremes.of_corruptions(rows))["impulse-worst"]
    assert found.answer == answer
    if answer == "holds":
        assert found.figure == pytest.approx(-0.2, abs=0.05)
        assert found.ci95[1] < 0
    if answer == "does not hold":
        assert found.of.endswith("impulse noise minus fog")
        assert found.ci95[0] > 0


def test_where_all_targets_guess_that_is_the_reason():
    row = floats(Made(), **{f"corruption/{name}@3": 0.5 for name in MCE_CORRUPTIONS})
    claims = extremes.of_corruptions([dataclasses.replace(row, guesses=True)])
    assert {claim.why for claim in claims} == {"All targets of the run guess."}


def test_two_worst_need_both():
    made = Made(images=3000)
    low = {"impulse_noise": 0.3, "glass_blur": 0.35}
    shares = {f"corruption/{name}@2": low.get(name, 0.6) for name in MCE_CORRUPTIONS}
    found = by_id(extremes.of_corruptions([floats(made, **shares)]))
    assert found["impulse-glass-worst"].answer == "holds"
    assert found["impulse-worst"].answer == "holds"
    assert found["brightness-mildest"].answer in ("cannot be told", "does not hold")
    shares["corruption/glass_blur@2"] = 0.7
    found = by_id(extremes.of_corruptions([floats(made, **shares)]))
    assert found["impulse-glass-worst"].answer == "does not hold"
    del shares["corruption/glass_blur@2"]
    found = by_id(extremes.of_corruptions([floats(made, **shares)]))
    assert found["impulse-glass-worst"].answer == "cannot be told"
    assert "glass blur" in found["impulse-glass-worst"].why


def test_filters_of_both_libraries_are_one_and_images_of_the_models_size_tell_nothing():
    made = Made(images=2000)
    shares = {}
    for (_, name), condition in SETTINGS.items():
        if condition != "clean":
            shares[condition] = 0.7 if "nearest" in name else 0.8 if "box" in name or "lanczos" in name else 0.9
    rows = [floats(made, **shares)]
    found = by_id(extremes.of_filters(rows, SURE))
    assert found["nearest-worst"].answer == "holds"
    assert found["three-mildest"].answer != "holds", "hamming is as good"
    found = by_id(extremes.of_filters(rows, Systematic(SETTINGS, "They are arrays.")))
    assert found["nearest-worst"].answer == "cannot be told"
    assert found["nearest-worst"].figure is not None
    assert found["nearest-worst"].why == "They are arrays."


def test_readings_take_what_all_targets_were_asked():
    made = Made(images=50)
    both = attacked((0.5,) * 3, (0.4,) * 3)
    one = {name: share for name, share in both.items() if "@8" not in name}
    rows = [made.row("lsq", (8, 8), both), made.row("lsq", (4, 4), one), made.row("lsq", (2, 2), {})]
    by_name = {reading.id: left(rows, reading) for reading in READINGS}
    assert set(by_name["published"]) == {"lsq-8", "lsq-4"}
    right = rows[0].right
    expected = (right["attack/pgd-linf@0.5+qdq"].astype(float) + right["attack/pgd-linf@2+qdq"]) / 2
    np.testing.assert_array_equal(by_name["published"]["lsq-8"], expected)
    worst = [right[f"attack/pgd-linf@{eps}+qdq"] & right[f"attack/pgd-linf@{eps}"] for eps in ("0.5", "2")]
    np.testing.assert_array_equal(by_name["worst"]["lsq-8"], np.mean(worst, axis=0))
    assert by_name["queries"] == {}


def test_strengths_are_told_by_the_size_of_the_images():
    made = Made(images=50)
    shares = {f"attack/pgd-l2@{eps}": 0.5 for eps in ("0.0714", "0.5", "2")}
    (small,) = table([floats(made, **shares, values=3 * 32 * 32)], SETTINGS)
    assert [(one["level"], one["eps"]) for one in small["ar"]] == [("small", 0.0714)]
    (large,) = table([floats(made, **shares)], SETTINGS)
    assert [(one["level"], one["eps"]) for one in large["ar"]] == [("small", 0.5), ("mid", 2.0)]
    assert scaled([floats(made, **shares)]) == []
    (note,) = scaled([floats(made, **shares, values=3 * 32 * 32)])
    assert "L2 0.0714, 0.286, 1.14 for 0.5, 2, 8" in note
    assert "L1" not in note


def test_the_table_counts():
    made = Made(images=300)
    shares = attacked((0.6, 0.3, 0.0), (0.7, 0.4, 0.1), 0.5) | {"corruption/fog@3": 0.6, "corruption/snow@1": 0.7}
    shares |= {condition: 0.8 for condition in SETTINGS.values() if condition != "clean"}
    row = made.row("lsq", (4, 4), shares)
    (found,) = table([row], SETTINGS)
    clean = row.clean
    assert found["nr"]["top1"] == pytest.approx(np.mean([row.right[n].mean() for n in shares if "corruption" in n]))
    top1 = [row.right[name].mean() for name in SETTINGS.values()]
    assert found["sr"]["conditions"] == 33
    assert found["sr"]["std"] == pytest.approx(np.std(top1))
    mid = next(one for one in found["wcar"] if one["level"] == "mid")
    left_ = clean & row.right["attack/pgd-linf@2"] & row.right["attack/pgd-linf@2+qdq"]
    assert mid["all"]["rate"] == (left_ & row.right["blackbox/square-linf@2"]).sum() / clean.sum()
    assert mid["transfer"]["rate"] == (clean & row.right["attack/pgd-linf@2"]).sum() / clean.sum()
    assert [one["level"] for one in found["ar"] if one["attack"] == "pgd-linf"] == ["small", "mid", "large"]


def test_methods_are_named_after_variants_and_series_have_one_kind_of_bits():
    assert method_of(TargetSpec("onnxruntime", "fp32")) == "float"
    assert method_of(TargetSpec("onnxruntime", "sim-w4a4")) == "PTQ"
    made = Made(images=20)
    rows = [made.row("PTQ", bits, {}) for bits in ((8, 8), (4, None), (8, 4), (2, 2), (2, None))]
    named = {name: [row.bits for row in members] for name, members in series_of(rows).items()}
    assert named == {"PTQ": [(8, 8), (2, 2)], "PTQ, weights only": [(4, None), (2, None)]}


# Merkel.

EPS = (2, 8, 16, 32)


def swept(made, bits, shares, clean=0.95):
    conditions = {f"attack/fgsm-linf@{eps}+f{bits}": share for eps, share in zip(EPS, shares, strict=True)}
    return made.row("PTQ", (bits, None), conditions, file=f"f{bits}", clean=clean)


def reference(made):
    shares = dict(zip((f"attack/fgsm-linf@{eps}" for eps in EPS), (0.8, 0.5, 0.3, 0.1), strict=True))
    return floats(made, **shares)


def test_a_curve_that_crosses_floats_shows_that_it_depends():
    made = Made(images=2000)
    rows = [reference(made), swept(made, 2, (0.65, 0.45, 0.4, 0.3), 0.8), swept(made, 8, (0.8, 0.5, 0.3, 0.1), 0.9)]
    (found,) = merkel.claims(rows)
    assert found.answer == "holds"
    assert 8 < found.figure < 16
    assert found.ci95[0] < found.figure < found.ci95[1]
    assert {part.name: part.answer for part in found.parts} == {
        "PTQ, weights only 8/32": "cannot be told",
        "PTQ, weights only 2/32": "holds",
    }
    two = next(row for row in merkel.table(rows) if row["bits"] == [2, None])
    assert {one["against"] for one in two["crossings"]} >= {"float-32", "PTQ-8"}
    assert two["curves"][0]["eps"] == [0, *EPS]


def test_curves_that_lie_apart_at_every_strength_refute_and_few_images_do_neither():
    made = Made(images=4000)
    rows = [reference(made), swept(made, 2, (0.6, 0.3, 0.15, 0.02), 0.8)]
    assert merkel.claims(rows)[0].answer == "does not hold"
    made = Made(images=20)
    rows = [reference(made), swept(made, 2, (0.65, 0.45, 0.4, 0.3), 0.8)]
    assert merkel.claims(rows)[0].answer == "cannot be told"
    assert merkel.claims(rows[:1])[0].answer == "cannot be told"

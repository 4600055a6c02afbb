from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

torch = pytest.importorskip("torch")

from seatrial.harness.attacks.losses import cross_entropy, dlr, dlr_targeted, margin, targets_in_order  # noqa: E402


def scores(classes: int = 7, count: int = 40, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, classes)).astype(np.float32)
    labels = rng.integers(0, classes, count)
    labels[: count // 2] = logits[: count // 2].argmax(1)
    return torch.from_numpy(logits), torch.from_numpy(labels)


def test_cross_entropy_is_the_negative_log_probability_of_the_label() -> None:
    logits, labels = scores()
    expected = -log_softmax(logits.numpy().astype(np.float64), axis=1)[np.arange(len(labels)), labels.numpy()]
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-5)


def test_margin_and_both_ratios_follow_their_formulas() -> None:
    logits, labels = scores()
    rng = np.random.default_rng(1)
    for z, y, own, ratio in zip(
        logits.numpy(), labels.numpy(), margin(logits, labels), dlr(logits, labels), strict=True
    ):
        others = max(value for place, value in enumerate(z) if place != y)
        ordered = sorted((float(value) for value in z), reverse=True)
        assert float(own) == pytest.approx(others - z[y], rel=1e-5)
        assert float(ratio) == pytest.approx(-(float(z[y]) - others) / (ordered[0] - ordered[2]), rel=1e-5)
        target = int(rng.choice([place for place in range(len(z)) if place != y]))
        expected = -(float(z[y]) - float(z[target])) / (ordered[0] - (ordered[2] + ordered[3]) / 2)
        one = dlr_targeted(torch.from_numpy(z)[None], torch.tensor([y]), torch.tensor([target]))
        assert float(one) == pytest.approx(expected, rel=1e-5)


def test_ratios_do_not_change_with_the_logits_shift_and_scale() -> None:
    logits, labels = scores()
    targets = (labels + 1) % 7
    for other in (logits * 1e-3, logits * 1000 + 50):
        np.testing.assert_allclose(dlr(other, labels), dlr(logits, labels), rtol=1e-3)
        np.testing.assert_allclose(
            dlr_targeted(other, labels, targets), dlr_targeted(logits, labels, targets), rtol=1e-3, atol=1e-4
        )


def test_margin_and_ratio_are_positive_just_where_the_prediction_is_wrong() -> None:
    logits, labels = scores()
    wrong = logits.argmax(1) != labels
    assert 0 < int(wrong.sum()) < len(wrong)
    assert torch.equal(margin(logits, labels) > 0, wrong)
    assert torch.equal(dlr(logits, labels) > 0, wrong)


@pytest.mark.parametrize("logits", [[0.0] * 5, [3.0, 3.0, 3.0, 3.0, 1.0], [3.0, 3.0, 3.0, 1.0, 0.0]])
def test_equal_logits_give_numbers_and_gradients_that_are_finite(logits: list[float]) -> None:
    # Quantized logits tie; squares of gradients, too, must not overflow.
    for label in range(5):
        for loss in (dlr, lambda z, y: dlr_targeted(z, y, (y + 1) % 5)):
            z = torch.tensor([logits], requires_grad=True)
            value = loss(z, torch.tensor([label]))
            (gradient,) = torch.autograd.grad(value.sum(), z)
            assert torch.isfinite(value).all()
            assert torch.isfinite(gradient.square().sum())


def test_targets_are_the_other_classes_by_falling_logit() -> None:
    logits, labels = scores(classes=12)
    found = targets_in_order(logits, labels, 9)
    assert found.shape == (40, 9)
    for z, y, order in zip(logits.tolist(), labels.tolist(), found.tolist(), strict=True):
        assert order == sorted((place for place in range(12) if place != y), key=lambda place: -z[place])[:9]


def test_targets_of_equal_logits_come_in_the_classes_order_and_never_hold_the_label() -> None:
    assert targets_in_order(torch.zeros(1, 4), torch.tensor([1]), 9).tolist() == [[0, 2, 3]]

"""Energy of an image, in whole and beyond idling."""

import pytest

from seatrial.harness.metrics.energy import LEAST_S, energy


def test_gross_and_net_hang_together():
    found = energy(120.0, 10.0, 400, idle_watts=3.0)
    assert found.joules_per_image == pytest.approx(0.3)
    assert found.net_joules_per_image == pytest.approx((120.0 - 30.0) / 400)
    assert found.watts == pytest.approx(12.0)
    assert found.joules_per_image * (1 - 3.0 / found.watts) == pytest.approx(found.net_joules_per_image)
    assert set(found.to_dict()) == {"joules_per_image", "net_joules_per_image", "watts", "idle_watts", "images"}


def test_without_idling_there_is_no_net():
    found = energy(120.0, 10.0, 400)
    assert (found.net_joules_per_image, found.idle_watts) == (None, None)


def test_idling_above_the_work_is_shown_not_hidden():
    assert energy(10.0, 10.0, 10, idle_watts=2.0).net_joules_per_image == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("joules", "seconds", "images"),
    [
        (1.0, LEAST_S / 2, 10),
        (1.0, 2.0, 0),
        (0.0, 2.0, 10),
        (-1.0, 2.0, 10),
        (float("nan"), 2.0, 1),
        (1.0, float("nan"), 1),
    ],
)
def test_too_little_says_nothing(joules, seconds, images):
    assert energy(joules, seconds, images) is None

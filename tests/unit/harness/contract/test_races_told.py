"""A race drops candidates as it goes: the time that is left is told as if it dropped no more."""

import pytest

from seatrial.harness.contract.races import _Told
from seatrial.harness.contract.statistics import looks
from seatrial.harness.report.progress import _State

# How many of the candidates are asked up to each look at 1000 images, until a race ends: as they were on photographs
# (CIFAR-10), and with a close and a clear one.
RACES = {"photographs": (26, 20, 18, 14, 14, 7), "close": (8, 8, 8, 7, 7, 7), "clear": (26, 2)}


@pytest.mark.parametrize("name", ["photographs", "close"])
def test_the_time_that_is_left_is_right_within_a_factor_of_two_after_a_tenth_of_the_answers(name):
    alive, now = RACES[name], 0.0
    state = _State("Trying", alive[0] * 1000, "answers", lambda: now)
    told = _Told(state.update, alive[0], 1000)
    steps = looks(1000)
    widths = [stop - start for start, stop in zip([0, *steps], steps, strict=False)]
    whole = sum(count * width for count, width in zip(alive, widths, strict=True))
    for count, start, stop in zip(alive, [0, *steps], steps, strict=False):
        for image in range(start + 8, stop + 1, 8):
            now += count * 8
            told.asking(count, image)
            if whole / 10 <= now < whole:
                assert 0.5 < state.left_s() / (whole - now) <= 2, f"image {image}"
        told.asked(count, stop)
    told.over(alive[-1])
    assert state.done == whole


def test_a_race_that_ends_early_is_done_with_what_was_asked():
    said = []
    told = _Told(lambda *words: said.append(words), 26, 1000)
    for count, look in zip(RACES["clear"], looks(1000), strict=False):
        told.asking(count, look)
        told.asked(count, look)
    told.over(1)
    assert said == [
        (26 * 32, "26 of 26 left", 26 * 1000),
        (26 * 32 + 2 * 32, "2 of 26 left", 26 * 32 + 2 * 968),
        (26 * 32 + 2 * 32, "1 of 26 left", 26 * 32 + 2 * 32),
    ]

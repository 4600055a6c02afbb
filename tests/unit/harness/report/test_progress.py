"""Progress: bars for people, lines for logs."""

import io
import re
import time

import numpy as np
import pytest

from seatrial.harness.report.progress import (
    LINE_EVERY_S,
    LineProgress,
    RichProgress,
    Warnings,
    _State,
    duration,
    progress_here,
)
from seatrial.harness.typeset.terminal import Terminal


def test_progress_bars_end_where_they_should(capsys):
    with RichProgress().stage("Counting [things]", 3) as update:
        update(3, "note [x]")
    text = capsys.readouterr().err
    assert "3 of 3 images" in text
    assert "Counting [things]" in text
    assert "note [x]" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_bars_cut_nothing_off(width):
    bars = RichProgress()
    bars._console = Terminal(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with bars.stage("Making adversarial images", 76000) as update:
        update(4124, "14/16 corruption/elastic_transform@3")
        time.sleep(0.6)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bars._console.file.getvalue())
    assert "…" not in drawn
    words = " ".join(drawn.split())
    assert "Making adversarial images: 4124 of 76000 images" in words
    assert "corruption/elastic_transform@3)" in words
    assert ("━" in drawn) == (width == 200)


def test_what_is_no_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as many CI systems set it
    assert isinstance(progress_here(), LineProgress)


def test_a_log_gets_a_line_every_ten_seconds():
    assert LINE_EVERY_S == 10


def test_lines_tell_counts_and_the_time_that_is_left(capsys):
    with LineProgress(every_s=0.1).stage("Running trials", 400) as update:
        update(100, "clean\x1b[2J")
        time.sleep(0.35)
        update(400)
    *lines, last = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    for line in lines:
        assert re.fullmatch(r"Running trials: 100 of 400 images, \d+ a second, \d\.\d s left \(clean\?\[2J\)", line)
    assert re.fullmatch(r"Running trials: done, 400 images in \d\.\d s", last)


def _even(done):
    return 1.0


# Seconds of each unit of work, none of them as the next.
UNEVEN = {
    "a slow start": lambda unit: 60.0 if unit == 0 else 1.0,
    "a slow first twentieth": lambda unit: 10.0 if unit < 10 else 1.0,
    "ever slower": lambda unit: 1.0 + unit / 100,
    "ever faster": lambda unit: 1.0 / (1.0 + unit / 200),
    "cheap and costly in turn": lambda unit: (0.1, 0.2, 3.0)[unit % 3],
    "the first were there already": lambda unit: 0.0 if unit < 10 else 1.0,
    "noise": lambda unit: float(np.random.default_rng(unit).lognormal(0, 1)),
    "even": _even,
}


@pytest.mark.parametrize("work", UNEVEN)
def test_the_time_that_is_left_is_right_within_a_factor_of_two_after_a_tenth_of_the_work(work):
    total, now = 200, 0.0
    state = _State("Working", total, "images", lambda: now)
    took = [UNEVEN[work](unit) for unit in range(total)]
    for done in range(1, total):
        now += took[done - 1]
        state.update(done)
        if done >= total // 10:
            assert 0.5 < state.left_s() / sum(took[done:]) < 2 or total - done < 5, f"{done} of {total}"


def test_what_takes_longer_and_longer_without_a_word_is_not_told_as_if_it_went_on():
    now = 0.0
    state = _State("Working", 10, "steps", lambda: now)
    now = 1.0
    state.update(1)
    assert state.line() == "Working: 1 of 10 steps, 1.0 s each, 9.0 s left"
    now = 31.0
    assert state.line() == "Working: 1 of 10 steps, 31 s each, 5 min left"


def test_of_engines_and_models_none_tells_how_long_the_next_takes():
    now = 0.0
    state = _State("Building engines", 2, "engines", lambda: now)
    now = 1.0
    state.update(1, "onnxruntime/int8@cpu, building")
    assert state.line() == "Building engines: 1 of 2 engines, 1.0 s so far (onnxruntime/int8@cpu, building)"


def test_what_goes_on_although_all_is_done_has_no_rate():
    now = 0.0
    state = _State("Timing", 3, "steps", lambda: now)
    now = 30.0
    state.update(3, "round 4")
    now = 50.0
    assert state.line() == "Timing: 3 of 3 steps, 50 s so far (round 4)"
    state.over = True
    assert state.line() == "Timing: 3 of 3 steps, 17 s each, 50 s in all (round 4)"


def test_the_past_that_is_kept_does_not_grow_with_what_is_told_twice():
    state = _State("Working", 100, "units")
    for _ in range(1000):
        state.update(50)
    assert len(state._past) <= 2


def test_a_stage_that_reports_nothing_is_seen_to_live(capsys):
    with LineProgress(every_s=0.05).stage("Building engines", 2, "engines"):
        time.sleep(0.2)
    assert "Building engines: 0 of 2 engines, 0.1 s so far" in capsys.readouterr().err


def test_a_stage_within_another_is_told_with_it(capsys):
    progress = LineProgress(every_s=0.1)
    with progress.stage("Building engines", 2, "engines") as update:
        update(1, "int8")
        with progress.stage("Looking at calibration images", 400) as looked:
            looked(100)
            time.sleep(0.25)
        time.sleep(0.2)
    *lines, last = capsys.readouterr().err.splitlines()
    both = r"Building engines: 1 of 2 engines, 0\.\d s so far \(int8\)\. Looking at .*: 100 of 400 images, .* left"
    assert re.fullmatch(both, lines[0])
    assert re.fullmatch(r"Building engines: 1 of 2 engines, 0\.\d s so far \(int8\)", lines[-1])
    assert re.fullmatch(r"Building engines: done, 1 engine in 0\.\d s", last)


def test_a_stage_that_nobody_closed_ends_with_the_one_around_it(capsys):
    progress = LineProgress(every_s=0.05)
    with progress.stage("Building engines", 2, "engines"):
        left = progress.stage("Looking at calibration images", 400)
        left.__enter__()
    with progress.stage("Running trials", 3):
        left.__exit__(None, None, None)
        time.sleep(0.1)
    assert "Running trials: 0 of 3 images, 0.1 s so far" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 200])
def test_a_bar_within_another_is_gone_when_it_is_done(width):
    bars = RichProgress()
    bars._console = Terminal(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with bars.stage("Building engines", 2, "engines") as update, bars.stage("Looking at images", 400) as looked:
        update(1)
        looked(100)
        time.sleep(0.6)
    drawn = bars._console.file.getvalue()
    assert "Looking at images: 100 of 400 images" in " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).split())
    assert drawn.rindex("Looking") < drawn.rindex("Building engines: 1 of 2")
    with bars.stage("Running trials", 2) as update:
        update(2)
    after = bars._console.file.getvalue()[len(drawn) :]
    assert "Running trials: 2 of 2 images" in after
    assert "Looking" not in after


def test_a_stage_that_breaks_off_is_not_said_to_be_done(capsys):
    def interrupted():
        with LineProgress().stage("Running trials", 400) as update:
            update(7)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert re.fullmatch(r"Running trials: 7 of 400 images, not finished after \d\.\d s\n", capsys.readouterr().err)


def test_lines_hold_no_control_characters(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    progress = LineProgress(every_s=0.05)
    progress.tell("a file\rcalled \x1b[31m")
    with progress.stage("a\nb", 0) as update:
        update(1, "\x07")
        time.sleep(0.1)
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())


def test_warnings_are_told_where_no_progress_is(capsys):
    silent = Warnings()
    with silent.stage("Running trials", 3) as update:
        update(3)
    silent.tell("The disk cannot be locked.")
    assert capsys.readouterr().err == "The disk cannot be locked.\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (170, "3 min"),
        (3599, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text

"""The user's own power meter: commands that print once, print on, fail, hang, or flood."""

import os
import shlex
import sys
import threading
import time

import pytest

from seatrial.engines.machine import read_meters
from seatrial.errors import DeviceError, UsageError
from seatrial.harness.timing import power
from seatrial.harness.timing.power import PowerCommand, parse_watts


def python(code):
    return shlex.join([sys.executable, "-c", code])


@pytest.mark.parametrize(
    ("line", "watts"),
    [
        ("12.5", 12.5),
        ("12.5 W\n", 12.5),
        ("  0 ", 0.0),
        ("power: 12500 mW", 12.5),
        ("1.2e1W", 12.0),
        (".5kW", 500.0),
        ("2026-11-28T10:00:00 7", 7.0),
        ("12,5", None),
        ("1,200 W", None),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("1e999", None),
        ("12 MW", None),
        ("12 V", None),
        ("W", None),
        ("", None),
        ("0x10", None),
        ("٣", None),
    ],
)
def test_watts_stand_at_the_end_of_a_line(line, watts):
    assert parse_watts(line) == watts


def test_a_command_that_prints_once_is_run_again(tmp_path):
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x'); print('now 20 W')"
    with PowerCommand(python(code), every_s=0.05) as meter:
        times, found = [time.monotonic()], []
        while len(count.read_text()) < 4 and time.monotonic() < times[0] + 30:
            found.append(meter.joules())
            times.append(time.monotonic())
            time.sleep(0.05)
        times.append(time.monotonic())
        found.append(meter.joules())
        # Between the last clock before and the first clock after the two questions.
        assert 20 * (times[-1] - times[1]) <= found[-1] - found[0] <= 20 * (time.monotonic() - times[0])
        assert read_meters([meter]).keys() == {"power command"}
    assert len(count.read_text()) >= 4
    assert not any(thread.name == "power command" for thread in threading.enumerate())


def test_a_command_that_prints_on_is_read_as_it_prints():
    code = (
        "import time\nfor watts in (1000, 0, 0, 0, 0):\n    print(watts, flush=True); time.sleep(0.3)\ntime.sleep(600)"
    )
    with PowerCommand(python(code)) as meter:
        time.sleep(0.1)
        assert meter.joules() > 0
        until = time.monotonic() + 30
        last = -1.0
        while meter.joules() != last and time.monotonic() < until:  # it draws nothing any more
            last = meter.joules()
            time.sleep(0.5)
        assert meter.joules() == last


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("watts 'unclosed", "cannot be split into words: No closing quotation"),
        ("no-such-meter --now", "there is no command 'no-such-meter'. No shell runs it"),
    ],
)
def test_what_is_no_command_is_refused_at_once(command, says):
    with pytest.raises(UsageError) as error:
        PowerCommand(command)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("print('12,5')", r"ends and has printed no number; the last that it said: 12,5\. It must print watts"),
        (
            "raise SystemExit('no meter at \\x1b[31m/dev/ttyUSB0')",
            r"fails \(exit status 1\) .* no meter at  \[31m/dev/ttyUSB0",
        ),
        ("import os; os.abort()", r"fails \(signal 6, SIGABRT\)"),
        ("pass", r"ends and has printed no number, and nothing else \(does it keep back its output\?\)"),
        ("print(-5)", r"the last that it said: -5"),
    ],
)
def test_a_command_that_tells_no_watts_says_what_it_said(code, says):
    meter = PowerCommand(python(code))
    with pytest.raises(UsageError, match=says) as error:
        meter.start(first_s=60)
    assert "\x1b" not in str(error.value)
    assert not any(thread.name == "power command" for thread in threading.enumerate())


def test_a_command_that_hangs_is_ended():
    meter = PowerCommand(python("import time; time.sleep(600)"))
    with pytest.raises(UsageError, match=r"printed no number within 0\.3 s"):
        meter.start(first_s=0.3)
    assert not any(thread.name == "power command" for thread in threading.enumerate())


def test_an_interruption_while_it_waits_leaves_nothing_behind(tmp_path):
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    def clock():
        if pid.exists() and pid.read_text():
            raise KeyboardInterrupt
        return time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        PowerCommand(python(code), clock=clock).start(first_s=60)
    assert not any(thread.name == "power command" for thread in threading.enumerate())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_flood_is_held_up_and_read():
    with PowerCommand(python("while True: print('7 W' * 1); print('x' * 100000, end='')")) as meter:
        begin, first = time.process_time(), meter.joules()
        time.sleep(1.0)
        assert meter.joules() >= first
        assert time.process_time() - begin < 0.8


def test_a_meter_that_falls_silent_is_told_and_left_out(monkeypatch):
    monkeypatch.setattr(power, "SILENT_S", 0.2)
    now = [time.monotonic()]
    meter = PowerCommand(python("print(5, flush=True); import time; time.sleep(600)"), clock=lambda: now[0])
    threading.Thread(target=meter.start, kwargs={"first_s": 60}, daemon=True).start()
    assert meter._first.wait(60)
    assert meter.joules() == 0.0
    now[0] += 0.1
    assert meter.joules() == pytest.approx(0.5)
    now[0] += 0.2
    with pytest.raises(DeviceError, match=r"has told no watts for 0\.2 s; the last that it said: 5"):
        meter.joules()
    assert read_meters([meter]) == {}
    meter.close()

"""What a look at the machine costs beside the engines that are timed on it."""

import time

import pytest

from seatrial.engines.machine import Watch, meters, read_meters

pytestmark = pytest.mark.performance

# Of processor time: a block of queries takes a tenth of a second, and readings stand between blocks.
READING_S, METERS_S = 0.1, 0.01


def test_a_reading_and_meters_cost_little(capsys):
    one = Watch(sleep=lambda seconds: None)
    one.reading()  # opens what is opened once
    found = meters()
    read_meters(found)
    costs = []
    for look in (one.reading, lambda: read_meters(found)):
        begin = time.process_time()
        for _ in range(10):
            look()
        costs.append((time.process_time() - begin) / 10)
    for meter in found:
        meter.close()
    with capsys.disabled():
        print(f"\na reading {1e3 * costs[0]:.1f} ms, {len(found)} meters {1e3 * costs[1]:.2f} ms of processor time")
    assert costs[0] < READING_S
    assert costs[1] < METERS_S

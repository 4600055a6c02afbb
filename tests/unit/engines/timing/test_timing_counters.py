"""Counters of what a system tells, from files like those of such systems."""

import threading
import time

import pytest

from seatrial.engines.timing.counters import Snapshot, between, mhz_here, snapshot, thread_waited

STAT = "cpu  {user} 50 300 9000 20 7 3 {steal} 40 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n"
CPUINFO = "processor\t: 0\ncpu MHz\t\t: 800.000\n\nprocessor\t: 1\ncpu MHz\t\t: 2400.125\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    task = tmp_path / "proc/self/task"
    for thread, waited in (("11", 5_000_000), ("12", 7_000_000)):
        (task / thread).mkdir(parents=True)
        (task / thread / "schedstat").write_text(f"123456 {waited} 9\n")
    (tmp_path / "proc/stat").write_text(STAT.format(user=1000, steal=10))
    fields = " ".join(str(number) for number in range(4, 53)).replace("39", "1", 1)
    (tmp_path / "proc/self/stat").write_text(f"11 (a) ) name) S {fields}\n")
    return tmp_path


def test_counters_are_shares_of_the_time_between(root):
    before = snapshot(lambda: {"NVML": 100.0, "gone": 1.0}, root)
    (root / "proc/stat").write_text(STAT.format(user=1100, steal=30))
    (root / "proc/self/task/11/schedstat").write_text("1 25000000 1")
    (root / "proc/self/task/13").mkdir()
    (root / "proc/self/task/13/schedstat").write_text("1 3000000 1")
    after = snapshot(lambda: {"NVML": 107.5}, root)
    before, after = (
        Snapshot(wall, own, one.busy, one.stolen, one.waited, one.joules)
        for wall, own, one in ((10.0, 1.0, before), (12.0, 1.5, after))
    )
    found = between(before, after, ended=0.007, probe=(1, 2), memory=(3, 4), mhz=800.0)
    assert found.wall_s == pytest.approx(2)
    assert found.own == pytest.approx(0.25)
    assert found.others == pytest.approx((1.0 - 0.5) / 2)
    assert found.stolen == pytest.approx(0.1)
    assert found.waited == pytest.approx((0.02 + 0.003 + 0.007) / 2)
    assert found.joules == {"NVML": 7.5}
    assert (found.probe_ns, found.memory_ns, found.mhz) == ((1, 2), (3, 4), 800.0)


def test_a_system_that_tells_nothing_is_told_so(tmp_path):
    before = snapshot(root=tmp_path)
    found = between(before, snapshot(root=tmp_path), probe=None, memory=None, mhz=mhz_here(tmp_path))
    assert (found.others, found.stolen, found.waited, found.mhz) == (None, None, None, None)
    assert found.own is not None
    assert thread_waited(tmp_path) == 0.0


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu  a b c d e f g h\n", "intr 5\n", "cpu 1 2 3\n"])
def test_files_of_another_form_tell_nothing(root, text):
    (root / "proc/stat").write_text(text)
    for thread in ("11", "12"):
        (root / f"proc/self/task/{thread}/schedstat").write_text(text)
    found = snapshot(root=root)
    assert (found.busy, found.stolen, found.waited) == (None, None, None)


def test_the_frequency_is_that_of_the_processor_it_runs_on(root):
    (root / "proc/cpuinfo").write_text(CPUINFO)
    assert mhz_here(root) == 2400.125
    folder = root / "sys/devices/system/cpu/cpu1/cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_cur_freq").write_text("1800000\n")
    assert mhz_here(root) == 1800.0


@pytest.mark.parametrize("text", ["", "processor : x\n", "processor : 0\ncpu MHz : 800\n"])
def test_a_processor_that_is_not_listed_has_no_frequency(root, text):
    (root / "proc/cpuinfo").write_text(text)
    assert mhz_here(root) is None


def test_this_machine_counts():
    before = snapshot()
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    found = between(before, snapshot(), probe=None, memory=None, mhz=None)
    assert found.own * found.wall_s >= 0.05
    assert found.waited is None or found.waited >= 0
    thread = threading.Thread(target=thread_waited)
    thread.start()
    thread.join()

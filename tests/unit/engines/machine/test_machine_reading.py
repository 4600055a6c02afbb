"""What machines tell of themselves, read from recorded examples, and from files that lie."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machines_recorded import NAMES, machine, write

from seatrial.engines.machine import as_reading, jetson, raspberry_pi, reading
from seatrial.engines.machine import system as engines_system
from seatrial.engines.machine.container import describe_container
from seatrial.engines.machine.heat import hottest, slowed, temperatures, throttle_counts
from seatrial.engines.machine.memory import describe_memory
from seatrial.engines.machine.processor import describe_processor, parse_cores
from seatrial.engines.machine.rails import find_rails, total, watts_by_rail, whole
from seatrial.engines.machine.reading import Watch, describe
from seatrial.engines.machine.system import System, run_command

CONTRACT = {
    *("load", "cores", "affinity", "governor", "mhz", "mhz_max", "celsius", "throttled", "gpus", "jetson"),
    *("raspberry_pi", "busiest"),
}


LEAST_LOOK_S = 0.3


def watch(system):
    """Its clock is the test's: nothing waits."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    return Watch(system, run_by=100, look_s=LEAST_LOOK_S, clock=lambda: now[0], sleep=sleep)


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_machine_gives_json_with_the_same_keys(name, tmp_path):
    found = watch(machine(name, tmp_path)).reading()
    assert found.keys() >= CONTRACT
    assert found.keys() == watch(System(tmp_path / "nothing", lambda command: None)).reading().keys()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_this_machine_gives_a_reading():
    found = reading()
    assert found["cores"] == os.cpu_count()
    assert len(found["load"]) == 3
    assert as_reading(found) == found
    if hasattr(os, "sched_getaffinity"):
        assert found["affinity"] == sorted(os.sched_getaffinity(0))
    json.dumps(found, allow_nan=False)


def test_a_machine_without_files_tells_nothing_and_does_not_fail(tmp_path):
    found = describe(System(tmp_path, lambda command: None))
    told = {key: value for key, value in found.items() if value not in (None, [], {})}
    assert told.keys() == {"container", "memory"}
    assert set(told["container"].values()) == set(told["memory"].values()) == {None}


def test_a_virtual_machine_tells_clocks_without_a_governor(tmp_path):
    found = describe_processor(machine("virtual", tmp_path))
    assert found == {
        "processor": "Intel(R) Xeon(R) Processor",
        "model": None,
        "load": [0.02, 0.05, 0.01],
        "cores": 2,
        "affinity": [0, 1],
        "threads": 2,
        "governor": None,
        "driver": None,
        "mhz": [2100.0, 2100.0],
        "mhz_max": None,
        "mhz_limit": None,
        "turbo": None,
    }


def test_a_laptop_tells_governor_clocks_and_sensors(tmp_path):
    system = machine("laptop", tmp_path)
    found = describe_processor(system)
    assert (found["governor"], found["driver"], found["turbo"]) == ("powersave", "intel_pstate", True)
    assert found["mhz"] == [1896.311, 4100.0, 2800.0, 400.0]
    assert (found["mhz_max"], found["mhz_limit"]) == (4700.0, 4700.0)
    assert temperatures(system) == {
        "acpitz": 25.0,
        "acpitz 2": 20.0,
        "x86_pkg_temp": 71.0,
        "nvme Composite": 78.85,
        "coretemp Package id 0": 71.0,
        "coretemp Core 0": 68.0,
    }
    assert hottest(temperatures(system)) == ("x86_pkg_temp", 71.0), "a disk is no processor"
    # Each core counts for itself; both tell the same package.
    assert throttle_counts(system) == {"core": 12, "package": 31}
    assert slowed(system) == []
    assert describe_memory(system)["swap_used_bytes"] == (2097148 - 1572860) * 1024
    assert describe_container(system) == {"cores": None, "throttled_s": 0.0, "throttled_times": 0}


def test_cores_come_in_the_order_of_their_numbers(tmp_path):
    found = describe_processor(machine("server", tmp_path))
    assert found["mhz"] == [2450.0, 2450.001, 2450.01]
    assert (found["governor"], found["affinity"], found["turbo"]) == ("performance", [0, 2], False)


@pytest.mark.parametrize("name", ["container", "container_v1"])
def test_a_containers_limit_and_the_time_it_was_stopped(name, tmp_path):
    assert describe_container(machine(name, tmp_path)) == {"cores": 1.5, "throttled_s": 1.251, "throttled_times": 37}


def test_the_smallest_limit_of_the_groups_above_holds(tmp_path):
    write(tmp_path, "proc/self/cgroup", "0::/a.slice/b.scope\n")
    write(tmp_path, "sys/fs/cgroup/a.slice/cpu.max", "50000 100000\n")
    write(tmp_path, "sys/fs/cgroup/a.slice/b.scope/cpu.max", "400000 100000\n")
    assert describe_container(System(tmp_path, lambda command: None))["cores"] == 0.5
    write(tmp_path, "proc/self/cgroup", "0::/../../elsewhere\n")
    write(tmp_path.parent, "elsewhere/cpu.max", "1 100000\n")
    assert describe_container(System(tmp_path, lambda command: None))["cores"] is None


def test_an_orin_nano_tells_power_mode_clocks_and_rails(tmp_path):
    system = machine("jetson_orin_nano", tmp_path)
    found = describe(system)["jetson"]
    assert (found["power_mode"], found["power_mode_id"], found["jetson_clocks"]) == ("25W", 1, False)
    assert (found["gpu_mhz"], found["gpu_mhz_max"]) == (306.0, 918.0)
    assert found["rails_watts"] == pytest.approx(
        {"VDD_IN": 5.064 * 1.016, "VDD_CPU_GPU_CV": 5.064 * 0.160, "VDD_SOC": 5.056 * 0.288}
    )
    (module,) = whole(find_rails(system))
    assert (module.name, module.watts(system)) == ("VDD_IN", pytest.approx(5.145, abs=1e-3))
    assert describe(system)["throttled"] == []
    assert hottest(temperatures(system)) == ("tj-thermal", 50.531)


def test_an_agx_orin_that_is_too_hot_says_what_is_held_down(tmp_path):
    system = machine("jetson_agx_orin", tmp_path)
    found = describe(system)
    assert (found["jetson"]["power_mode"], found["jetson"]["jetson_clocks"]) == ("MAXN", True)
    assert found["throttled"] == [
        "the GPU's clock is held down to cool it (gpu-throttle-alert, step 1 of 2)",
        "the GPU's clock is held down to cool it (devfreq-17000000.ga10b, step 4 of 11)",
    ]
    assert found["celsius"] == {"CPU-therm": 98.5}, "-256 is a sensor that is off"
    module = whole(find_rails(system))
    assert [rail.name for rail in module] == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert total(system, module) == pytest.approx(19 + 9.5 + 5)
    write(tmp_path, "sys/class/hwmon/hwmon3/curr2_input", "-")
    assert total(system, module) is None, "a sum with a part missing is no sum"


def test_a_nano_with_the_old_driver_tells_rails_and_its_mode_without_the_tool(tmp_path):
    system = machine("jetson_nano", tmp_path)
    assert watts_by_rail(system) == pytest.approx({"POM_5V_IN": 2.875, "POM_5V_GPU": 0.04, "POM_5V_CPU": 0.485})
    assert [rail.name for rail in whole(find_rails(system))] == ["POM_5V_IN"]
    found = describe(system)["jetson"]
    assert (found["power_mode"], found["power_mode_id"]) == ("5W", 1)
    assert found["jetson_clocks"] is False, "by the command: the files tell no lowest clock"
    assert hottest(temperatures(system)) == ("CPU-therm", 34.0), "PMIC-Die is a constant"


def test_jetson_clocks_are_held_where_no_core_that_is_on_has_a_choice(tmp_path):
    shown = machine("jetson_agx_orin", tmp_path).run(["jetson_clocks", "--show"])
    assert jetson.parse_clocks(shown) is True
    assert jetson.parse_clocks(shown.replace("Online=0", "Online=1")) is False
    assert jetson.parse_clocks("Error: Please run as root\n") is None
    assert jetson.parse_clocks(None) is None


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("NV Power Mode: MAXN\n0\n", ("MAXN", 0)),
        ("NVPM WARN: fan mode is not set to cool\nNV Power Mode: MODE_30W_2CORE\n2\n", ("MODE_30W_2CORE", 2)),
        ("NV Power Mode: 15W", ("15W", None)),
        ("NVPM ERROR: failed to read PARAM_FILE\n", (None, None)),
        ("", (None, None)),
    ],
)
def test_power_modes_are_read(text, mode):
    assert jetson.parse_nvpmodel(text) == mode


def test_a_raspberry_pi_with_a_weak_supply_says_so(tmp_path):
    system = machine("raspberry_pi_4", tmp_path)
    found = describe(system)
    assert found["raspberry_pi"] == {
        "throttled": ["under-voltage", "throttled"],
        "since_boot": ["under-voltage", "throttled", "soft temperature limit"],
    }
    assert found["throttled"] == ["under-voltage", "throttled"]
    # The kernel shows the zone among hwmon's, too.
    assert found["celsius"] == {"cpu-thermal": 82.77}


def test_a_raspberry_pi_without_its_tool_tells_what_the_kernel_watches(tmp_path):
    system = System(machine("raspberry_pi_4", tmp_path).root, lambda command: None)
    assert raspberry_pi.describe_raspberry_pi(system) == {"throttled": ["under-voltage"], "since_boot": None}


def test_a_calm_raspberry_pi_reads_the_kernels_file(tmp_path):
    found = raspberry_pi.describe_raspberry_pi(machine("raspberry_pi_5", tmp_path))
    assert found == {"throttled": [], "since_boot": []}


@pytest.mark.parametrize(
    ("text", "bits"),
    [("throttled=0x50005\n", 0x50005), ("50005", 0x50005), ("0x0", 0), ("throttled=", None), ("-1-", None), ("", None)],
)
def test_the_firmwares_flags_are_hexadecimal(text, bits):
    assert raspberry_pi.parse(text) == bits


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("0,2-3,8", [0, 2, 3, 8]),
        ("3-1", None),
        ("0-99999999999", None),
        ("", None),
        (None, None),
        ("all", None),
    ],
)
def test_lists_of_cores(text, cores):
    assert parse_cores(text) == cores


def test_the_busiest_are_others_with_their_share_of_a_core(tmp_path):
    system = machine("virtual", tmp_path)
    one = watch(system)
    one.reading()
    before = (tmp_path / "proc/101/stat").read_text()
    ticks = os.sysconf("SC_CLK_TCK")
    # The run's own child is busy, and two others: one that is new, one that runs a script.
    write(tmp_path, "proc/101/stat", before.replace(" 300 10 ", f" {300 + ticks} 10 "))
    taken = int(0.98 * LEAST_LOOK_S * ticks)
    write(
        tmp_path,
        "proc/200/stat",
        before.replace("101 (python3) S 100", "200 (a (b) c) R 1").replace(" 300 10 ", f" {taken} 0 "),
    )
    write(
        tmp_path,
        "proc/201/stat",
        before.replace("101 (python3) S 100", "201 (python3.11) R 1").replace(" 300 10 ", " 9 0 "),
    )
    write(tmp_path, "proc/201/cmdline", "python3.11\0-u\0/home/me/train.py\0--token=secret\0")
    found = one.reading()
    assert [entry["name"] for entry in found["busiest"]] == ["a (b) c", "python3.11 train.py"]
    assert found["busiest"][0]["share"] == pytest.approx(0.98, abs=0.05)
    assert found["others"] == pytest.approx(sum(entry["share"] for entry in found["busiest"]), abs=0.01)
    assert found["busiest_s"] == LEAST_LOOK_S
    assert one.reading()["busiest"] == [], "since the last look nobody worked"


def test_looks_that_are_too_close_tell_nothing_of_others(tmp_path):
    system = machine("virtual", tmp_path)
    now = [0.0]
    one = Watch(system, run_by=100, look_s=0.0, clock=lambda: now[0])
    one.reading()
    write(tmp_path, "proc/1/stat", (tmp_path / "proc/1/stat").read_text().replace(" 794 1151 ", " 795 1151 "))
    now[0] = 0.001
    found = one.reading()
    assert (found["busiest"], found["others"], found["busiest_s"]) == (None, None, None)


def test_a_number_that_was_taken_again_is_another_process(tmp_path):
    system = machine("virtual", tmp_path)
    one = watch(system)
    one.reading()
    before = (tmp_path / "proc/1/stat").read_text()
    # Fewer ticks than before and a later start: none of the old one's time is taken off.
    write(tmp_path, "proc/1/stat", before.replace(" 794 1151 ", " 20 0 ").replace(" 11 0 5 ", " 11 0 99 "))
    assert [entry["name"] for entry in one.reading()["busiest"]] == ["systemd"]


def test_a_process_that_was_not_seen_and_has_worked_for_hours_was_there_before(tmp_path):
    system = machine("virtual", tmp_path)
    one = watch(system)
    one.reading()
    before = (tmp_path / "proc/101/stat").read_text()
    write(
        tmp_path,
        "proc/300/stat",
        before.replace("101 (python3) S 100", "300 (old) S 1").replace(" 300 10 ", " 9999999 0 "),
    )
    assert one.reading()["busiest"] == []


BURN = "while True: pass"
# A process of the run's own, which is idle, and a child of it, which is not.
OURS = "import subprocess, sys, time; subprocess.Popen([sys.executable, sys.argv[1]]); time.sleep(600)"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system shows no other processes")
def test_a_process_that_burns_beside_the_run_is_named_and_the_runs_own_is_not(tmp_path):
    for name in ("burner.py", "ours.py"):
        (tmp_path / name).write_text(BURN)
    run = subprocess.Popen([sys.executable, "-c", OURS, str(tmp_path / "ours.py")], start_new_session=True)
    burner = subprocess.Popen([sys.executable, str(tmp_path / "burner.py")], start_new_session=True)
    try:
        # Each is another's process to the other's run.
        for number, other, own in ((burner.pid, "ours.py", "burner.py"), (run.pid, "burner.py", "ours.py")):
            one, names = Watch(run_by=number, look_s=LEAST_LOOK_S), []
            for _ in range(100):  # until a loaded machine has let both begin
                names = [entry["name"].split()[-1] for entry in one.reading()["busiest"]]
                assert own not in names
                if other in names:
                    break
            assert other in names
    finally:
        for process in (run, burner):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)) * 8,
    "huge number": b"9" * 5000,
    "negative": b"-1",
    "float": b"1e309",
    "nan": b"nan nan nan",
    "long": b"x" * (3 << 20),
    "escape": b"\x1b[31mred\x1b]0;title\x07\n",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("name", NAMES)
def test_files_that_hold_something_else_are_not_believed(name, content, tmp_path):
    system = machine(name, tmp_path)
    (tmp_path / "content").write_bytes(content)
    for path in [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "content"]:
        path.unlink()
        path.hardlink_to(tmp_path / "content")
    found = watch(System(tmp_path, lambda command: content.decode(errors="replace"))).reading()
    text = json.dumps(found, allow_nan=False)
    assert "\\u001b" not in text
    assert len(text) < 20000
    assert system.nvml is None


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path):
    machine("laptop", tmp_path)
    path = tmp_path / "sys/class/thermal/thermal_zone2/temp"
    path.unlink()
    os.mkfifo(path)
    assert "x86_pkg_temp" not in temperatures(System(tmp_path, lambda command: None))


def test_commands_that_are_missing_fail_or_hang_give_nothing(tmp_path, monkeypatch):
    python = sys.executable
    assert run_command([python, "-c", "print('said')"]) == "said\n"
    assert run_command(["no-such-command-here"]) is None
    assert run_command([str(tmp_path)]) is None
    assert run_command([python, "-c", "raise SystemExit(3)"]) is None
    begin = time.monotonic()
    pid = tmp_path / "pid"
    child = (
        "import subprocess, sys, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid)!r}, 'w').write(str(other.pid))\n"
        "time.sleep(600)"
    )
    monkeypatch.setattr(engines_system, "_hung", set())
    assert run_command([python, "-c", child], 2.0) is None
    assert run_command([python, "-c", "print('said')"]) is None, "it has hung before"
    assert time.monotonic() - begin < 60
    if pid.exists():  # a loaded machine may not have come so far
        for _ in range(100):
            if not _lives(int(pid.read_text())):
                return
            time.sleep(0.1)
        pytest.fail("the command's child lives on")


def test_what_a_command_prints_without_end_is_cut(tmp_path):
    said = run_command([sys.executable, "-c", "print('x' * (3 << 20))"], 60)
    assert len(said) == 1 << 20


def _lives(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

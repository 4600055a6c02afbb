"""The same command again: intervals of the speed-up that hold their common median, no alarm where nothing disturbs, and
one where a burner runs beside.

Minutes each; one at a time: pytest -m performance -s tests/performance/test_latency_repeats.py -k overlap
SEATRIAL_PAUSE_S: seconds between the repeats, 0 unless set; 3600 has them an hour apart.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from seatrial.harness.records.timing import HERE

pytestmark = pytest.mark.performance

MODELS = {
    "cifar10_resnet20": ["--preset", "cifar10", "--data", "cifar10/test.npz", "--calib", "cifar10/calib.npz"],
    "imagenet_mobilenet_v1_075": [
        *("--preset", "imagenet-inception", "--classes", "imagenet/classes.csv"),
        *("--data", "imagenet/val", "--calib", "imagenet/calib"),
    ],
}
REPEATS, HOLD, CALM_RUNS = 5, 4, 20
# The smallest run that says something: two rounds of each target's processes, a quarter of a second each.
SHORT = ["--duration", 0.25, "--starts", 2, "--timing-budget", 0, "--end-to-end", "none"]


def measured(shared, out, name, *words):
    """summary.json and timing.json of a run as a user starts it."""
    given = [shared / "data" / word if "/" in word else word for word in MODELS[name]]
    command = ["--model", shared / f"models/{name}.onnx", *given, "--limit", 100, "--conditions", "clean", *words]
    done = subprocess.run(
        [sys.executable, ROOT / "bench.py", *map(str, command), "--out", out],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # what the gate says of 100 images is not asked
    return json.loads((out / "summary.json").read_text()), json.loads((out / "timing.json").read_text())


def int8_of(summary):
    return next(target for target in summary["targets"] if target["precision"] == "int8")


@pytest.mark.parametrize("name", MODELS)
def test_of_five_repeats_the_speed_up_intervals_overlap_their_common_median(shared, tmp_path, name):
    found = []
    for repeat in range(REPEATS):
        if repeat:
            time.sleep(float(os.environ.get("SEATRIAL_PAUSE_S", "0")))
        summary, _ = measured(shared, tmp_path / f"run{repeat}", name)
        speedup = int8_of(summary)["metrics"]["speedup"]
        low, high = speedup["ci95"]
        width = (high - low) / speedup["ratio"]
        print(
            f"\n{name}, repeat {repeat + 1}: {speedup['ratio']:.3f} ({low:.3f} to {high:.3f}, {width:.1%} wide), "
            f"{speedup['rounds']} rounds; {speedup['wide']}",
            end="",
        )
        assert low <= speedup["ratio"] <= high
        assert width <= 0.05 or speedup["wide"]
        found.append(speedup)
    middle = statistics.median(one["ratio"] for one in found)
    holding = sum(one["ci95"][0] <= middle <= one["ci95"][1] for one in found)
    print(f"\n{name}: {holding} of {REPEATS} hold the common median {middle:.3f}", end="")
    assert holding >= HOLD


def alarms(summary, timing):
    """What a run says of a disturbance, anywhere; what else it says of the machine is no alarm."""
    marks = [one for target in summary["targets"] for one in target["timed"]["marks"]]
    rounds = [one for scenario in timing["places"][HERE]["scenarios"].values() for one in scenario["rounds"]]
    return sorted(
        {one["says"] for one in marks if one["kind"] == "disturbed"}
        | {reason for one in rounds for reason in one["reasons"]}
        | {says for says in summary["machine"]["marks"] if "process" in says}
    )


def test_in_twenty_runs_without_a_burner_nothing_is_called_disturbed(shared, tmp_path):
    wrong = {}
    for run in range(CALM_RUNS):
        found = alarms(*measured(shared, tmp_path / f"run{run}", "cifar10_resnet20", *SHORT))
        print(f"\nrun {run + 1}: {'; '.join(found) or 'calm'}", end="")
        if found:
            wrong[run] = found
    assert not wrong


@contextlib.contextmanager
def burning(processes):
    """Processes that compute for nobody."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_burners_beside_the_run_are_noticed(shared, tmp_path, name, processes):
    with burning(processes):
        found = alarms(*measured(shared, tmp_path / "run", name, *SHORT))
    print(f"\n{name} beside {processes}: {found}", end="")
    assert found

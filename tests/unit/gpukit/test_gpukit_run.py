"""The kit's steps: none ends the others, they stay within their time, and what came of each is told."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from collections import Counter

import pytest
from conftest import ROOT
from gpukit import machine, process
from gpukit.__main__ import main
from gpukit.paths import slug
from gpukit.results import Done, Result, exit_status
from gpukit.run import Budget, run_steps
from gpukit.steps import Step, cpu_steps, gpu_steps
from gpukit.table import table

from seatrial.engines import ENGINES
from seatrial.engines.tensorrt.install import driver_version

CODES = {
    "passes": "print('said'); tell({'outcome': 'passed', 'why': 'found it', 'data': {'n': 1}, 'runs': []})",
    "fails": "tell({'outcome': 'failed', 'why': 'another answer', 'data': {}, 'runs': []})",
    "raises": "raise RuntimeError('no such device')",
    "crashes": "print('last words', flush=True); os.kill(os.getpid(), 11)",
    "hangs": "print('asleep', flush=True); time.sleep(60)",
    "lies": "open(os.environ['GPUKIT_RESULT'], 'w').write('[1, 2')",
    "floods": "tell({'outcome': 'passed', 'why': 'x' * 9_000_000, 'data': {'y': 'y' * 9_000_000}, 'runs': []})",
}
BEGIN = (
    "import json, os, sys, time\ntell = lambda told: open(os.environ['GPUKIT_RESULT'], 'w').write(json.dumps(told))\n"
)


def command(step):
    return [sys.executable, "-c", BEGIN + CODES[step.kind]]


@pytest.fixture
def here():
    """A machine with a GPU, as far as steps ask."""
    return machine.Machine(({"name": "GPU", "compute_capability": "8.9", "driver": "590"},), None, 13000, False, False)


@pytest.fixture
def steps_done(tmp_path, here):
    def do(*steps, seconds=None, clock=time.monotonic):
        said = []
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        done = list(run_steps(steps, here, work, Budget(seconds, clock), said.append, command))
        return done, said

    return do


def test_no_step_ends_the_others_and_each_tells_how_it_ended(steps_done, tmp_path):
    kinds = ["fails", "raises", "crashes", "lies", "floods", "passes"]
    done, said = steps_done(*(Step(kind, kind) for kind in kinds), Step("hangs", "hangs", limit_s=1))
    found = {one.name: (one.result.outcome, one.result.why) for one in done}
    assert found["fails"] == ("failed", "another answer")
    assert found["raises"] == ("failed", "exit status 1; its last output: RuntimeError: no such device")
    assert found["crashes"] == ("failed", "crashed (signal 11, SIGSEGV); its last output: last words")
    assert found["lies"][0] == found["floods"][0] == "failed"
    assert found["passes"] == ("passed", "found it")
    assert found["hangs"] == ("failed", "hangs (no end within 1 s); its last output: asleep")
    assert exit_status(done) == 1
    assert (tmp_path / "work/logs/crashes.log").read_text() == "last words\n"
    assert any("passed" in line and "found it" in line for line in said)


def test_what_is_missing_is_a_reason_and_not_a_failure(steps_done):
    done, _ = steps_done(
        Step("a tool", "passes", needs=("gpu", "trtexec")),
        Step("an installation", "passes", needs=("installing",)),
        Step("what hangs on it", "passes", after="an installation"),
        Step("on what nobody asked for", "passes", after="another"),
    )
    whys = [one.result.why for one in done]
    assert {one.result.outcome for one in done} == {"skipped"}
    assert "trtexec" in whys[0]
    assert whys[1] == "nothing is installed without --install"
    assert whys[2] == f"'an installation' skipped: {whys[1]}"
    assert whys[3] == "'another' was not asked for"
    assert exit_status(done) == 3


def test_what_the_time_does_not_allow_is_left_out_and_shorter_steps_still_run(steps_done):
    now = iter([0.0, *[100.0] * 100])
    done, _ = steps_done(
        Step("long", "passes", seconds=60), Step("short", "passes", seconds=10), seconds=120, clock=lambda: next(now)
    )
    assert [one.result.outcome for one in done] == ["skipped", "passed"]
    assert done[0].result.why == "the time did not allow it: it takes 60 s or more, and 20 s were left"
    assert exit_status(done) == 0


def test_a_step_that_is_cut_off_by_the_end_of_the_time_has_not_failed(steps_done):
    begin = time.monotonic()
    done, _ = steps_done(Step("hangs", "hangs", seconds=1), seconds=2)
    assert time.monotonic() - begin < 20
    assert done[0].result.outcome == "skipped"
    assert "the time that was given was over" in done[0].result.why


def test_a_process_is_ended_with_what_it_started_and_its_log_stays_small(tmp_path):
    code = "import subprocess, sys; subprocess.Popen(['sleep', '60']); [print('x' * 1000) for _ in range(20_000)]"
    begin = time.monotonic()
    ended = process.run(
        [sys.executable, "-c", f"{code}; import time; print('end', flush=True); time.sleep(60)"],
        tmp_path / "log",
        4,
        cwd=tmp_path,
        environment=os.environ,
    )
    assert ended.status is None
    assert time.monotonic() - begin < 20
    text = (tmp_path / "log").read_text()
    assert len(text) < 3 << 20
    assert "... left out ..." in text
    assert text.endswith("end\n")


def test_the_table_tells_every_step_and_repeats_no_reason():
    done = [
        Done("one", Result("passed", "3 tests"), 2.4),
        Done("two", Result("failed", "bell\x07 and \x1b[31m" + "w" * 2000), 1),
        *(Done(name, Result("skipped", "no GPU")) for name in ("three", "four")),
    ]
    lines = table(done).splitlines()
    assert lines[2].split() == ["one", "passed", "2", "3", "tests"]
    assert lines[-1] == "4 steps: 1 passed, 1 failed, 2 skipped"
    assert [line.split()[-1] for line in lines[-4:-2]] == ["GPU", '"']
    assert all(line.isprintable() and len(line) <= 120 for line in lines)


@pytest.mark.parametrize("steps", [gpu_steps(), cpu_steps()], ids=["gpu", "cpu"])
def test_the_steps_name_what_there_is(steps, here):
    """Tests, kinds, words, and steps before."""
    assert max(Counter(step.name for step in steps).values()) == 1
    assert max(Counter(slug(step.name) for step in steps).values()) == 1
    before = set()
    for step in steps:
        assert importlib.util.find_spec(f"gpukit.doing.{step.kind}")
        assert step.after is None or step.after in before
        assert step.seconds <= step.limit_s
        for word in step.needs:
            here.missing(word)
        if step.kind == "tests":
            for node in step.arguments:
                file, _, name = node.partition("::")
                if file.endswith(".py"):
                    tree = ast.parse((ROOT / file).read_text())
                    names = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
                    assert not name or name in names, node
        if step.kind == "target":
            engine, device, precision = step.arguments
            ENGINES[engine].check_offered(precision, device)
        before.add(step.name)


def test_every_test_for_a_gpu_is_part_of_a_step():
    chosen = {node for step in gpu_steps() for node in step.arguments if node.startswith("tests/gpu/")}
    for path in sorted((ROOT / "tests/gpu").glob("test_*.py")):
        file = path.relative_to(ROOT).as_posix()
        for one in ast.parse(path.read_text()).body:
            if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"):
                assert file in chosen or f"{file}::{one.name}" in chosen, f"{file}::{one.name}"


def kit(*arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    return subprocess.run(
        [sys.executable, "-m", "gpukit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


@pytest.mark.skipif(driver_version() is not None, reason="this machine has an NVIDIA driver")
def test_without_a_gpu_everything_is_skipped_for_that_reason_and_told(tmp_path):
    done = kit("gpu", "--minutes", "1", "--install", "--out", tmp_path / "found.zip")
    assert done.returncode == 3, done.stderr
    steps = gpu_steps()
    assert f"{len(steps)} steps: 0 passed, 0 failed, {len(steps)} skipped" in done.stdout
    assert "no NVIDIA driver: there is no libcuda.so.1" in done.stdout
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        told = json.loads(archive.read("kit.json"))
        assert [step["name"] for step in told["steps"]] == [step.name for step in steps]
        assert {"table.txt", "environment/pip-freeze.txt", "environment/nvidia-smi.txt"} <= set(archive.namelist())
    assert (told["kit"], told["minutes"], told["runs"], told["gpus"]) == ("gpu", 1.0, [], [])


def test_flags_that_cannot_be_meant_are_usage():
    for flags in (["gpu", "--minutes", "0"], ["hardware"], []):
        with pytest.raises(SystemExit) as ended:
            main(flags)
        assert ended.value.code == 2

"""Runs on boards that are cut off and killed at random moments, on either side, and go on until they are finished.

The result is that of a run that nobody disturbed, and nothing stays behind on either side. As many cuts as
SEATRIAL_CUTS says, 200 without: some twenty minutes.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml
from conftest import ROOT
from quick_timing import QUICK_TIMING
from trial_files import trials

pytestmark = pytest.mark.long

CUTS = int(os.environ.get("SEATRIAL_CUTS", "200"))
MARK = "SEATRIAL_TEST_HOST"
# Of a board that is cut off: 0 the run went on without it, 3 nothing but the reference was left.
CUT_OFF = (0, 3)


@pytest.fixture
def board_file(ssh_server, tmp_path):
    path = tmp_path / "boards.yaml"
    board = ssh_server.board("pi5")
    fields = {"ssh": list(board.ssh), "python": board.python, "lease_file": board.lease_file, "silence_s": 4}
    path.write_text(yaml.safe_dump({"pi5": fields}))
    return path


def test_a_run_that_is_cut_200_times_gives_what_an_undisturbed_one_gives(ssh_server, shared, board_file, tmp_path):
    chance = random.Random(0)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [
        *(sys.executable, ROOT / "bench.py", "--model", shared / "models/cifar10_resnet20.onnx", "--preset", "cifar10"),
        *("--data", shared / "data/cifar10/test.npz", "--calib", shared / "data/cifar10/calib.npz"),
        *("--limit", "48", "--calib-limit", "32", "--batch-size", "8", "--bits", "8", "--bits", "32"),
        *("--conditions", "clean", "--conditions", "corruption/*@3"),
        *("--board", "pi5", "--boards", board_file, "--advisory", "--wait", "30", *QUICK_TIMING),
    ]

    def start(out, token):
        environment = {**os.environ, MARK: token, "TMPDIR": str(temporary), "SEATRIAL_CACHE": str(tmp_path / "cache")}
        log = (tmp_path / "log").open("wb")
        with log:
            return subprocess.Popen([*command, "--out", out], stdout=log, stderr=log, env=environment)

    whole = tmp_path / "whole"
    assert start(whole, "whole").wait(300) == 0, (tmp_path / "log").read_text()
    begin = time.monotonic()  # once everything is made and sent: later cuts would come too late
    assert start(tmp_path / "again", "again").wait(300) == 0, (tmp_path / "log").read_text()
    lasts = time.monotonic() - begin
    expected = rows_of(whole)
    assert len({condition for _, condition in expected}) == 20

    done, out = 0, tmp_path / "run-0"
    tally: dict[str, int] = {}
    finished = 0
    while done < CUTS:
        token = f"cut-{done}"
        run = start(out, token)
        name = chance.choice(list(EVENTS))
        at = chance.uniform(0.2, lasts)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(at)
        if run.poll() is None and EVENTS[name](run, ssh_server):
            done += 1
            print(f"{done}: {name} at {at:.2f} s", flush=True)
            tally[name] = tally.get(name, 0) + 1
        status = ended(run, 120)
        log = (tmp_path / "log").read_text()
        assert status is not None, f"{name} at {at:.2f} s: the run goes on and on\n{log}"
        assert "Traceback" not in log, log
        assert status in (*CUT_OFF, -signal.SIGKILL, 130, 143), f"{name} at {at:.2f} s: {status}\n{log}"
        assert ssh_server.wait_until_empty(15) == [], f"{name} left {ssh_server.processes()} there"
        assert gone(token, 15) == [], f"{name} left processes here"
        if status == 0 and len(rows_of(out)) == len(expected):
            assert rows_of(out) == expected
            finished += 1
            out = tmp_path / f"run-{finished}"
    assert start(out, "last").wait(300) == 0, (tmp_path / "log").read_text()
    assert rows_of(out) == expected
    assert [path.name for path in temporary.iterdir()] == []
    print(f"\n{done} cuts ({tally}); {finished + 1} runs finished, each as the undisturbed one")


def ended(run, seconds):
    """Its exit status, None where it does not end."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return run.wait(seconds)
    return None


def rows_of(root):
    """(target, condition) -> the rows."""
    return {pair: table.to_pydict() for pair, table in trials(root).items()}


def gone(token, seconds):
    """What still bears the token after so many seconds: nothing, at last."""
    end = time.monotonic() + seconds
    while True:
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == token and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(process.cmdline())
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def _signalled(number):
    def send(run, server):
        run.send_signal(number)
        return True

    return send


def _client(run, server):
    return _kill(one for one in psutil.Process(run.pid).children(recursive=True) if one.name() == "ssh")


def _pythons(server):
    return [one for one in server.processes() if "-c" in one.cmdline() and "python" in one.name()]


def _agent(run, server):
    pythons = _pythons(server)
    return _kill(one for one in pythons if one.ppid() in {other.pid for other in pythons})


def _guardian(run, server):
    pythons = _pythons(server)
    return _kill(one for one in pythons if one.ppid() not in {other.pid for other in pythons})


def _engine(run, server):
    return _kill(one for one in server.processes() if "seatrial.engines.places.server" in " ".join(one.cmdline()))


def _server_side(run, server):
    # What serves the connection does not bear the mark: it is what started the first that does.
    found = server.processes()
    marked = {one.pid for one in found}
    parents = [one.parent() for one in found if one.ppid() not in marked]
    return _kill(one for one in parents if one is not None and one.name().startswith("sshd"))


def _kill(processes):
    killed = False
    with contextlib.suppress(psutil.Error):
        for process in list(processes):
            process.kill()
            killed = True
    return killed


EVENTS = {
    "the host is killed": _signalled(signal.SIGKILL),
    "the host is told to end": _signalled(signal.SIGTERM),
    "Ctrl-C": _signalled(signal.SIGINT),
    "ssh is killed": _client,
    "the connection's server is killed": _server_side,
    "the agent is killed": _agent,
    "its guardian is killed": _guardian,
    "an engine is killed": _engine,
}

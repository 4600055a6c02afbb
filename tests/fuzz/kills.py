"""python tests/fuzz/kills.py COUNT [SEED] [--kind NAME]...: runs that are killed at random moments, and go on.

The command's process, its engines, factories and makers of adversarial images get KILL, TERM, INT or HUP. Whatever was
hit: no process is left, nothing lies in the temporary folder or in /dev/shm, and the same command, given again until it
comes to its end, ends with the rows and the cache of a run that nobody disturbed.

Each command is a fork of this process, which has imported the package already: from there on it is what the command is.
"""

from __future__ import annotations

import argparse
import atexit
import collections
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
MARK = "SEATRIAL_KILLED"
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# As the command ends when it is asked to, when a target came to no end, and when nothing was the matter.
STATUSES = {0, 3, -signal.SIGKILL, 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}
_GONE_S = 30.0
_MOST_TRIES = 60

_FACTORY = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(8, 4)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

def net():
    return Net()
"""


def kinds(root: Path) -> dict[str, list[str]]:
    """Kind of run -> its flags, less --out."""
    from conftest import make_folders, make_model

    make_model(root / "m.onnx")
    (root / "net.py").write_text(_FACTORY)
    make_folders(root / "test", images=6)
    make_folders(root / "calib", images=4, seed=1)
    for part in range(8):  # class folders of several levels, and many images in a batch's order
        make_folders(root / "parts" / str(part), images=6, seed=100 + part)
    for label in range(4):
        (root / f"many/class{label}").mkdir(parents=True)
        for part in range(8):
            (root / f"parts/{part}/class{label}").rename(root / f"many/class{label}/part-{part}")
    common = ["--size", "16", "--advisory", "--batch-size", "4"]
    own = ["--model", str(root / "m.onnx"), "--data", str(root / "test"), *common]
    calib = ["--calib", str(root / "calib")]
    return {
        "plain": [
            *own,
            "--bits",
            "32",
            "--engine",
            "openvino",
            "--conditions",
            "clean",
            "--conditions",
            "corruption/*@3",
        ],
        "calibrated": [*own, *calib, "--bits", "8", "--conditions", "clean", "--conditions", "corruption/fog@*"],
        "attacked": [
            *own,
            *calib,
            "--bits",
            "8",
            "--conditions",
            "clean",
            "--conditions",
            "attack/fgsm-linf@8+qdq",
            "--conditions",
            "attack/pgd-linf@8",
        ],
        "factory": [
            "--model",
            f"{root / 'net.py'}:net",
            "--data",
            str(root / "test"),
            *common,
            *calib,
            "--bits",
            "8",
            "--conditions",
            "clean",
            "--conditions",
            "corruption/fog@3",
        ],
        "sharded": [
            "--model",
            str(root / "m.onnx"),
            "--data",
            str(root / "many"),
            *common,
            *calib,
            "--bits",
            "8",
            "--conditions",
            "clean",
            "--conditions",
            "corruption/gaussian_noise@*",
        ],
    }


class Runs:
    """The runs of one kind in a folder, and what an undisturbed one gave."""

    def __init__(self, folder: Path, flags: list[str]) -> None:
        self._folder, self._flags, self._count = folder, flags, 0
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        begin = time.monotonic()
        status = self.wait(self.start("whole"), "whole", 600)
        assert status == 0, self.log()
        self.lasts_s = time.monotonic() - begin
        self.expected, self.kept = self.rows("whole"), self.cached("whole")

    def start(self, name: str) -> int:
        """The command's process, whose own it bears in the environment of all that it starts."""
        self._count += 1
        pid = os.fork()
        if pid:
            return pid
        status = 4
        try:
            status = self._command(name)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)

    def _command(self, name: str) -> int:
        os.setsid()
        atexit._clear()  # what the command does at its end is its own
        weakref.finalize._registry.clear()  # type: ignore[attr-defined]
        weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
        log = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ.update(
            {
                MARK: self.token(name),
                "TMPDIR": str(self.temporary),
                "SEATRIAL_CACHE": str(self._folder / f"cache-{name}"),
            }
        )
        tempfile.tempdir = None
        sys.argv = ["seatrial", *self._flags, "--out", str(self._folder / name)]
        from seatrial.__main__ import main

        status = main()
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        return status

    def token(self, name: str) -> str:
        """What all processes of a run's command bear."""
        return f"{self._folder}/{name}/{self._count}"

    def wait(self, pid: int, name: str, seconds: float) -> int:
        """Its status, as subprocess tells it; AssertionError where it does not end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"{name} does not end within {seconds:g} s:\n{self.log()}")

    def log(self) -> str:
        """What the last command wrote."""
        return (self._folder / "log").read_text(errors="replace")

    def rows(self, name: str) -> dict[Any, Any]:
        """Of the trials, and of what is known of adversarial images, by target and condition."""
        from trial_files import trials

        found: dict[Any, Any] = {}
        for part in ("trials", "attacks"):
            if (self._folder / name / part).is_dir():
                for key, table in trials(self._folder / name, part).items():
                    found[(part, *key)] = table.to_pydict()
        return found

    def cached(self, name: str) -> set[str]:
        """The entries of the cache."""
        root = self._folder / f"cache-{name}"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def of(self, name: str) -> list[psutil.Process]:
        """What this command's process has started, and that has, wherever it is now."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.token(name) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def left(self, name: str) -> list[str]:
        """Processes that are there after a while, and files that lie about."""
        end = time.monotonic() + _GONE_S
        while (left := self.of(name)) and time.monotonic() < end:
            time.sleep(0.05)
        return [*(" ".join(one.cmdline()[-3:])[:300] for one in left), *map(str, self.temporary.iterdir()), *_shared()]

    def forget(self, name: str) -> None:
        """Removes a run that was compared."""
        shutil.rmtree(self._folder / name)
        shutil.rmtree(self._folder / f"cache-{name}")


def _shared() -> list[str]:
    """What lies in /dev/shm, where that is this process's own."""
    return sorted(map(str, Path("/dev/shm").iterdir())) if os.environ.get("SEATRIAL_OWN_SHM") else []


def what_is(process: psutil.Process) -> str:
    """engine, factory, or another name of a process that a run has started."""
    words = " ".join(process.cmdline())
    for module, name in (("torch_sources", "factory"), ("places.server", "engine"), ("attack", "attack maker")):
        if module in words:
            return "attack maker" if name == "engine" and "pytorch" in words else name
    return "other"


def disturb(runs: Runs, name: str, pid: int, chance: random.Random) -> str | None:
    """Sends a signal to the command or to what it has started; what it hit, None where that was gone already."""
    number = chance.choice(SIGNALS)
    others = runs.of(name)
    with contextlib.suppress(ProcessLookupError, psutil.Error):
        if chance.random() < 0.5 or not others:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return None
            os.kill(pid, number)
            return f"command {signal.Signals(number).name}"
        hit = chance.choice(others)
        said = f"{what_is(hit)} {signal.Signals(number).name}"
        hit.send_signal(number)
        return said
    return None


def kill(runs: Runs, count: int, chance: random.Random) -> collections.Counter[str]:
    """What was hit, and how often, in so many hits; AssertionError for anything that is not as it should be."""
    found: collections.Counter[str] = collections.Counter()
    number = tries = 0
    while found.total() - found["finished"] < count:
        name = f"run-{number}"
        pid = runs.start(name)
        hit = None
        if tries < _MOST_TRIES:
            time.sleep(chance.uniform(0.05, runs.lasts_s))
            hit = disturb(runs, name, pid, chance)
        if hit is not None:
            found[hit] += 1
        status, tries = runs.wait(pid, name, 600), tries + 1
        said = f"{hit}: status {status}\n{runs.log()}"
        assert "Traceback" not in said, said
        # A factory is the user's own code: where it crashes, the model cannot be read.
        assert status in STATUSES or (status == 2 and str(hit).startswith("factory")), said
        left = runs.left(name)
        if status == -signal.SIGKILL:  # nobody is there to tidy up: the next command does
            left = [one for one in left if not one.startswith(str(runs.temporary))]
        assert not left, f"{said}\nleft: {left}"
        if status == 0 and runs.rows(name).keys() == runs.expected.keys():
            assert runs.rows(name) == runs.expected, said
            assert runs.cached(name) == runs.kept, runs.cached(name) ^ runs.kept
            runs.forget(name)
            found["finished"] += 1
            number, tries = number + 1, 0
    return found


def kill_all(root: Path, count: int, seed: int, only: list[str]) -> Iterator[tuple[str, collections.Counter[str]]]:
    """Kind of run -> what was hit."""
    _import()
    asked = {name: flags for name, flags in kinds(root).items() if not only or name in only}
    for index, (name, flags) in enumerate(asked.items()):
        share = count * (index + 1) // len(asked) - count * index // len(asked)
        yield name, kill(Runs(root / name, flags), share, random.Random(f"{seed} {name}"))


def _import() -> None:
    """What every command imports, once."""
    from quick_timing import time_quickly

    import seatrial.harness.command.printed
    import seatrial.harness.command.run
    import seatrial.harness.run.run  # noqa: F401

    time_quickly()


def main() -> int:
    """The command."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--kind", action="append", default=[])
    asked = parser.parse_args()
    if not os.environ.get("SEATRIAL_OWN_SHM") and shutil.which("unshare") and os.geteuid() == 0:
        inside = 'mount -t tmpfs none /dev/shm && SEATRIAL_OWN_SHM=1 exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", inside, "sh", sys.executable, *sys.argv]
        return subprocess.run(words, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        total = finished = 0
        for name, found in kill_all(Path(folder), asked.count, asked.seed, asked.kind):
            hits = {what: number for what, number in sorted(found.items()) if what != "finished"}
            total, finished = total + sum(hits.values()), finished + found["finished"]
            print(f"{name}: {sum(hits.values())} kills, {found['finished']} runs finished: {hits}", flush=True)
        print(f"{total} kills, {finished} runs finished, each as the undisturbed one")
    return 0


if __name__ == "__main__":
    sys.exit(main())

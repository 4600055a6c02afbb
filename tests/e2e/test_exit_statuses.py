"""The exit status says what happened, whatever becomes of the command's streams and whoever ends it."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, bench, make_folders, make_model
from quick_timing import QUICK_TIMING

from seatrial.__main__ import main


def shell(command, **more):
    """Runs a command line of a shell, in which $BENCH is the command."""
    bench = f"'{sys.executable}' '{ROOT / 'bench.py'}'"
    line = command.replace("$BENCH", bench)
    options = {"timeout": 120, **more}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, **options)


NO_MODEL = "There is no model 'nothing'"


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        ("$BENCH --version", 0, ""),
        ("$BENCH --version >/dev/full", 2, "Cannot write to standard output: No space left on device."),
        ("$BENCH --help >/dev/full", 2, "Cannot write to standard output: No space left on device."),
        ("$BENCH --version >&-", 2, "Cannot write to standard output: Bad file descriptor."),
        ("$BENCH --model nothing 2>/dev/full", 2, ""),
        ("$BENCH --model nothing <&- >&- 2>&-", 2, ""),
        ("$BENCH --model nothing >/dev/full", 2, NO_MODEL),
        ("$BENCH trial - --out x <&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(command, status, says, tmp_path):
    done = shell(command, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(("words", "status"), [("--version", 0), ("--model nothing 2>&1", 2)])
def test_a_reader_that_leaves_changes_no_status(words, status):
    done = shell(f"$BENCH {words} | true; echo ${{PIPESTATUS[0]}}")
    assert done.stdout == f"{status}\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["--out run --dry-run", "runs", "report run", "doctor --out answer.json", "diff a b"])
def test_a_folder_that_is_gone_is_told(words, tmp_path):
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; $BENCH {words}", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("seatrial: ")
    assert done.stderr.count("\n") == 1


def test_work_without_standard_streams_is_whole(tmp_path):
    """What is opened first would become one of them: an engine's input, or the file that is being written."""
    make_model(tmp_path / "m.onnx")
    make_folders(tmp_path / "calib", images=3, seed=1)
    words = ["build", "--model", "m.onnx", "--calib", "calib", "--size", "16"]
    done = shell(f"$BENCH {' '.join(words)} --out bare.onnx <&- >/dev/null 2>&-", cwd=tmp_path)
    assert done.returncode == 0
    assert bench([*words[:2], tmp_path / "m.onnx", "--calib", tmp_path / "calib", *words[5:], "--out", tmp_path / "m"])
    assert (tmp_path / "bare.onnx").read_bytes() == (tmp_path / "m").read_bytes()


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")],
)
def test_whoever_ends_it_while_it_begins_or_works_is_told_so(number, status, says, tmp_path):
    for wait_s in (0.4, 1.2):
        process = begin(["doctor"])
        time.sleep(wait_s)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == status, (wait_s, errors)
        assert says in errors
        assert "Traceback" not in errors


def test_what_was_ignored_stays_ignored():
    process = begin(["--version"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    for _ in range(5):
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_second_signal_later_ends_what_does_not_end(tmp_path):
    code = (
        "import sys, time; from seatrial import signals\n"
        "signals.listen()\n"
        "try:\n    print('listens', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('closes', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline() == "listens\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "closes\n"
    process.send_signal(signal.SIGTERM)  # the same once more
    time.sleep(1.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_while_a_finaliser_runs_is_obeyed_behind_it(number):
    code = (
        "import sys, time; from seatrial import signals\n"
        "class Slow:\n    def __del__(self):\n        print('begins', flush=True)\n        time.sleep(0.5)\n"
        "signals.listen()\n"
        "try:\n    slow = Slow(); del slow; time.sleep(60); print('slept', flush=True)\n"
        "except KeyboardInterrupt:\n    print('closes', signals.asked(), flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout.readline() == "begins\n"
    process.send_signal(number)
    said, error = process.communicate(timeout=30)
    assert (said, error, process.returncode) == (f"closes {int(number)}\n", "", 0)


def test_sys_exit_in_a_part_of_the_run_is_no_passed_gate(monkeypatch, capsys):
    monkeypatch.setattr("seatrial.harness.run.run.run", lambda *_: sys.exit(0))
    assert main([]) == 4
    assert "SystemExit: 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (OSError(errno.EMFILE, "Too many open files", "x"), 2, "ulimit -n"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "xx"), 2, "xx: File name too long."),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "Cannot allocate memory."),
        (FileNotFoundError(errno.ENOENT, "No such file", b"x\xff\x1b"), 2, "No such file."),
        (RuntimeError("can't start new thread"), 2, "can't start new thread: memory ran out"),
        (RuntimeError("of ours"), 4, "Please report it"),
        (MemoryError("of 9 GiB"), 2, "memory ran out (of 9 GiB)"),
        (ImportError("failed to map segment", name="pyarrow._compute"), 3, "pyarrow._compute does not import"),
        (ImportError("cannot import name", name="seatrial.x"), 4, "Please report it"),
        (OSError("of ours"), 4, "Please report it"),
        (ValueError("\x1b[31m"), 4, "ValueError: ?[31m"),
    ],
)
def test_what_the_system_refuses_is_no_fault_of_ours(monkeypatch, capsys, error, status, says):
    def refuse(*_):
        raise error

    monkeypatch.setattr("seatrial.harness.run.run.run", refuse)
    assert main([]) == status
    written = capsys.readouterr().err
    assert says in written
    assert ("Traceback" in written) == (status == 4)
    assert "\x1b" not in written


@pytest.mark.long
@pytest.mark.parametrize(
    "limit", [*(f"-n {count}" for count in range(4, 24)), *(f"-v {mib << 10}" for mib in range(150, 1200, 50))]
)
def test_few_descriptors_and_little_memory_end_with_words(limit, tmp_path):
    make_model(tmp_path / "m.onnx")
    make_folders(tmp_path / "test", images=3)
    words = "--model m.onnx --data test --size 16 --bits 32 --conditions clean --advisory --out run"
    done = shell(f"ulimit {limit}; $BENCH {words} {' '.join(QUICK_TIMING)}", cwd=tmp_path, timeout=3600)
    # Below what Python itself needs, the loader or the interpreter says so.
    started = "seatrial" in done.stderr or done.returncode == 0
    assert not started or done.returncode in (0, 2, 3), (done.returncode, done.stderr[-2000:])
    assert "fault of seatrial's own" not in done.stderr


def begin(words, **more):
    return subprocess.Popen(
        [sys.executable, ROOT / "bench.py", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        **more,
    )


def test_windows_is_told_what_to_do_before_anything_is_imported():
    script = "import sys; from seatrial.__main__ import main; sys.platform = 'win32'; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert "WSL 2" in done.stderr

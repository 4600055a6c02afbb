"""Runs that are killed at random moments go on, and leave nothing behind: SEATRIAL_KILLS of them, hours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

KILLS = int(os.environ.get("SEATRIAL_KILLS", "1000"))


@pytest.mark.long
def test_killed_runs_end_as_undisturbed_ones_and_leave_nothing():
    """In a process of its own, which forks and has nothing of pytest's."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    words = [sys.executable, str(Path(__file__).with_name("kills.py")), str(KILLS)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-5000:]
    assert f"{KILLS} kills" in done.stdout

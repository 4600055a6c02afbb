"""TF32 is off before CUDA's libraries can read otherwise, and what was set or loaded before is told."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from seatrial.engines import tf32

ASK = "from seatrial.engines import tf32; print(*tf32.switch_off(), sep='\\n'); import ctypes; "
# As a library in C sees it.
SEEN = "c = ctypes.CDLL(None); c.getenv.restype = ctypes.c_char_p; print(c.getenv(b'NVIDIA_TF32_OVERRIDE'))"


def said(code, **environment):
    kept = {name: value for name, value in os.environ.items() if name != tf32.VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
    )
    return done.stdout.strip().splitlines()


@pytest.mark.parametrize("environment", [{}, {"NVIDIA_TF32_OVERRIDE": "0"}])
def test_it_is_off_for_libraries_in_c_and_nothing_is_to_be_told(environment):
    assert said(ASK + SEEN, **environment) == ["b'0'"]


def test_what_was_set_otherwise_is_overruled_and_told():
    told, seen = said(ASK + SEEN, NVIDIA_TF32_OVERRIDE="1")
    assert told == "NVIDIA_TF32_OVERRIDE was '1': it is '0' for this engine, whose float32 is to be float32."
    assert seen == "b'0'"


@pytest.fixture
def library(tmp_path):
    """A library that lies in memory by the name of one of CUDA's."""
    maps = Path("/proc/self/maps")
    found = re.search(r"(/\S*/libm[.-]\S*)$", maps.read_text() if maps.exists() else "", re.MULTILINE)
    if found is None:
        pytest.skip("this system does not tell what is loaded")
    copy = tmp_path / "libcublasLt.so.13"
    copy.write_bytes(Path(found[1]).read_bytes())
    return f"import ctypes; ctypes.CDLL({str(copy)!r}); "


def test_a_library_that_was_there_first_is_told_of(library):
    (told,) = said(library + ASK)
    assert told.startswith("libcublasLt.so.13 had been loaded before TF32 was switched off")
    assert "Set NVIDIA_TF32_OVERRIDE=0 before Python starts." in told


def test_a_library_that_read_0_itself_is_no_trouble(library):
    assert said(library + ASK, NVIDIA_TF32_OVERRIDE="0") == []

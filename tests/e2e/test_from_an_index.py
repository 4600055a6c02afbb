"""What an index would have: a source archive that builds a wheel, and the wheel installed with its extra."""

import os
import subprocess
import sys
import tarfile

import pytest
from conftest import ROOT
from quick_timing import QUICK_TIMING

pytestmark = pytest.mark.long


def run(*command, cwd, **environment):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder as `--extra-index-url` takes it: simple/seatrial/ with the wheel, made of the source archive alone."""
    folder = tmp_path_factory.mktemp("index")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    (archive,) = folder.glob("seatrial-*.tar.gz")
    with tarfile.open(archive) as opened:
        assert not [name for name in opened.getnames() if "__pycache__" in name or "/.venv" in name]
        opened.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    simple = folder / "simple/seatrial"
    simple.mkdir(parents=True)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", simple, source, cwd=folder)
    (wheel,) = simple.iterdir()
    (simple / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    return simple.parent


def test_the_package_installs_with_its_extra_and_runs_the_demo(index, tmp_path):
    there = tmp_path / "venv"
    run(sys.executable, "-m", "venv", there, cwd=tmp_path)
    python = there / "bin/python"
    constraints = ["--constraint", ROOT / "constraints.txt"]
    install = [python, "-m", "pip", "install", "--quiet", "--extra-index-url", index.as_uri(), *constraints]
    run(*install, "seatrial[cpu]", cwd=tmp_path)
    out = run(
        *(there / "bin/seatrial", "--limit", 8, "--conditions", "clean", "--out", "run", *QUICK_TIMING),
        cwd=tmp_path,
        PYTHONPATH="",
        SEATRIAL_CACHE=str(tmp_path / "cache"),
    )
    assert "onnxruntime/int8@cpu" in out
    assert (tmp_path / "run/report.html").is_file()

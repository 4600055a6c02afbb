"""What is installed: one package, which other people's folders of our rooms' names leave alone."""

import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT
from quick_timing import QUICK_TIMING


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that holds what the wheel installs, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    made = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("seatrial-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_there_is_one_package_with_all_rooms(site):
    assert {path.name.partition("-")[0] for path in site.iterdir()} == {"seatrial"}
    for source in ("harness", "engines", "calib", "exporters"):
        here = {path.relative_to(ROOT) for path in (ROOT / source).rglob("*.py")}
        there = {path.relative_to(site / "seatrial") for path in (site / "seatrial" / source).rglob("*.py")}
        assert there == here
    (entries,) = site.glob("*.dist-info/entry_points.txt")
    assert "seatrial = seatrial.__main__:main" in entries.read_text()


@pytest.mark.parametrize("installed", [True, False], ids=["installed", "checkout"])
def test_the_demo_runs_beside_folders_of_the_same_names(site, tmp_path, installed):
    for name in ("engines", "harness", "calib", "exporters", "bench"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('somebody else')\n")
    command = ["-m", "seatrial"] if installed else [str(ROOT / "bench.py")]
    environment = {**os.environ, "PYTHONPATH": str(site if installed else tmp_path)}
    done = subprocess.run(
        [sys.executable, *command, "--limit", "8", "--conditions", "clean", "--out", "run", *QUICK_TIMING],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "onnxruntime/int8@cpu" in done.stdout
    assert (tmp_path / "run/report.html").is_file()

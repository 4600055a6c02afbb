"""What single steps make of what they find: reports of pytest, trtexec's words, drivers, private facts."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT
from gpukit import environment
from gpukit.doing import install, trtexec
from gpukit.doing.tests import read_junit

from seatrial.engines.tensorrt import install as where
from seatrial.errors import UnsupportedError

TESTS = """
import pytest

class Library:
    library = "PyCUDA"

@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-rtx"])
def test_of_an_engine(name):
    assert name == "tensorrt"

@pytest.mark.parametrize("cuda", [Library], ids=["PyCUDA"])
def test_of_a_package(cuda):
    pytest.skip("no GPU through PyCUDA: 100")
"""


DO = """
import sys
from pathlib import Path
from gpukit.doing.tests import do
work, tests, settings = map(Path, sys.argv[1:])
for only in ("tensorrt", "tensorrt-rtx", "PyCUDA", "cuda-python"):
    found = do(work, only, str(tests), "--only", only, "-c", str(settings))
    print(f"FOUND {found.outcome}: {found.why}")
"""


def test_tests_are_chosen_by_their_parameter_and_their_report_is_read(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-c", DO, tmp_path, tmp_path / "test_some.py", tmp_path / "pytest.ini"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
    )
    passed, failed, skipped, none = (line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    assert passed == "FOUND passed: 1 tests"
    assert failed.startswith("FOUND failed: 1 of 1 tests: test_of_an_engine[tensorrt-rtx]: AssertionError")
    assert skipped == "FOUND skipped: no GPU through PyCUDA: 100"
    assert none == "FOUND failed: no test was found: a name has changed"


def test_a_module_that_is_skipped_whole_tells_its_reason():
    text = """<testsuite><testcase name="tests.gpu.test_x"><skipped type="pytest.skip" message="collection skipped">
      ('/p/test_x.py', 11, "Skipped: could not import 'torch': No module")</skipped></testcase></testsuite>"""
    assert read_junit(text).why == "could not import 'torch': No module"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v8501] # trtexec", (8, 5, 1)),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec", (10, 3, 0)),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec", (10, 13, 3)),
        ("trtexec: not found", None),
    ],
)
def test_trtexec_tells_its_version(said, version):
    assert trtexec.version_of(said) == version


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """A trtexec that says this, and the result of the target that it is compared with."""
    monkeypatch.setattr(trtexec, "installed_version", lambda module: "10.13.3.9")
    for folder in ("work/results", "work/profiles", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "work/results/tensorrt-int8-cuda.json").write_text(
        '{"data": {"phases_ms": {"compute": {"p50": 0.105}}}}'
    )

    def make(median, version="v101303"):
        path = tmp_path / "bin/trtexec"
        path.write_text(
            f"#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT {version}] # trtexec'\n"
            "echo '[I] Latency: min = 0.1 ms, max = 0.2 ms, mean = 0.12 ms, median = 0.5 ms'\n"
            f"echo '[I] GPU Compute Time: min = 0.1 ms, max = 0.2 ms, mean = 0.12 ms, median = {median} ms, "
            "percentile(90%) = 0.13 ms'\n"
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
        return trtexec.do(tmp_path / "work", "trtexec: int8", "tensorrt", "int8")

    return make


def test_the_median_is_held_against_trtexecs(tool):
    assert tool("0.1").outcome == "passed"
    assert tool("0.1").data == {"ours_ms": 0.105, "trtexec_ms": 0.1}
    apart = tool("0.2")
    assert apart.outcome == "failed"
    assert apart.why == "0.1050 ms here, 0.2000 ms by trtexec: more than 10% apart"


def test_another_versions_trtexec_is_not_compared_with(tool):
    with pytest.raises(UnsupportedError, match=r"of TensorRT 10\.3\.0, the plan of 10\.13"):
        tool("0.1", version="v100300")


def test_what_pip_brings_goes_by_the_driver(monkeypatch):
    def bring(what, driver):
        monkeypatch.setattr(where, "driver_version", lambda: driver)
        monkeypatch.setattr(install, "driver_version", lambda: driver)
        return install.requirements(what)

    assert bring("tensorrt", 13000) == ["tensorrt>=10.13"]
    assert bring("tensorrt", 12060) == ["tensorrt-cu12>=10.3,<11"]
    assert bring("cuda", 13000) == ["cuda-python>=12.6", "nvidia-ml-py>=13"]
    assert bring("cuda", 12060)[0] == "cuda-python>=12.6,<13"
    assert bring("tensorrt-rtx", 13000) == ["tensorrt-rtx>=1.7"]
    for what in ("tensorrt-rtx", "torch"):
        with pytest.raises(UnsupportedError, match=r"driver is of CUDA 12\.6, and the packages of"):
            bring(what, 12060)


def test_a_systems_own_tensorrt_is_not_installed_over(tmp_path, monkeypatch):
    (tmp_path / "usr/lib/python3/dist-packages/tensorrt").mkdir(parents=True)
    monkeypatch.setattr(where, "driver_version", lambda: 13000)
    assert where.tensorrt_requirement(tmp_path) is None
    assert where.tensorrt_requirement(tmp_path / "elsewhere") == "tensorrt>=10.13"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36")
    assert where.cuda_requirement(tmp_path) == "cuda-python>=12.6,<13"


def test_what_tells_one_gpu_from_another_stays_here():
    text = "    Product Name                          : NVIDIA L4\n    Serial Number  : 1654\n    GPU UUID : GPU-0a\n"
    text += "        Process ID : 4\n            Name                              : /home/me/secret\n"
    kept = environment.without_private(text)
    assert "NVIDIA L4" in kept
    assert not any(word in kept for word in ("1654", "GPU-0a", "secret"))

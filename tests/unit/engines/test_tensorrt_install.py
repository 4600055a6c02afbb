"""Where TensorRT comes from: a JetPack, a Debian package, an older driver, or PyPI."""

import sys

import pytest

from seatrial.engines import ENGINES
from seatrial.engines.tensorrt import install
from seatrial.engines.tensorrt.dla import check_dla_version
from seatrial.engines.tensorrt.versions import numbers
from seatrial.errors import UnsupportedError

OWN = f"usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/dist-packages/tensorrt"


@pytest.fixture
def driver(monkeypatch):
    """The CUDA version of the driver."""
    return lambda version: monkeypatch.setattr(install, "driver_version", lambda: version)


def test_jetpacks_own_is_seen_through_an_environment_that_looks_at_the_system(tmp_path, driver):
    driver(12060)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3")
    missing = install.install_line(tmp_path)
    assert missing.startswith("sudo apt-get install python3-libnvinfer, then python3 -m venv --system-site-packages")
    (tmp_path / OWN).mkdir(parents=True)
    there = install.install_line(tmp_path)
    assert there.startswith(
        "python3 -m venv --system-site-packages .venv and, in it, pip install 'cuda-python>=12.6,<13'"
    )
    assert str(tmp_path / OWN) in there


def test_an_older_driver_takes_tensorrt_of_its_cuda(tmp_path, driver):
    driver(12060)
    assert install.install_line(tmp_path).startswith("pip install 'tensorrt-cu12>=10.3,<11'")
    for version in (13000, None):
        driver(version)
        assert install.install_line(tmp_path) == "pip install 'seatrial[trt]'"


def test_the_engine_says_so_where_it_is_missing(driver):
    driver(12060)
    assert "tensorrt-cu12" in str(ENGINES["tensorrt"].not_installed())


@pytest.mark.parametrize(
    ("version", "fp16", "int8"),
    [
        ("10.3.0", True, False),
        ("10.7.0.23", True, False),
        ("10.8.0.43", False, False),
        ("11.0.0", False, False),
        ("11.4.0.106", False, False),
        ("11.4.1.2", True, True),
        ("12.0", True, True),
    ],
)
def test_dla_is_offered_by_version_and_precision(version, fp16, int8):
    for precision, offered in (("fp16", fp16), ("int8", int8)):
        if offered:
            check_dla_version(version, precision)
        else:
            with pytest.raises(UnsupportedError, match=f"TensorRT {version} does not build {precision} for DLA: "):
                check_dla_version(version, precision)


def test_a_version_in_numbers():
    assert numbers("10.13.3.9.post1") == (10, 13, 3, 9)
    assert numbers("unknown") == (0,)

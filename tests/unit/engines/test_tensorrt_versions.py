"""The version of TensorRT is read from whichever package brought it, and only imported where none tells."""

import importlib
import importlib.util
import sys

import pytest

from seatrial.engines.tensorrt.versions import installed_version


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a module `tensorrt` of a version, and packages as (name, version)."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorrt"]:
        monkeypatch.delitem(sys.modules, name)

    def make(version, *packages):
        (tmp_path / "tensorrt").mkdir()
        source = f"import pathlib\n__version__ = {version!r}\npathlib.Path(__file__).with_name('imported').touch()\n"
        (tmp_path / "tensorrt/__init__.py").write_text(source)
        for name, number in packages:
            info = tmp_path / f"{name}-{number}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        importlib.invalidate_caches()
        return tmp_path / "tensorrt/imported"

    yield make
    sys.modules.pop("tensorrt", None)


@pytest.mark.parametrize(
    "packages",
    [
        [("tensorrt", "11.4.0.106")],
        [("tensorrt_cu12", "11.4.0.106")],
        [("tensorrt_cu13", "11.4.0.106"), ("tensorrt_cu13_bindings", "11.4.0.106")],
        [("tensorrt", "11.4.0.106"), ("tensorrt_cu13", "11.4.0.106")],
    ],
    ids=["the wheel or Debian's", "for CUDA 12", "for CUDA 13 and its bindings", "the wheel that chooses"],
)
def test_a_package_tells_and_nothing_is_imported(install, packages):
    imported = install("11.4.0.106", *packages)
    assert installed_version("tensorrt") == "11.4.0.106"
    assert not imported.exists()


@pytest.mark.parametrize("packages", [[], [("tensorrt_cu12", "10.13.3"), ("tensorrt_cu13", "11.4.0")]])
def test_without_one_answer_the_module_tells(install, packages):
    imported = install("10.13.3", *packages)
    assert installed_version("tensorrt") == "10.13.3"
    assert imported.exists()


def test_what_is_not_installed_has_no_version():
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed in this environment")
    assert installed_version("tensorrt") is None

"""A package that is missing is told from one that is there and broken: with real packages that break on import."""

import doctest
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT, bench_process

from seatrial import packages
from seatrial.errors import EXIT_UNAVAILABLE
from seatrial.packages import PackageError, need

INSTALL = "pip install 'seatrial[some]'"


def package(folder, name, body, version="1.2.3", distribution=None):
    """Installs a package of one module, metadata and all, as pip would."""
    distribution = distribution or name
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(body)
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "top_level.txt").write_text(f"{name}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(module):
    with pytest.raises(PackageError) as caught:
        need(module, "The test", INSTALL)
    assert caught.value.exit_code == EXIT_UNAVAILABLE
    return str(caught.value), caught.value.mend


def test_the_examples_hold():
    found = doctest.testmod(packages)
    assert found.attempted
    assert not found.failed


def test_what_works_is_imported(site):
    package(site, "sound_part", "answer = 42")
    assert need("sound_part", "The test", INSTALL).answer == 42


@pytest.mark.parametrize("module", ["absent_part", "absent_part.inner"])
def test_what_is_missing_gets_its_install_line(module):
    said, mend = refusal(module)
    assert said == f"The test needs absent_part, which is not installed. Install it: {INSTALL}"
    assert mend == INSTALL


def test_a_namespace_that_others_share_does_not_make_a_package_be_there(site):
    (site / "shared_space" / "of_others").mkdir(parents=True)
    (site / "shared_space" / "of_others" / "__init__.py").write_text("")
    assert refusal("shared_space.part")[0].startswith("The test needs shared_space.part, which is not installed.")


def test_a_part_that_a_package_should_have_is_no_missing_package(site):
    package(site, "half_part", "")
    said, _ = refusal("half_part.inner")
    assert "half_part 1.2.3, which is installed but does not import" in said


@pytest.mark.parametrize("raised", ["RuntimeError", "OSError", "ImportError", "AttributeError"])
def test_what_is_broken_says_so_whatever_it_raises(site, raised):
    package(site, "broken_part", f"raise {raised}('built for\\n another machine')", distribution="broken-part")
    assert refusal("broken_part") == (
        f"The test needs broken_part 1.2.3, which is installed but does not import: {raised}: built for another "
        "machine. Mend it: pip install --upgrade --force-reinstall --no-deps broken-part",
        "pip install --upgrade --force-reinstall --no-deps broken-part",
    )


def test_a_missing_requirement_is_named_and_comes_with_the_features_line(site):
    package(site, "outer_part", "import absent_requirement.inner")
    said, mend = refusal("outer_part")
    assert "outer_part 1.2.3, which is installed but does not import: it needs absent_requirement, which is not" in said
    assert mend == INSTALL


def test_the_package_in_which_the_fault_lies_is_the_one_to_mend(site):
    package(site, "outer_part", "import inner_part")
    package(site, "inner_part", "raise ValueError('numpy.dtype size changed')", version="7.0")
    said, mend = refusal("outer_part")
    assert "outer_part 1.2.3, which is installed (beside inner_part 7.0) but does not import: ValueError" in said
    assert mend.endswith(" inner_part")


@pytest.mark.parametrize(
    ("inner", "mends"),
    [("raise OSError('libinner.so')", "--no-deps inner_part"), ("import absent_requirement", INSTALL)],
)
def test_a_fault_that_a_package_wraps_is_still_found(site, inner, mends):
    body = (
        "try:\n    import inner_part\nexcept Exception as error:\n    raise ImportError('take our extra') from error\n"
    )
    package(site, "outer_part", body)
    package(site, "inner_part", inner)
    assert refusal("outer_part")[1].endswith(mends)


@pytest.mark.parametrize(
    ("torch", "line"),
    [
        ("2.9.1+cu128", "'torchvision==0.24.*' --index-url https://download.pytorch.org/whl/cu128"),
        ("2.10.0", "'torchvision==0.25.*'"),
        ("2.13.0+cpu", "'torchvision==0.28.*' --index-url https://download.pytorch.org/whl/cpu"),
    ],
)
def test_torchvision_comes_from_where_its_pytorch_came(site, torch, line):
    """As timm does with PyPI's torchvision beside a PyTorch for the CPU."""
    package(site, "timm", "import torchvision", version="1.0.31")
    package(site, "torchvision", "import torch; torch.library()", version="0.1")
    body = "def library():\n    raise RuntimeError('operator torchvision::nms does not exist')\n"
    package(site, "torch", body, version=torch)
    code = "from seatrial.packages import need; need('timm', 'The test', 'pip install it')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}:{ROOT}"},
    )
    last = done.stderr.strip().splitlines()[-1]
    assert f"timm 1.0.31, which is installed (beside torchvision 0.1, torch {torch}) but does not import" in last
    assert last.endswith(f"Mend it: pip install --force-reinstall --no-deps {line}")


def test_the_command_and_the_doctor_tell_it(tmp_path):
    for name in ("timm", "simplejpeg"):
        package(tmp_path, name, "raise RuntimeError('built for another machine')", version="9.9")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    done = bench_process(["export", "--model", "timm:resnet18", "--out", tmp_path / "m.onnx"], env=environment)
    assert done.returncode == EXIT_UNAVAILABLE
    told = "timm 9.9, which is installed but does not import: RuntimeError: built for another machine"
    mend = "pip install --upgrade --force-reinstall --no-deps timm"
    assert f"{told}. Mend it: {mend}" in done.stderr
    done = bench_process(["doctor", "--json"], env=environment)
    found = {one["feature"]: one for one in json.loads(done.stdout)["packages"]}
    timm = found["--model timm:NAME"]
    if not timm["missing"]:  # of PyTorch
        assert timm["broken"] == {"timm": told}
        assert (timm["usable"], timm["install"]) == (False, mend)
    turbojpeg = found["decoders turbojpeg*"]
    assert not turbojpeg["usable"]
    assert turbojpeg["missing"] == []
    assert "built for another machine" in turbojpeg["broken"]["simplejpeg"]
    assert found["filters torch-*"]["broken"] == {}

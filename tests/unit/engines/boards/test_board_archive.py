"""What is sent to a board runs there with nothing else, and is the same bytes everywhere."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import seatrial
from seatrial.engines.boards.archive import archive


@pytest.fixture
def unpacked(tmp_path):
    with zipfile.ZipFile(io.BytesIO(archive().content)) as content:
        content.extractall(tmp_path / "there")
    return tmp_path / "there"


def alone(folder, script, *packages):
    return subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(folder), *map(str, packages)])},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


def test_it_holds_sources_of_engines_and_agent_and_nothing_of_the_harness():
    with zipfile.ZipFile(io.BytesIO(archive().content)) as content:
        names = content.namelist()
    assert names == sorted(names)
    assert {name.split("/")[1] for name in names if name.count("/") > 1} == {"agent", "engines"}
    assert all(name.startswith("seatrial/") and name.endswith(".py") for name in names)
    assert {"seatrial/errors.py", "seatrial/agent/main.py", "seatrial/engines/places/server.py"} <= set(names)
    assert len(archive().content) < 1 << 20


def test_every_module_that_it_imports_of_ours_is_in_it(unpacked):
    script = (
        "import pkgutil, importlib, seatrial; "
        "[importlib.import_module(name) for name in ['seatrial.agent.main', 'seatrial.engines.places.server', "
        "'seatrial.engines.onnxruntime', 'seatrial.engines.openvino', 'seatrial.engines.null', "
        "'seatrial.engines.machine', 'seatrial.engines.timing.service']]; print(seatrial.__file__)"
    )
    done = alone(unpacked, script, Path(np.__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(unpacked)


def test_the_agent_needs_the_standard_library_alone(unpacked):
    script = (
        "import pkgutil, importlib, sys, seatrial.agent as agent; "
        "names = [one.name for one in pkgutil.iter_modules(agent.__path__) if one.name != 'boot']; "
        "[importlib.import_module(f'seatrial.agent.{name}') for name in names]; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = alone(unpacked, script)
    assert done.stdout.strip() == "['__main__', 'seatrial']", done.stderr


def test_it_does_not_depend_on_when_and_by_whom_files_were_written(tmp_path):
    copy = tmp_path / "seatrial"
    shutil.copytree(Path(seatrial.__path__[0]), copy, ignore=shutil.ignore_patterns("__pycache__", "harness", "calib"))
    for file in copy.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    script = "from seatrial.engines.boards.archive import archive; print(archive().digest)"
    site = Path(np.__file__).parent.parent
    assert alone(tmp_path, script, site).stdout.strip() == alone(ROOT, script, site).stdout.strip() == archive().digest

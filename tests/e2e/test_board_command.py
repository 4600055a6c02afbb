"""`bench.py board` and `doctor --board`, over a real ssh to a home where nothing is yet."""

import ensurepip
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import bench

from seatrial.engines.boards.connection import Connection
from seatrial.engines.boards.lease import hold

ENVIRONMENT = ".local/share/seatrial/venv"


def write_wheel(folder, name, version):
    """A package of one empty module."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """All that this machine's pip finds: pip itself, and packages that are there in name."""
    folder = tmp_path_factory.mktemp("index")
    bundled = Path(ensurepip.__file__).parent / "_bundled"
    pip = next(bundled.glob("pip-*.whl"), None) or next(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    shutil.copy(pip, folder)
    write_wheel(folder, "numpy", "9.1")
    write_wheel(folder, "sample", "1.0")
    return folder


@pytest.fixture(scope="module")
def boards(ssh_server, index, tmp_path_factory):
    """A file of boards. The one that is new has a home of its own, and a pip that asks no index."""
    home = ssh_server.home
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/pip/pip.conf").write_text("[global]\nno-index = true\nfind-links =\n")
    common = {"ssh": ["-F", str(ssh_server.config)], "lease_file": str(ssh_server.folder / "lease")}
    path = tmp_path_factory.mktemp("boards") / "boards.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "new": {**common, "engines": ["null"]},
                "whole": {**common, "python": sys.executable},
                "off": {**common, "ssh": [*common["ssh"], "-p", "1"]},
            }
        )
    )
    yield path
    shutil.rmtree(home / ".config")
    shutil.rmtree(home / ".local", ignore_errors=True)


def board(boards, index, *words):
    return bench(["board", *words, "--boards", boards], PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index), COLUMNS="80")


def test_a_board_is_set_up_without_a_network_there_then_has_all_and_gives_all_back(ssh_server, boards, index):
    made = ssh_server.home / ENVIRONMENT
    base = ["--python", sys.executable]
    dry = board(boards, index, "setup", "new", "--dry-run", *base)
    assert dry.returncode == 0, dry.stderr
    assert "Board new would get numpy>=1.26." in dry.stdout
    assert not made.exists()

    done = board(boards, index, "setup", "new", "--package", "sample==1.0", "--json", *base)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "reaches no package index" in done.stderr
    assert (found["did"], found["fetched_here"]) == ("installed", True)
    assert found["changed"] == {"numpy": "9.1", "sample": "1.0"}
    assert found["sent_bytes"] == sum(path.stat().st_size for path in index.iterdir())
    assert (made / "bin/python").exists()
    assert not list((ssh_server.home / ".cache/seatrial").glob("wheels-*"))

    again = board(boards, index, "setup", "new", "--package", "sample==1.0")  # by its own Python, from now on
    assert again.returncode == 0, again.stderr
    assert "has all of it" in again.stdout
    file = yaml.safe_load(boards.read_text())["new"]
    with Connection(ssh_server.board("new", python=None, lease_file=file["lease_file"])) as connection:
        assert connection.hello["executable"] == str(made / "bin/python")

    back = board(boards, index, "setup", "new", "--remove", *base)
    assert back.returncode == 0, back.stderr
    assert not made.parent.exists()
    assert not (ssh_server.home / ".cache/seatrial").exists()


def test_what_is_not_to_be_had_is_said_and_leaves_no_half_environment_in_use(ssh_server, boards, index):
    base = ["--python", sys.executable, "--offline"]
    done = board(boards, index, "setup", "new", "--package", "no-such-package", *base)
    assert done.returncode == 3
    assert "no wheels of" in done.stderr
    assert "no-such-package" in done.stderr
    assert not (ssh_server.home / ENVIRONMENT / "seatrial.json").exists()


def test_a_python_of_its_own_is_left_alone(boards, index):
    done = board(boards, index, "setup", "whole")
    assert done.returncode == 2
    assert "installs nothing into it" in done.stderr


def test_a_check_says_what_is_there_and_what_the_link_gives(boards, index):
    done = board(boards, index, "check", "whole", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    assert found["usable"]
    assert not found["problems"]
    assert abs(found["clock_ahead_s"]) < 5
    assert 0 < found["link"]["round_trip_ms"] < 500
    assert min(found["link"]["up_mb_s"], found["link"]["down_mb_s"]) > 0.5
    engine = next(one for one in found["engines"] if one["name"] == "onnxruntime")
    assert {"fp32", "int8"} <= set(engine["on"]["cpu"]["precisions"])
    assert found["machine_state"]["cores"] == os.cpu_count()


def test_a_check_fits_into_80_columns(boards, index):
    done = board(boards, index, "check", "whole")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Board whole can be used.\n")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_board_that_lacks_its_engines_cannot_be_used_and_the_way_is_told(boards, index):
    done = board(boards, index, "check", "new")
    lacking = "null: " in done.stdout  # where the system's own Python has no NumPy
    assert done.returncode == (3 if lacking else 0)
    assert ("bench.py board setup new" in done.stdout) is lacking


def test_a_board_that_another_holds_is_not_disturbed(ssh_server, boards, index):
    file = yaml.safe_load(boards.read_text())["whole"]
    with Connection(ssh_server.board("whole", lease_file=file["lease_file"])) as other:
        hold(other, 0)
        checked = board(boards, index, "check", "whole", "--json")
        asked = bench(["doctor", "--board", "whole", "--boards", boards])
    assert checked.returncode == asked.returncode == 3
    found = json.loads(checked.stdout)
    assert (found["usable"], found["free"]) == (False, False)
    assert "is held by" in found["problems"][0]
    assert "engines" not in found
    assert "is held by" in asked.stderr


def test_boards_are_listed_and_asked_only_on_demand(boards, index):
    done = board(boards, index, "list")
    assert done.returncode == 0
    assert [word in done.stdout for word in ("new", "whole", "off", "answers")] == [True, True, True, False]
    probed = board(boards, index, "list", "whole", "off", "--probe", "--json")
    assert probed.returncode == 3
    found = {one["name"]: one for one in json.loads(probed.stdout)["boards"]}
    assert (found["whole"]["answers"], found["off"]["answers"]) == (True, False)
    assert "Connection refused" in found["off"]["problem"]


def test_the_doctor_looks_at_a_board(boards):
    done = bench(["doctor", "--board", "whole", "--boards", boards, "--engine", "onnxruntime", "--json"])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["board"] == "whole"
    assert [one["name"] for one in found["engines"]] == ["onnxruntime"]
    assert found["engines"][0]["usable"]
    assert found["machine"]["memory_bytes"] > 0
    assert found["packages"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["setup"], "takes the name of one board"),
        (["check", "a", "b"], "takes the name of one board"),
        (["check", "whole", "--offline"], "belongs to `board setup`"),
        (["setup", "whole", "--probe"], "belongs to `board list`"),
        (["mend", "whole"], "is not among setup, check, list"),
        (["check", "-oProxyCommand=x"], "unrecognized arguments"),
        (["check", "whole", "--timeout", "0"], "must be above 0"),
        (["setup", "new", "--engine", "tensort"], "Did you mean 'tensorrt'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(boards, index, words, says):
    done = board(boards, index, *words)
    assert done.returncode == 2
    assert says in done.stderr

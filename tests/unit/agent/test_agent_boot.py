from __future__ import annotations

import ast
import os
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from agent_host import AgentHost, archive, digest, left_of

from seatrial import __version__
from seatrial.agent import boot, command


def agents(home: Path) -> Path:
    return home / ".cache" / "seatrial" / "agents"


def test_what_the_host_looks_for_is_what_the_board_writes():
    assert command.MAGIC == boot.MAGIC


def test_the_first_run_takes_the_archive_and_the_second_finds_it(tmp_path):
    for have in (False, True):
        with AgentHost(tmp_path) as host:
            assert [line.get("have") for line in host.lines] == [have, None]
            assert host.hello["digest"] == digest(archive())
            assert host.hello["seatrial"] == __version__
            assert host.hello["uid"] == os.getuid()
            assert host.leave() == 0
    assert not left_of(tmp_path)
    folder = agents(tmp_path) / digest(archive())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.glob("seatrial/agent/__pycache__/supervisor.*.pyc"))


@pytest.mark.parametrize("what", ["changed", "removed", "added", "linked", "manifest"])
def test_a_damaged_archive_is_replaced(tmp_path, what):
    with AgentHost(tmp_path):
        pass
    folder = agents(tmp_path) / digest(archive())
    source = folder / "seatrial" / "errors.py"
    if what == "changed":
        source.write_text(source.read_text() + "\n1 / 0\n")
    elif what == "removed":
        source.unlink()
    elif what == "added":
        (folder / "seatrial" / "json.py").write_text("")
    elif what == "linked":
        content = source.read_text()
        source.unlink()
        (tmp_path / "elsewhere.py").write_text(content)
        source.symlink_to(tmp_path / "elsewhere.py")
    else:
        (folder / "manifest").write_text("{}")
    with AgentHost(tmp_path) as host:
        assert [line.get("have") for line in host.lines] == [False, None]
        assert host.started
    assert not list(agents(tmp_path).glob(".tmp-*"))
    with AgentHost(tmp_path) as host:
        assert host.lines[0]["have"]


def test_an_archive_with_another_hash_is_not_run(tmp_path):
    with AgentHost(tmp_path, claims="0" * 64) as host:
        assert host.lines[-1] == {
            "started": False,
            "says": "What arrived is not what was sent: its SHA-256 is another.",
        }
        assert host.leave() == 0
    assert not list(agents(tmp_path).iterdir())


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/evil.py", "evil.py", "seatrial/evil.so"])
def test_an_archive_writes_nowhere_else(tmp_path, name):
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as stream:
        stream.writestr(name, "")
    with AgentHost(tmp_path, content=content.getvalue()) as host:
        assert not host.started
        assert "The archive holds" in host.lines[-1]["says"]
    assert not list(tmp_path.rglob("evil*"))


def test_what_is_no_archive_is_told(tmp_path):
    with AgentHost(tmp_path, content=b"no zip") as host:
        assert not host.started
        assert "The archive is none" in host.lines[-1]["says"]


def test_an_archive_without_an_agent_is_told(tmp_path):
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as stream:
        stream.writestr("seatrial/__init__.py", "")
    with AgentHost(tmp_path, content=content.getvalue()) as host:
        assert host.lines[-1]["says"] == "ModuleNotFoundError: No module named 'seatrial.agent'"


def test_what_a_start_up_file_prints_is_told_apart(tmp_path):
    with AgentHost(tmp_path, before="printf 'Welcome to the board!\\nno line end'") as host:
        assert host.started
        assert host.noise.startswith(b"Welcome to the board!\nno line end\n")


def test_a_python_that_is_too_old_says_so(tmp_path):
    # The boot's text, as an old Python would take it: nothing of it may be newer than that.
    old = tmp_path / "python"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 8, 10); $1"\n')
    old.chmod(0o755)
    with AgentHost(tmp_path, python=str(old)) as host:
        assert not host.started
        assert "is Python 3.8.10, and seatrial needs 3.10 or newer." in host.lines[-1]["says"]
        assert host.leave() == 0


def test_the_boot_is_understood_by_any_python_3():
    ast.parse(Path(boot.__file__).read_text(encoding="ascii"), feature_version=(3, 4))


def test_python_alone_is_enough_for_the_agent(tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with AgentHost(tmp_path, python=str(bare)) as host:
        assert host.ask("lease", wait_s=0)["held"]


def test_a_folder_of_others_is_not_used(tmp_path):
    agents(tmp_path).mkdir(parents=True)
    agents(tmp_path).chmod(0o777)
    with AgentHost(tmp_path) as host:
        assert not host.started
        assert "others may write there" in host.lines[-1]["says"]


def test_the_folder_that_the_command_runs_in_lends_no_modules(tmp_path):
    (tmp_path / "json.py").write_text("1 / 0")
    (tmp_path / "fcntl.py").write_text("1 / 0")
    with AgentHost(tmp_path, before=f"cd '{tmp_path}'") as host:
        assert host.started


def test_old_archives_go_but_not_those_in_use(tmp_path):
    def other(number: int) -> bytes:
        content = BytesIO(archive())
        with zipfile.ZipFile(content, "a") as stream:
            stream.writestr(f"seatrial/other{number}.py", "")
        return content.getvalue()

    others = [other(number) for number in range(4)]
    with AgentHost(tmp_path) as first:
        for content in others:
            with AgentHost(tmp_path, content=content) as host:
                assert host.started
        kept = {path.name for path in agents(tmp_path).iterdir()}
        assert kept == {digest(archive()), *map(digest, others[1:])}
        assert first.ask("lease", wait_s=0)["held"]


@pytest.mark.parametrize("python", [None, "~/bin/py thon", "/opt/it's/python"])
def test_the_command_is_one_line_that_any_shell_takes(python):
    text = command.remote(python)
    assert not set(text) & set("\n\\!`")


def test_without_a_python_of_its_own_the_systems_is_taken(tmp_path):
    with AgentHost(tmp_path, python=None) as host:
        assert Path(host.lines[0]["executable"]).name.startswith("python3")
    own = tmp_path / ".local/share/seatrial/venv/bin/python"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    own.chmod(0o755)
    with AgentHost(tmp_path, python=None) as host:
        assert host.lines[0]["executable"] == sys.executable

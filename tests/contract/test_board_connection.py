"""Boards that are reached, and those that are not: what is said of a host key, of a login, of what answers there."""

import contextlib
import json
import stat
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from seatrial import __version__
from seatrial.agent import frames
from seatrial.engines.boards import Board, connection, lease
from seatrial.engines.boards.connection import AskRefusedError, Connection
from seatrial.engines.boards.places import Places
from seatrial.engines.boards.ssh import UnreachableError
from seatrial.errors import DeviceError, UnsupportedError

# What plays a board leaves when the host hangs up.
_PLAYED = """
import os, sys

def wait():
    while os.read(0, 1 << 16):
        pass

"""


def children():
    found = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [one] if one.name() == "ssh" else []
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left(ssh_server):
    before = {one.pid for one in children()} | {one.pid for one in ssh_server.processes()}
    yield
    assert ssh_server.wait_until_empty(10) == []
    assert {one.pid for one in children()} <= before


def plays(ssh_server, tmp_path, text):
    """A board whose Python is something else."""
    script = ssh_server.folder / f"plays-{tmp_path.name}"
    script.write_text(f"#!{sys.executable}\n{_PLAYED}" + textwrap.dedent(text))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return ssh_server.board("pi5", python=str(script))


def refusal(board, kind=UnsupportedError):
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        Connection(board)
    assert time.monotonic() - began < 20
    return str(caught.value)


def test_a_host_key_that_has_changed_is_refused_before_anything_is_sent(ssh_server, tmp_path):
    known = ssh_server.known_hosts.read_text()
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    name = known.split()[0]
    ssh_server.known_hosts.write_text(f"{name} {' '.join(other.with_suffix('.pub').read_text().split()[:2])}\n")
    try:
        says = refusal(ssh_server.board("pi5"))
    finally:
        ssh_server.known_hosts.write_text(known)
    assert "Board pi5: its host key is not the one that is known" in says


def test_a_host_key_that_nobody_has_seen_is_refused_with_the_command_that_shows_it(ssh_server, tmp_path):
    board = ssh_server.board("pi5", ssh=("-F", str(ssh_server.config), "-o", f"UserKnownHostsFile={tmp_path}/none"))
    says = refusal(board)
    assert f"its host key is not known here. Nothing was sent. {''}" in says
    assert f"ssh -F {ssh_server.config} -o UserKnownHostsFile={tmp_path}/none -- pi5" in says


def test_a_key_that_is_not_let_in_is_told(ssh_server, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    board = ssh_server.board("pi5", ssh=("-i", str(key), "-F", str(ssh_server.config), "-o", f"IdentityFile={key}"))
    config = tmp_path / "config"
    config.write_text(ssh_server.config.read_text().replace(str(ssh_server.folder / "user"), str(key)))
    says = refusal(ssh_server.board("pi5", ssh=("-F", str(config))))
    assert "Board pi5: ssh was not let in" in says
    assert "Permission denied (publickey)" in says
    del board


def test_an_alias_that_is_not_there_is_told(tmp_path):
    config = tmp_path / "config"
    config.write_text("")
    says = refusal(Board("no-such-board", ssh=("-F", str(config))), UnreachableError)
    assert "there is no such host" in says
    config.write_text("Nonsense yes\n")
    assert "configuration is refused" in refusal(Board("pi5", ssh=("-F", str(config))))


def test_a_port_that_nobody_listens_on_is_told(ssh_server):
    says = refusal(ssh_server.board("pi5", ssh=("-p", "1", "-F", str(ssh_server.config))), UnreachableError)
    assert "it is there, and refuses connections" in says


@pytest.mark.parametrize("python", ["/no/such/python", "/etc/passwd", "~/python 3"])
def test_a_board_without_python_is_told(ssh_server, python):
    says = refusal(ssh_server.board("pi5", python=python))
    assert f"Board pi5 has no Python at {python}" in says
    assert "board setup pi5" in says


def test_a_python_that_is_too_old_is_told(ssh_server, tmp_path):
    board = plays(
        ssh_server,
        tmp_path,
        """
        sys.version_info = (3, 8, 10)
        exec(sys.argv[2])
        """,
    )
    assert "is Python 3.8.10, and seatrial needs 3.10 or newer" in refusal(board)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("os.write(1, os.urandom(1 << 20))", "answers otherwise than a board"),
        ("os.write(1, b'x' * (1 << 20)); wait()", "it prints, and does not begin"),
        ("print('Welcome to pi5', flush=True); sys.exit('lost power')", "lost power\n    Welcome to pi5"),
        ("sys.exit(3)", "ssh ended with exit status 3"),
        ("os.write(1, b'seatrial boot [1]\\n'); wait()", "JSON that is no object"),
        ("os.write(1, b'seatrial boot {\\n'); wait()", "Expecting property name"),
        ("os.write(1, b'seatrial boot ' + b'[' * 60000 + b'\\n'); wait()", "nested too deep"),
        ("os.write(1, b'seatrial boot {}\\nseatrial boot {}\\n'); wait()", "does not say why"),
        ('os.write(1, b\'seatrial boot {"says": "\\\\u001b[2J\\\\u0007"}\\n\'); wait()', "Board pi5: ?[2J?"),
        (
            "os.write(1, b'seatrial boot {}\\nseatrial boot {\"started\": true}\\n' + b'\\xff' * 9); wait()",
            "a frame of kind 255",
        ),
        (
            "os.write(1, b'seatrial boot {}\\nseatrial boot {\"started\": true}\\n' + b'\\2' + b'\\0' * 8); wait()",
            "its first frame is of kind 2, and no hello",
        ),
        (
            "os.write(1, b'seatrial boot {}\\nseatrial boot {\"started\": true}\\n\\1\\0\\0\\0\\0' + "
            'b\'\\x1a\\0\\0\\0{"agent":9,"seatrial":"7"}\'); wait()',
            "seatrial 7 (agent 9) runs there, and seatrial",
        ),
    ],
)
def test_what_answers_otherwise_than_a_board_is_told(ssh_server, tmp_path, text, says):
    assert says in refusal(plays(ssh_server, tmp_path, text), (DeviceError, UnsupportedError))


def test_a_board_that_never_says_hello_is_given_up(ssh_server, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "BEGIN_S", 1.5)
    says = refusal(plays(ssh_server, tmp_path, "wait()"), UnreachableError)
    assert "Board pi5: ssh did not answer in time" in says


def test_a_board_that_lives_and_answers_nothing_is_given_up(ssh_server, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "_PATIENCE_S", 1.0)
    hello = json.dumps({"agent": frames.AGENT, "seatrial": __version__}).encode()
    beats = f"""
        import select
        os.write(1, b'seatrial boot {{}}\\nseatrial boot {{"started": true}}\\n')
        os.write(1, {frames.head(frames.HELLO, len(hello)) + hello!r})
        while select.select([0], [], [], 0.2) != ([0], [], []) or os.read(0, 1 << 16):
            os.write(1, {frames.head(frames.BEAT, 0)!r})
        """
    board = plays(ssh_server, tmp_path, beats)
    with Places({"pi5": board}) as places, pytest.raises(DeviceError, match="pi5 did not answer 'lease' within 1 s"):
        places.of("pi5")


def test_a_board_that_floods_is_given_up(ssh_server, tmp_path):
    hello = json.dumps({"agent": frames.AGENT, "seatrial": __version__}).encode()
    floods = f"""
        os.write(1, b'seatrial boot {{}}\\nseatrial boot {{"started": true}}\\n')
        os.write(1, {frames.head(frames.HELLO, len(hello)) + hello!r})
        while True:
            os.write(1, os.urandom(1 << 16))
        """
    with (
        Connection(plays(ssh_server, tmp_path, floods)) as connection,
        pytest.raises(DeviceError, match="Board pi5 was cut off: it sent what no board sends"),
    ):
        connection.ask("lease", wait_s=0)


def test_nothing_is_started_by_who_does_not_hold_the_board(ssh_server):
    with Connection(ssh_server.board("pi5")) as connection:
        handles = psutil.Process().num_fds()
        for _ in range(3):
            with pytest.raises(AskRefusedError, match="Board pi5: ") as caught:
                connection.start(2, None)
            assert caught.value.kind == "no lease"
        connection.ask("lease", wait_s=0)
        assert psutil.Process().num_fds() <= handles

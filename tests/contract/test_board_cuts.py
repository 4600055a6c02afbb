"""A board that is lost ends nothing but its own engines, and nothing stays behind on either side."""

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import psutil
import pytest
from boards import SshServer, server_folder
from conftest import ROOT
from small_disk import fill, small_disk

from seatrial.engines.boards import archive
from seatrial.engines.boards.archive import Archive
from seatrial.engines.boards.connection import AskRefusedError, Connection
from seatrial.engines.boards.places import Places
from seatrial.engines.boards.ssh import UnreachableError
from seatrial.engines.places import build
from seatrial.errors import DeviceError, EngineDiedError, UnsupportedError

_SEES_SLOWLY_S = 10


def agent_of(server):
    """The Python of the board whose parent, its guardian, is one, too."""
    pythons = [one for one in server.processes() if "-c" in one.cmdline() and "python" in one.name()]
    return next(one for one in pythons if one.parent() in pythons)


def test_a_run_that_is_killed_leaves_nothing(ssh_server, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
            import numpy as np, unruly_engines
            from conftest import make_model
            from pathlib import Path
            from seatrial.engines import BuildRequest
            from seatrial.engines.boards import Board
            from seatrial.engines.boards.places import Places
            from seatrial.engines.places import build
            python = {ssh_server.wrapper(PYTHONPATH=str(ROOT / "tests"))!r}
            lease = {str(ssh_server.folder / "lease")!r}
            board = Board("pi5", ssh=("-F", {str(ssh_server.config)!r}), python=python, lease_file=lease)
            model = make_model(Path({str(tmp_path / "model.onnx")!r}))
            place = Places({{"pi5": board}}).of("pi5")
            engine = build("sleeps", BuildRequest(model.read_bytes(), "input", "logits", (3, 16, 16), 4), place=place)
            print("asks", flush=True)
            engine.infer(np.zeros((6, 3, 16, 16), np.float32))
            """
        )
    )
    run = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "asks\n"
    (ssh,) = [one for one in psutil.Process(run.pid).children() if one.name() == "ssh"]
    time.sleep(0.3)
    assert ssh_server.processes()
    run.kill()
    run.communicate()
    assert ssh_server.wait_until_empty(10) == []
    ssh.wait(10)
    with Places({"pi5": ssh_server.board("pi5")}) as places:  # nobody holds it
        places.of("pi5")


def test_a_board_that_stops_to_speak_is_given_up(ssh_server, request_small, batch):
    with Places({"pi5": ssh_server.board("pi5", silence_s=1.5)}) as places:
        engine = build("onnxruntime", request_small, place=places.of("pi5"))
        time.sleep(2)  # beats alone keep it
        assert engine.infer(batch).shape == (6, 4)
        agent = agent_of(ssh_server)
        agent.suspend()
        began = time.monotonic()
        with pytest.raises(
            EngineDiedError, match=r"at board pi5 was cut off: no word came from it for 1\.5 s"
        ) as caught:
            engine.infer(batch)
        assert 1 < time.monotonic() - began < 5
        assert caught.value.outcome == "cut off"
        engine.close()
        agent.resume()
    assert ssh_server.wait_until_empty(10) == []


def test_an_agent_that_is_killed_takes_its_engines_along(ssh_server, request_small, batch):
    with Places({"pi5": ssh_server.board("pi5")}) as places:
        engine = build("onnxruntime", request_small, place=places.of("pi5"))
        agent_of(ssh_server).kill()
        with pytest.raises(EngineDiedError, match="at board pi5 was cut off: ssh ended"):
            engine.infer(batch)
        engine.close()
        assert ssh_server.wait_until_empty(10) == []


@contextlib.contextmanager
def link_to_a_namespace():
    """A network with this machine and another end of a cable, which can be unplugged: name of both, and its address."""
    name, number = f"seatrial{os.getpid() % 10000}", os.getpid() % 250
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{here}/24", "dev", name)
        ip("link", "set", name, "up")
        for words in (f"addr add {there}/24 dev eth0", "link set eth0 up", "link set lo up"):
            ip("-n", name, *words.split())
        yield name, there
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", name)
        ip("netns", "del", name)


def test_a_cable_that_is_pulled_ends_both_sides(ssh_server, request_small, batch):
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network of its own takes root and ip (iproute2)")
    try:
        link = link_to_a_namespace()
        name, address = link.__enter__()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    with contextlib.ExitStack() as stack:
        stack.push(link)
        server = SshServer(stack.enter_context(server_folder()), address)
        stack.callback(server.close)
        server.start(("ip", "netns", "exec", name))
        places = stack.enter_context(Places({"pi5": server.board("pi5", silence_s=2)}))
        engine = build("onnxruntime", request_small, place=places.of("pi5"))
        assert engine.infer(batch).shape == (6, 4)
        subprocess.run(["ip", "link", "set", name, "down"], check=True)
        began = time.monotonic()
        with pytest.raises(EngineDiedError, match=r"at board pi5 was cut off: no word came from it for 2 s"):
            engine.infer(batch)
        assert time.monotonic() - began < 6
        assert server.wait_until_empty(_SEES_SLOWLY_S) == []
        engine.close()
        places.close()
        assert not [one for one in psutil.Process().children() if one.name() == "ssh"]


def test_start_up_files_may_print(ssh_server, request_small, batch):
    if not os.environ.get("SHELL", "").endswith("bash") and shutil.which("bash") is None:
        pytest.skip("no bash")
    startup = ssh_server.home / ".bashrc"
    startup.write_text('echo "Welcome to the board"; echo seatrial boots; echo careful >&2; touch "$HOME/started"\n')
    try:
        with (
            Places({"pi5": ssh_server.board("pi5")}) as places,
            build("onnxruntime", request_small, place=places.of("pi5")) as engine,
        ):
            assert engine.infer(batch).shape == (6, 4)
    finally:
        startup.unlink()
    if not (ssh_server.home / "started").exists():
        pytest.skip("this user's shell reads no .bashrc")


def test_another_version_there_is_refused_and_both_are_named(ssh_server, monkeypatch):
    import hashlib
    import io
    import zipfile

    from seatrial import __version__
    from seatrial.engines.boards import connection

    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive.archive().content)) as ours, zipfile.ZipFile(content, "w") as theirs:
        for entry in ours.infolist():
            text = ours.read(entry)
            if entry.filename == "seatrial/__init__.py":
                text = text.replace(f'"{__version__}"'.encode(), b'"99.1"')
            theirs.writestr(entry, text)
    older = Archive(content.getvalue(), hashlib.sha256(content.getvalue()).hexdigest())
    with monkeypatch.context() as patch:
        patch.setattr(connection, "archive", lambda: older)
        with pytest.raises(UnsupportedError, match=r"Board pi5: .*99\.1"):
            Connection(ssh_server.board("pi5"))
    with Connection(ssh_server.board("pi5")) as again:  # both lie there now
        assert again.hello["seatrial"] == __version__
    assert ssh_server.wait_until_empty(10) == []


def test_a_full_disk_there_is_told(ssh_server, tmp_path):
    with small_disk(ssh_server.folder / "small") as small:
        board = ssh_server.board("pi5", python=ssh_server.wrapper(SEATRIAL_CACHE=str(small)))
        with Places({"pi5": board}) as places:
            place = places.of("pi5")
            with pytest.raises(AskRefusedError, match="Board pi5: ") as caught:
                place.connection.give(np.random.default_rng(0).bytes(9 << 20))
            assert caught.value.kind == "disk full"
            place.connection.give(b"small")
        for file in small.iterdir():
            shutil.rmtree(file)
        fill(small)
        with pytest.raises(UnsupportedError, match=r"Board pi5: Cannot write .*No space left on device"):
            Connection(board)
    assert ssh_server.wait_until_empty(10) == []


@pytest.fixture
def silent_server(ssh_server):
    """One that does not listen."""
    with server_folder() as folder, SshServer(folder) as server:
        server.stop()
        yield server
        server.close()


def counting(folder, text="true"):
    script = folder / "power"
    script.write_text(f'#!/bin/sh\necho "$@" >>{folder}/switched\n{text}\n')
    script.chmod(0o755)
    return str(script), lambda: (folder / "switched").read_text().splitlines()


def test_a_board_that_does_not_answer_is_switched_as_often_as_allowed(silent_server):
    command, switched = counting(silent_server.folder)
    board = silent_server.board("pi5", power_cycle=(command, "-p", "2; x"), power_cycles=2, boot_s=0.1)
    with Places({"pi5": board}) as places:
        for _ in range(3):
            with pytest.raises(UnreachableError, match="refuses connections"):
                places.of("pi5")
    assert switched() == ["-p 2; x"] * 2


def test_a_board_that_was_switched_on_is_waited_for(silent_server):
    command, switched = counting(silent_server.folder)
    board = silent_server.board("pi5", power_cycle=(command,), boot_s=20)
    done = threading.Event()

    def boot():
        time.sleep(1.5)
        silent_server.start()
        done.wait()  # it ends with the thread that started it

    booting = threading.Thread(target=boot)
    booting.start()
    try:
        with Places({"pi5": board}) as places:
            assert places.of("pi5").facts().cores >= 1
    finally:
        done.set()
        booting.join()
    assert switched() == [""]


@pytest.mark.parametrize(
    ("text", "says"), [("echo no relay; exit 4", "exit status 4: no relay"), (None, "cannot be started")]
)
def test_a_switch_that_fails_is_told(silent_server, text, says):
    command = counting(silent_server.folder, text)[0] if text else "/no/such/switch"
    board = silent_server.board("pi5", power_cycle=(command,))
    with Places({"pi5": board}) as places:
        for _ in range(2):
            with pytest.raises(DeviceError, match=f"Board pi5 .*{says}"):
                places.of("pi5")


def test_a_board_that_lets_nobody_in_is_not_switched(ssh_server, tmp_path):
    command, _ = counting(tmp_path)
    board = ssh_server.board("pi5", python="/no/such/python", power_cycle=(command,))
    with Places({"pi5": board}) as places, pytest.raises(UnsupportedError, match="has no Python"):
        places.of("pi5")
    assert not (tmp_path / "switched").exists()


def test_a_board_that_another_user_holds_is_refused_with_the_name(ssh_server):
    if os.geteuid() != 0:
        pytest.skip("other users take root")
    meet = ssh_server.folder / "meet"
    meet.mkdir()
    meet.chmod(0o1777)
    board = ssh_server.board("pi5", alias="seatrial-other", python="/usr/bin/python3", lease_file=str(meet / "lease"))
    mine = ssh_server.board("pi5", alias="seatrial-board", python="/usr/bin/python3", lease_file=str(meet / "lease"))
    with Places({"pi5": board}) as theirs, Places({"pi5": mine}) as places:
        assert theirs.of("pi5").hello["user"] == "seatrial-other"
        with pytest.raises(UnsupportedError, match=r"held by .* \(there as seatrial-other, lease expires in"):
            places.of("pi5")
    assert ssh_server.wait_until_empty(10) == []


def test_threads_that_ask_for_a_board_share_one_connection(ssh_server):
    before = threading.active_count()
    with Places({"pi5": ssh_server.board("pi5")}) as places:
        found = []
        threads = [threading.Thread(target=lambda: found.append(places.of("pi5"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(map(id, found))) == 1
        assert len([one for one in psutil.Process().children() if one.name() == "ssh"]) == 1
    assert threading.active_count() == before
    assert not [one for one in psutil.Process().children() if one.name() == "ssh"]


def test_closing_a_board_ends_what_still_runs_there(ssh_server, request_small, batch):
    places = Places({"pi5": ssh_server.board("pi5")})
    engine = build("onnxruntime", request_small, place=places.of("pi5"))
    places.close()
    assert ssh_server.wait_until_empty(5) == []
    with pytest.raises(EngineDiedError, match="at board pi5"):
        engine.infer(batch)
    engine.close()

"""Boards that are this machine, behind a real ssh server of its own: keys, configuration and homes are thrown away."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from seatrial.engines.boards import Board

SSHD = "/usr/sbin/sshd"
# Made by tests/processors/sshd.sh, where this is root.
USERS = ("seatrial-board", "seatrial-other")
ROOT = Path(__file__).resolve().parent.parent
_PREFIX = "seatrial-boards-"
# In the environment of all that runs there.
MARK = "SEATRIAL_TEST_BOARDS"
_BEGIN_S = 10


def missing() -> str | None:
    """What keeps a board from being played here, in words."""
    if not Path(SSHD).is_file() or shutil.which("ssh") is None:
        return f"{SSHD} or ssh is not installed"
    if os.geteuid() == 0 and not all(_exists(user) for user in USERS):
        return f"there are no users {' and '.join(USERS)}"
    return None


class SshServer:
    """A server on 127.0.0.1, and a folder with all that it and its clients need. Use it as a context manager.

    config: file for `ssh -F`. home: of everyone who comes in, other than that of the machine.
    """

    def __init__(self, folder: Path, listen: str = "127.0.0.1") -> None:
        self.folder, self.listen = folder, listen
        self.config, self.known_hosts = folder / "config", folder / "known_hosts"
        self.home = folder / "home"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o711)  # users of their own look for their homes here
        for name in ("host", "user"):
            self.new_key(name)
        shutil.copy(folder / "user.pub", folder / "authorized_keys")
        (folder / "authorized_keys").chmod(0o644)
        for user in (None, *(USERS if os.geteuid() == 0 else ())):
            home = self.home_of(user)
            home.mkdir(mode=0o700)
            if user is not None:
                shutil.chown(home, user)
        self.write_config()

    def home_of(self, user: str | None) -> Path:
        """The home of one of USERS, or of whoever runs the tests."""
        return self.home if user is None else self.folder / f"home-{user}"

    def new_key(self, name: str) -> None:
        """Makes, or makes anew, the key of the `host` or of the `user`."""
        for file in (self.folder / name, self.folder / f"{name}.pub"):
            file.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)

    def start(self, wrap: tuple[str, ...] = ()) -> None:
        """Listens from now on. wrap: the beginning of its command, such as one that enters a network namespace."""
        for _ in range(5):
            self.port = self.port or _free_port()
            (self.folder / "sshd_config").write_text(self._server_config())
            log = (self.folder / "sshd.log").open("ab")
            if os.geteuid() == 0:
                Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            # It ends with the tests, also where they are killed.
            alone = ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()
            with log:
                self._process = subprocess.Popen(
                    [*wrap, *alone, SSHD, "-D", "-e", "-f", self.folder / "sshd_config"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if self._listens():
                self.write_config()
                return
            self.stop()
            self.port = 0
        raise RuntimeError((self.folder / "sshd.log").read_text())

    def stop(self) -> None:
        """Listens no more; connections go on."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def write_config(self) -> None:
        """For the client; the host's key is known."""
        key = (self.folder / "host.pub").read_text().split()
        self.known_hosts.write_text(f"[{self.listen}]:{self.port} {key[0]} {key[1]}\n")
        users = "".join(f"Host {user}\n  User {user}\n" for user in USERS)
        self.config.write_text(
            f"{users}Host *\n  HostName {self.listen}\n  Port {self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {self.folder / 'user'}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
        )

    def board(self, name: str = "loopback", **fields: object) -> Board:
        """One whose Python is that of the tests, unless told otherwise."""
        return Board(
            name,
            **{  # type: ignore[arg-type]
                "ssh": ("-F", str(self.config)),
                "python": sys.executable,
                "lease_file": str(self.folder / "lease"),
                **fields,
            },
        )

    def wrapper(self, **environment: str) -> str:
        """A command there that is the Python of the tests, with these variables."""
        name = self.folder / f"python-{len(list(self.folder.glob('python-*')))}"
        words = shlex.join(["env", *(f"{key}={value}" for key, value in environment.items()), sys.executable])
        name.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        name.chmod(0o755)
        return str(name)

    def processes(self) -> list[psutil.Process]:
        """All that runs there now, for whichever user."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def wait_until_empty(self, seconds: float) -> list[psutil.Process]:
        """What still runs there after so many seconds: nothing, at last."""
        end = time.monotonic() + seconds
        while (found := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def close(self) -> None:
        """Ends it, its connections, and all that runs there."""
        connections = [] if self._process is None else psutil.Process(self._process.pid).children(recursive=True)
        self.stop()
        for process in (*connections, *self.processes()):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def __enter__(self) -> SshServer:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _server_config(self) -> str:
        home = "".join(
            f"Match User {user}\n  SetEnv HOME={self.home_of(user)} {MARK}={self.folder}\n" for user in USERS
        )
        return (
            f"Port {self.port}\nListenAddress {self.listen}\nHostKey {self.folder / 'host'}\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "MaxStartups 100\nLogLevel VERBOSE\n"
            f"SetEnv HOME={self.home} {MARK}={self.folder}\n{home}"
        )

    def _listens(self) -> bool:
        assert self._process is not None
        end = time.monotonic() + _BEGIN_S
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((self.listen, self.port), 1) as one:
                if one.recv(4) == b"SSH-":
                    return True
            time.sleep(0.05)
        return False


@contextlib.contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that other users may pass through, which those of pytest are not; removes those of killed tests, too."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        number = old.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _exists(user: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

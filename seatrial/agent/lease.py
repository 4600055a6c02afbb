"""Who has the board: one at a time, whoever the users are that meet there.

The lease is a lock (flock) on a file that all of them name. Beside it each holder tells who it is, in a file of its
own, `LEASE_FILE.UID`, and writes there that it lives. A holder that no longer does, while its process is still there,
may be put out by the same user. Times are of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import signal
import stat
import time
from pathlib import Path
from typing import Any, NamedTuple

from seatrial.agent.refusals import REFUSED, RefusedError, told

_MOST_FACTS = 4096
_LONGEST_OWNER = 200


class Holder(NamedTuple):
    """owner: in words. pid, begun: its process, and when that began, as the system counts. guardian: another process
    that has the lock. since: of the wall clock. renewed: of the monotonic one; lease_s: how long that holds.
    """

    uid: int
    owner: str
    pid: int
    begun: int
    guardian: int
    since: float
    renewed: float
    lease_s: float

    @property
    def expires(self) -> float:
        """Of the wall clock."""
        return time.time() + self.renewed + self.lease_s - time.monotonic()

    def told(self) -> dict[str, Any]:
        """As the host is told."""
        return {"owner": self.owner, "user": user_name(self.uid), "since": self.since, "expires": self.expires}


NOBODY = {"owner": None, "user": None, "since": None, "expires": None}


class Lease:
    """handle: of the lock's file; the guardian has it, too, and keeps the lease when this process is gone."""

    def __init__(self, path: Path, owner: str, lease_s: float) -> None:
        """RefusedError where the file is none that could be locked."""
        self._path, self._owner, self._lease_s = path, owner[:_LONGEST_OWNER], lease_s
        self._facts: int | None = None
        with told(path):
            self.handle = _opened(path)

    @property
    def is_held(self) -> bool:
        """Whether it is ours."""
        return self._facts is not None

    def take(self, guardian: int) -> bool:
        """Takes it, if it is free. RefusedError where that cannot be told to others."""
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        with told(self._path):
            try:
                if not os.path.samestat(os.fstat(self.handle), self._path.lstat()):
                    raise RefusedError(REFUSED, f"{self._path} was replaced meanwhile.")
                self._facts = self._tell(guardian)
            except BaseException:
                fcntl.flock(self.handle, fcntl.LOCK_UN)
                raise
        return True

    def renew(self) -> None:
        """Says that the holder lives. Takes no room on the disk."""
        if self._facts is not None:
            with contextlib.suppress(OSError):  # the lock holds
                os.pwrite(self._facts, _renewed(), 0)
            with contextlib.suppress(OSError):  # another's file: what clears old files away sees that it is used
                os.utime(self.handle)

    def release(self) -> None:
        """Says that nobody has it any more; the lock goes with all that was started."""
        if self._facts is not None:
            with contextlib.suppress(OSError):
                _facts_path(self._path, os.getuid()).unlink()
            self._facts = None

    def holder(self) -> Holder | None:
        """Who says that it has it; None where nobody that lives says so."""
        with contextlib.suppress(OSError):
            found = [
                holder
                for path in self._path.parent.iterdir()
                if path.name.startswith(f"{self._path.name}.") and (holder := _holder(path)) and _lives(holder)
            ]
            return max(found, key=lambda holder: holder.renewed, default=None)
        return None

    def put_out(self, holder: Holder) -> bool:
        """Ends a holder that has not said for too long that it lives; False where it is not to be ended."""
        late = time.monotonic() - holder.renewed > holder.lease_s
        if not late or holder.uid != os.getuid() or holder.pid == os.getpid() or not _lives(holder):
            return False
        with contextlib.suppress(OSError):
            if os.getpgid(holder.pid) == holder.pid:
                os.killpg(holder.pid, signal.SIGKILL)
            else:
                os.kill(holder.pid, signal.SIGKILL)
        # It ends the engines, and then has the lock no longer.
        with contextlib.suppress(OSError):
            os.kill(holder.guardian, signal.SIGCONT)
        return True

    def _tell(self, guardian: int) -> int:
        facts = {
            "owner": self._owner,
            "pid": os.getpid(),
            "begun": _begun(os.getpid()),
            "guardian": guardian,
            "since": time.time(),
            "lease_s": self._lease_s,
        }
        path = _facts_path(self._path, os.getuid())
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(temporary, flags, 0o600)
        try:
            os.write(handle, _renewed() + json.dumps(facts).encode()[1:])
            os.fchmod(handle, 0o644)
            temporary.replace(path)
        except BaseException:
            os.close(handle)
            temporary.unlink(missing_ok=True)
            raise
        return handle


def user_name(uid: int) -> str:
    """The name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _opened(path: Path) -> int:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    if not path.is_absolute():
        raise RefusedError(REFUSED, f"The lease's file, {path}, must be an absolute path.")
    try:  # with O_CREAT, Linux refuses another user's file in a folder that all may write to
        handle = os.open(path, flags)
    except FileNotFoundError:
        try:
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(handle, 0o644)
        except FileExistsError:  # made by another meanwhile
            handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise RefusedError(REFUSED, f"The lease's file, {path}, is no regular file: remove it, or name another.")
    return handle


def _facts_path(path: Path, uid: int) -> Path:
    return path.with_name(f"{path.name}.{uid}")


def _renewed() -> bytes:
    """The begin of the facts, always as long."""
    return b'{"renewed": %20.3f, ' % time.monotonic()


def _holder(path: Path) -> Holder | None:
    """What a file says of a holder; None where it is none, or not the user's own who is named."""
    name = path.name.rpartition(".")[2]
    if not name.isdecimal():
        return None
    handle = None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != int(name) or found.st_size > _MOST_FACTS:
            return None
        facts = json.loads(os.read(handle, _MOST_FACTS))
        return Holder(
            found.st_uid,
            str(facts["owner"])[:_LONGEST_OWNER],
            int(facts["pid"]),
            int(facts["begun"]),
            int(facts["guardian"]),
            float(facts["since"]),
            min(float(facts["renewed"]), time.monotonic()),
            float(facts["lease_s"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    finally:
        if handle is not None:
            os.close(handle)


def _lives(holder: Holder) -> bool:
    """Whether the process that is named is there, and is the user's own."""
    if holder.pid <= 1 or holder.guardian <= 1 or _begun(holder.pid) != holder.begun:
        return False
    try:
        return Path(f"/proc/{holder.pid}").stat().st_uid == holder.uid
    except OSError:
        return False


def _begun(pid: int) -> int:
    """When a process began, in ticks since the machine did (proc_pid_stat(5), field 22); 0 where there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0

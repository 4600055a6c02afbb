"""One ssh to a board, for as long as a run lasts: begun, asked, watched, ended."""

from __future__ import annotations

import collections
import contextlib
import getpass
import hashlib
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Any

from seatrial import child
from seatrial.agent import command
from seatrial.engines.boards import ssh
from seatrial.engines.boards.archive import archive
from seatrial.engines.boards.board import Board
from seatrial.engines.boards.boot import Begun
from seatrial.engines.boards.remote_engine import RemoteEngine
from seatrial.engines.boards.traffic import Traffic
from seatrial.engines.boards.words import plain
from seatrial.engines.places.channel import Channel
from seatrial.errors import DeviceError, UnsupportedError

# Until the board has said hello: a key exchange, Python and 300 kB of sources on a slow machine.
BEGIN_S = 90.0
# Longer than the board needs to end what runs there.
_END_S = 6.0
_ANSWER_S = 60.0
# Bytes a second, of a link that is of any use.
_SLOWEST = 50e3
_TAIL_BYTES = 1 << 13

Answer = dict[str, Any]


class AskRefusedError(DeviceError):
    """The board cannot do what it was asked; kind: in one word or two, as in `seatrial.agent`."""

    def __init__(self, says: str, kind: str) -> None:
        super().__init__(says)
        self.kind = kind


class Connection:
    """Close it, or use it as a context manager. Nothing runs on the board any more once it is closed or cut off.

    hello: what the board says of itself; not to be trusted.
    """

    def __init__(self, board: Board) -> None:
        """Raises UnsupportedError for a board that lets nobody in, or that cannot run what is sent; UnreachableError
        for one that does not answer.
        """
        self.board = board
        pipe = subprocess.PIPE
        self._ssh = child.start(
            ssh.command(board, command.remote(board.python)), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )
        self._said = _Tail(self._ssh.stderr)
        self._closing = False
        self._given: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        try:
            self.hello = self._begin()
        except BaseException:
            self._end_ssh()
            raise
        self._traffic = Traffic(*self._pipes, board.silence_s, self._hung_up)

    @property
    def lost(self) -> str | None:
        """Why there is no connection any more; None while there is one."""
        return self._traffic.lost

    def ask(
        self,
        ask: str,
        *,
        more: Callable[[Answer], None] = lambda answer: None,
        timeout_s: float | None = _ANSWER_S,
        **fields: Any,
    ) -> Answer:
        """Asks the board, and waits for its last answer. more: called with those before it.

        timeout_s: without an answer for so long, DeviceError; None waits for as long as the board is there. Raises
        AskRefusedError where it answers with an error, DeviceError where it is lost.
        """
        answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        with self._told():
            self._traffic.ask(ask, answers.put, **fields)
            return self._last(ask, answers, more, timeout_s)

    def start(self, lanes: int, memory_bytes: int | None) -> RemoteEngine:
        """Starts an engine's process. Raises as `ask`."""
        with self._told():
            engine = self._traffic.engine(lanes)
        try:
            self.ask("start", engine=engine.number, lanes=lanes, memory_bytes=memory_bytes)
        except BaseException:
            self.end(engine, now=True)
            self._traffic.forget(engine)
            engine.discard()
            raise
        return engine

    def end(self, engine: RemoteEngine, *, now: bool) -> None:
        """Ends an engine's process; it is given two seconds to leave unless that is to be now."""
        self._traffic.end(engine.number, now=now)

    def give(self, content: bytes) -> str:
        """Takes content to the board, where it is not there yet; its SHA-256, as hex. Raises as `ask`."""
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            lock = self._given.setdefault(digest, threading.Lock())
        with lock:
            self._upload(content, digest)
        return digest

    def close(self) -> None:
        """Ends what runs there, and the connection."""
        if self._closing:
            return
        self._closing = True
        self._traffic.end(0, now=False)
        if not self._traffic.join(_END_S):
            self._traffic.stop("it was closed")
            self._traffic.join()
        self._end_ssh()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _pipes(self) -> tuple[int, int]:
        assert self._ssh.stdout is not None
        assert self._ssh.stdin is not None
        return self._ssh.stdout.fileno(), self._ssh.stdin.fileno()

    def _begin(self) -> Mapping[str, Any]:
        board = self.board
        begun = Begun(Channel(*self._pipes), time.monotonic() + BEGIN_S)
        ours = {
            "owner": f"{_user()}@{socket.gethostname()} pid {os.getpid()}",
            "lease_s": board.lease_s,
            "silence_s": board.silence_s,
            "lease_file": board.lease_file,
            "cache_bytes": board.cache_bytes,
            "environment": dict(board.environment),
        }
        try:
            begun.install(archive())
            return begun.hello(ours)
        except UnsupportedError as error:
            raise UnsupportedError(f"Board {board.name}: {error}.") from None
        except ValueError as error:
            raise DeviceError(
                f"Board {board.name} answers otherwise than a board: {plain(str(error))}.{_also(begun.printed)}"
            ) from error
        except TimeoutError:
            raise ssh.failure(board, None, self._said.text(), begun.printed) from None
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._ssh.wait(5)
            self._said.join(1)
            raise ssh.failure(board, self._ssh.poll(), self._said.text(), begun.printed) from None

    def _last(
        self, ask: str, answers: queue.SimpleQueue[Answer | None], more: Callable[[Answer], None], wait_s: float | None
    ) -> Answer:
        while True:
            try:
                answer = answers.get(timeout=wait_s)
            except queue.Empty:
                raise DeviceError(f"Board {self.board.name} did not answer {ask!r} within {wait_s:g} s.") from None
            if answer is None:
                raise DeviceError(self._lost_words())
            if "error" in answer:
                says = plain(str(answer.get("says")))
                raise AskRefusedError(f"Board {self.board.name}: {says}", plain(str(answer["error"])))
            if answer.get("more") is not True:
                return answer
            more(answer)

    def _upload(self, content: bytes, digest: str) -> None:
        lane: list[int] = []
        answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()

        def answered(answer: Answer | None) -> None:
            if answer is not None and answer.get("more") is True:
                number, have = answer.get("lane"), answer.get("have")
                if lane or not isinstance(number, int) or not isinstance(have, int) or not 0 <= have <= len(content):
                    raise ValueError("an upload that it does not begin as agreed")
                lane.append(number)
                self._traffic.send_file(memoryview(content)[have:], number)
            elif lane:
                self._traffic.end_file(lane[0])
            answers.put(answer)

        with self._told():
            self._traffic.ask("blob", answered, sha256=digest, size=len(content))
            self._last("blob", answers, lambda answer: None, _ANSWER_S + len(content) / _SLOWEST)

    @contextlib.contextmanager
    def _told(self) -> Any:
        """DeviceError in full words where the connection is gone."""
        try:
            yield
        except AskRefusedError:
            raise
        except DeviceError:
            if self._traffic.lost is None:
                raise
            raise DeviceError(self._lost_words()) from None

    def _lost_words(self) -> str:
        if self._closing:
            return f"Board {self.board.name} was closed."
        return f"Board {self.board.name} was cut off: {self._traffic.lost}."

    def _hung_up(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._ssh.wait(1)
        self._said.join(1)
        status, said = self._ssh.poll(), self._said.text()
        how = "hung up" if status is None else f"ended ({child.signal_words(status)})" if status < 0 else "ended"
        return f"ssh {how}{': ' * bool(said)}{said}"

    def _end_ssh(self) -> None:
        """Also its jumps and proxies."""
        for stream in (self._ssh.stdin, self._ssh.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._ssh.wait(1)
        child.kill(self._ssh)
        self._ssh.wait()
        self._said.close()


class _Tail:
    """The last that was written to ssh's standard error, by ssh or by what runs on the board."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._kept: collections.deque[bytes] = collections.deque(maxlen=64)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while content := os.read(self._stream.fileno(), _TAIL_BYTES):
            self._kept.append(content)

    def text(self) -> str:
        """Printable."""
        content = b"".join(self._kept.copy())
        return plain(content[-_TAIL_BYTES:].decode("utf-8", "replace"), last=True)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def close(self) -> None:
        self._thread.join(1)
        if not self._thread.is_alive():  # else something holds it open that outlives ssh
            self._stream.close()


def _also(said: str) -> str:
    return "".join(f"\n    {line}" for line in said.splitlines())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        return str(os.getuid())

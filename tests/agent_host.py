"""The host's end of an agent, as small as it can be: pipes instead of ssh, and no bounds on what it keeps."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import seatrial
from seatrial.agent import command, frames
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.places.place import End, Link, Place

_SEATRIAL = Path(seatrial.__file__).resolve().parent
HELLO = {"agent": frames.AGENT, "seatrial": seatrial.__version__, "owner": "a test", "lease_s": 60, "silence_s": 20}


@functools.cache
def archive() -> bytes:
    """All that engines need, as it would travel; `harness` and what else the host needs stay away."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as stream:
        for path in sorted(
            [*_SEATRIAL.glob("*.py"), *_SEATRIAL.glob("agent/**/*.py"), *_SEATRIAL.glob("engines/**/*.py")]
        ):
            stream.write(path, f"seatrial/{path.relative_to(_SEATRIAL)}")
    return found.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class AgentHost:
    """started: the board's lines before frames come. hello: its first frame. last_words: of ENDED 0."""

    def __init__(
        self,
        home: Path,
        *,
        content: bytes | None = None,
        claims: str | None = None,
        python: str | None = sys.executable,
        before: str = "",
        hello: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        reads: bool = True,
        first: int = frames.HELLO,
        **how: Any,
    ) -> None:
        """content: of the archive; claims: the digest that it is said to have. before: what a start-up file does.
        reads: what comes after the hello. first: kind of its first frame.
        """
        content = archive() if content is None else content
        self._reads = reads
        self.home, self.lease_file = home, home / "lease"
        self.process = subprocess.Popen(
            ["sh", "-c", f"{before}\n{command.remote(python)}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            bufsize=0,
            **how,
        )
        self.lines: list[dict[str, Any]] = []
        self.noise = b""
        self.hello: dict[str, Any] = {}
        self.last_words: str | None = None
        self.links: dict[int, AgentLink] = {}
        self.ends: dict[int, dict[str, Any]] = {}
        self.gone = threading.Event()
        self.heard_at = time.monotonic()
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._number = 0
        self._lock = threading.Lock()
        self.granted: dict[tuple[int, int], Window] = {}
        self.write(command.greeting(claims or digest(content), len(content)))
        self._boot(content)
        self.started = bool(self.lines and self.lines[-1].get("started"))
        if not self.started:
            self.gone.set()
        else:
            kind, _, _, body = self.frame()
            assert kind == frames.HELLO
            self.hello = json.loads(body)
            variables = {"PYTHONPATH": str(Path(__file__).parent), **(environment or {})}  # engines of the tests
            said = {"lease_file": str(self.lease_file), "cache_bytes": 1 << 30, "environment": variables}
            self.send(first, json.dumps({**HELLO, **said, **(hello or {})}).encode())
            if reads:
                threading.Thread(target=self._read, daemon=True).start()
            threading.Thread(target=self._beat, daemon=True).start()

    def _boot(self, content: bytes) -> None:
        while True:
            line = self._line()
            if line is None:
                return
            if not line.startswith(command.MAGIC):
                self.noise += line
                continue
            self.lines.append(json.loads(line[len(command.MAGIC) :]))
            if self.lines[-1]["says"] is not None or "started" in self.lines[-1]:
                return
            if not self.lines[-1]["have"]:
                self.write(content)

    def _line(self) -> bytes | None:
        found = b""
        while not found.endswith(b"\n"):
            piece = self.process.stdout.read(1)
            if not piece:
                return None
            found += piece
        return found

    def exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.process.stdout.read(size - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found

    def frame(self) -> tuple[int, int, int, bytes]:
        head = frames.head_of(self.exactly(frames.HEAD.size))
        return head.kind, head.engine, head.lane, self.exactly(head.length)

    def write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[self.process.stdin.write(view) :]

    def send(self, kind: int, content: bytes = b"", engine: int = 0, lane: int = 0) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.write(frames.head(kind, len(content), engine, lane) + content)

    def _beat(self) -> None:
        while not self.gone.wait(0.1):
            self.send(frames.BEAT)

    def _read(self) -> None:
        try:
            while True:
                self._hear(*self.frame())
        except (EOFError, OSError, ValueError):
            self.gone.set()
            for window in self.granted.values():
                window.allow(1 << 40)
            for link in self.links.values():
                link.end(End(None, "the agent is gone"))
            for answers in self._answers.values():
                answers.put({"error": "gone", "says": self.last_words})

    def _hear(self, kind: int, engine: int, lane: int, body: bytes) -> None:
        self.heard_at = time.monotonic()
        if kind == frames.ANSWER:
            answer = json.loads(body)
            self._answers[answer.pop("id")].put(answer)
        elif kind == frames.TAKEN:
            self.granted[engine, lane].allow(*frames.COUNT.unpack(body))
        elif kind == frames.ENDED and not engine:
            self.last_words = json.loads(body)["says"]
        elif kind == frames.ENDED:
            self.ends[engine] = json.loads(body)
            if engine in self.links:
                self.links[engine].end(End(**self.ends[engine]))
        elif kind == frames.OUTPUT:
            self.links[engine].wrote(body)
        elif kind == frames.DATA:
            self.links[engine].heard(lane, body)

    def begin(self, ask: str, **fields: Any) -> queue.SimpleQueue[dict[str, Any]]:
        with self._lock:
            self._number += 1
            number = self._number
            answers = self._answers[number] = queue.SimpleQueue()
        self.send(frames.ASK, json.dumps({"id": number, "ask": ask, **fields}).encode())
        return answers

    def ask(self, ask: str, **fields: Any) -> dict[str, Any]:
        """The last answer."""
        answers = self.begin(ask, **fields)
        while (answer := answers.get(timeout=60)).get("more"):
            pass
        return answer

    def upload(self, content: bytes, *, sha256: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """(the first answer, the last)."""
        answers = self.begin("blob", sha256=sha256 or digest(content), size=len(content))
        first = answers.get(timeout=60)
        if "lane" not in first:
            return first, first
        lane = first["lane"]
        window = self.granted[0, lane] = Window()
        for at in range(first["have"], len(content), frames.MOST):
            piece = content[at : at + frames.MOST]
            window.take(len(piece))
            self.send(frames.BLOB, piece, 0, lane)
        return first, answers.get(timeout=60)

    def leave(self) -> int:
        """Hangs up; the exit status."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        return self.process.wait(60)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            self.gone.wait(5 if self._reads else 0)
            self.gone.set()
            for stream in (self.process.stdout, self.process.stderr):
                stream.close()

    def __enter__(self) -> AgentHost:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Window:
    """What may be sent."""

    def __init__(self) -> None:
        self._left = frames.WINDOW
        self._changed = threading.Condition()

    def take(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._left >= count, 60)
            self._left -= count

    def allow(self, count: int) -> None:
        with self._changed:
            self._left += count
            self._changed.notify_all()


class AgentLink(Link):
    """The host's ends of an engine's lanes."""

    def __init__(self, host: AgentHost, number: int, lanes: int, memory_bytes: int | None) -> None:
        self._host, self._number = host, number
        pairs = [socket.socketpair() for _ in range(lanes)]
        self._mine = [mine for mine, _ in pairs]
        self._theirs = [their for _, their in pairs]
        output, self._output = os.pipe()
        super().__init__([Channel(mine.fileno(), mine.fileno()) for mine in self._mine], output)
        self._end: End | None = None
        self._ended = threading.Event()
        host.links[number] = self
        for lane in range(lanes):
            host.granted[number, lane] = Window()
        self.answers = host.begin("start", engine=number, lanes=lanes, memory_bytes=memory_bytes)
        for lane in range(lanes):
            threading.Thread(target=self._pump, args=(lane,), daemon=True).start()

    def _pump(self, lane: int) -> None:
        with contextlib.suppress(OSError):
            while found := self._theirs[lane].recv(1 << 16):
                self._host.granted[self._number, lane].take(len(found))
                self._host.send(frames.DATA, found, self._number, lane)

    def heard(self, lane: int, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self._theirs[lane].sendall(content)
        self._host.send(frames.TAKEN, frames.COUNT.pack(len(content)), self._number, lane)

    def wrote(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._output, content)

    def end(self, end: End) -> None:
        if self._ended.is_set():
            return
        self._end = end
        self._ended.set()
        os.close(self._output)
        for their in self._theirs:
            with contextlib.suppress(OSError):
                their.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        self._host.send(frames.CLOSE, b"", self._number)
        for mine in self._mine:
            with contextlib.suppress(OSError):
                mine.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        self._host.send(frames.CLOSE, b"", self._number, frames.NOW)
        self._ended.wait(10)

    def ended(self, timeout_s: float) -> End | None:
        self._ended.wait(timeout_s)
        return self._end

    def close(self) -> None:
        for one in (*self._mine, *self._theirs):
            one.close()
        os.close(self.output)


class AgentPlace(Place):
    """A board behind a pipe."""

    name = "the board"

    def __init__(self, host: AgentHost) -> None:
        self.host, self._next = host, 0

    def facts(self) -> Facts:
        raise NotImplementedError

    def engine(self, name: str) -> EngineFacts:
        raise NotImplementedError

    def connect(self, lanes: int, arena: object, memory_bytes: int | None = None) -> Link:
        self._next += 1
        return AgentLink(self.host, self._next, lanes, memory_bytes)


def processes(home: Path) -> dict[int, str]:
    """Numbers and command lines of all that runs with that home: agents, guardians, engines and what they started."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(OSError):
                environment = (path / "environ").read_bytes().split(b"\0")
                if f"HOME={home}".encode() in environment:
                    found[int(path.name)] = (
                        (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    )
    return found


def left_of(home: Path, within_s: float = 60) -> dict[int, str]:
    """What still runs, once it had time to go."""
    end = time.monotonic() + within_s
    while (left := processes(home)) and time.monotonic() < end:
        time.sleep(0.02)
    return left

"""The user's own power meter: a command that prints the watts that are drawn now."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

from seatrial import child
from seatrial.engines.machine.integral import Integral
from seatrial.engines.machine.system import printable
from seatrial.errors import DeviceError, UsageError

# A command that prints once and ends is run again so often, in seconds.
EVERY_S = 1.0
# How long the first number may take, and how long none may come before the meter is taken to be gone.
FIRST_S = 10.0
SILENT_S = 30.0
# Between two looks at what it prints: one that prints without end is held up by its full pipe.
_LOOK_S = 0.05
_LINE, _CHUNK = 4096, 1 << 16
# Of a meter on a wall socket, or of a whole rack.
_MOST_WATTS = 1e6
_NUMBER = re.compile(r"^(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$", re.IGNORECASE | re.ASCII)
_UNITS = {"W": 1.0, "mW": 1e-3, "kW": 1e3}


def parse_watts(line: str) -> float | None:
    """Watts that stand at the end of a line, as `12.5`, `12.5 W`, `power: 12500 mW`; None where there are none.

    A comma is refused: some write it before decimals, others before thousands.

    >>> parse_watts("12.5 W"), parse_watts("now 900mW"), parse_watts("12,5")
    (12.5, 0.9, None)
    """
    text, scale = line.strip(), 1.0
    for unit in ("mW", "kW", "W"):
        if text.endswith(unit):
            text, scale = text[: -len(unit)].rstrip(), _UNITS[unit]
            break
    word = text.split()[-1] if text else ""
    if not _NUMBER.match(word):
        return None
    watts = float(word) * scale
    return watts if watts <= _MOST_WATTS else None


class PowerCommand:
    """An energy meter (`engines.machine.Meter`) of whatever the command measures; a context manager.

    command: words as a shell would split them; no shell runs. It may print one line and end, and is run again every
    `every_s` seconds, or print lines as long as it likes. Each number holds until the next. given: where it stands.
    """

    name = "power command"

    def __init__(
        self,
        command: str,
        *,
        given: str = "--power-command",
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._words, self._given = _split(command, given), given
        self.says = f"the output of {Path(self._words[0]).name}, as given by {given}"
        self._every_s, self._clock = every_s, clock
        self._integral, self._lock = Integral(), threading.Lock()
        self._last: float | None = None
        self._first, self._over, self._end = threading.Event(), threading.Event(), threading.Event()
        self._printed = self._complained = ""
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._keep_asking, name="power command", daemon=True)

    def start(self, first_s: float = FIRST_S) -> None:
        """Waits for the first number. UsageError, with what came instead, where none comes in `first_s` seconds."""
        self._thread.start()
        try:
            self._wait(first_s)
        except BaseException:
            self.close()
            raise

    def joules(self) -> float:
        """Since the first number. DeviceError where there has been none for SILENT_S seconds."""
        with self._lock:
            now = self._clock()
            if self._last is None or now - self._last > SILENT_S:
                raise DeviceError(f"{self._given} has told no watts for {SILENT_S:g} s{self._heard()}.")
            return self._integral.until(now)

    def close(self) -> None:
        """Ends the command and its thread."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def __enter__(self) -> PowerCommand:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, first_s: float) -> None:
        deadline = self._clock() + first_s
        while not self._first.wait(_LOOK_S):
            over = self._over.is_set()  # what it printed last is taken before that
            if self._first.is_set():
                return
            if over or self._clock() >= deadline:
                says = self._failed or f"printed no number within {first_s:g} s{self._heard()}"
                raise UsageError(f"{self._given}: {shlex.join(self._words)!r} {says}. It must print watts, as in 12.5.")

    def _heard(self) -> str:
        heard = self._complained or self._printed
        return f"; the last that it said: {heard}" if heard else ", and nothing else (does it keep back its output?)"

    def _keep_asking(self) -> None:
        try:
            while not self._end.is_set():
                begin = self._clock()
                status = self._ask()
                # Its first run ends with no number: no later one need be waited for.
                if not self._first.is_set():
                    how = "ends" if status == 0 else f"fails ({_ended(status)})"
                    self._failed = f"{how} and has printed no number{self._heard()}"
                    return
                self._end.wait(max(0.0, self._every_s - (self._clock() - begin)))
        except (OSError, ValueError) as error:
            self._failed = f"cannot be run: {error}"
        finally:
            self._over.set()

    def _ask(self) -> int | None:
        process = subprocess.Popen(  # noqa: S603  (the user's own command, without a shell)
            self._words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            self._listen(process.stdout, process.stderr)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0 if self._end.is_set() else 1)
            return None
        finally:
            child.kill(process)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _listen(self, out: IO[bytes], complaints: IO[bytes]) -> None:
        """Until the command closes its output, or the meter is closed."""
        left = {out: b"", complaints: b""}
        with selectors.DefaultSelector() as selector:
            for one in left:
                selector.register(one, selectors.EVENT_READ)
            while selector.get_map() and not self._end.is_set():
                for key, _ in selector.select(_LOOK_S):
                    stream = out if key.fileobj is out else complaints
                    part = os.read(stream.fileno(), _CHUNK)
                    if not part:
                        selector.unregister(stream)
                    *lines, rest = (left[stream] + part).split(b"\n")
                    left[stream] = rest[-_LINE:] if part else b""
                    # The last of what came at once is what is so now.
                    self._take(stream is out, lines if part else [*lines, rest])
                self._end.wait(_LOOK_S)

    def _take(self, is_output: bool, lines: list[bytes]) -> None:
        spelled = [line.decode(errors="replace").strip() for line in lines[-100:]]
        said = [printable(line, 200) for line in spelled if line]
        if not said:
            return
        if not is_output:
            self._complained = said[-1]
            return
        self._printed = said[-1]
        found = [watts for watts in map(parse_watts, said) if watts is not None]
        if found:
            with self._lock:
                self._last = self._clock()
                self._integral.add(self._last, found[-1])
            self._first.set()


def _split(command: str, given: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{given} {command!r} cannot be split into words: {error}.") from error
    if not words:
        raise UsageError(f"{given} is empty: give a command that prints the watts that are drawn now.")
    if shutil.which(words[0]) is None:
        raise UsageError(
            f"{given}: there is no command {words[0]!r}. No shell runs it: give a program by name or path, and "
            "its arguments."
        )
    return words


def _ended(status: int | None) -> str:
    if status is None:
        return "it does not end"
    return child.signal_words(status) if status < 0 else f"exit status {status}"

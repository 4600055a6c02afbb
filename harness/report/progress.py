"""Progress on standard error: bars where somebody watches, lines where it goes into a log."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from seatrial.harness.progress import ALIKE, Progress, Silent, Update
from seatrial.harness.typeset.terminal import Terminal, say_whole
from seatrial.text import shown

# A log that stands still for longer looks like a run that hangs.
LINE_EVERY_S = 10.0
_WIDTH_OF_A_BAR = 140


def progress_here() -> Progress:
    """Bars on a terminal or a notebook, which can redraw them; else lines."""
    console = Terminal(stderr=True)
    watched = console.is_jupyter or (sys.stderr.isatty() and not console.is_dumb_terminal)
    return RichProgress() if watched else LineProgress()


class RichProgress:
    """Shows each stage as a bar with its rate, the time left and what is being done; one within another below it."""

    def __init__(self) -> None:
        self._console = Terminal(stderr=True)
        self._bars: Bars | None = None

    @contextlib.contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator[Update]:
        """A bar of `total` units; 0 for an unknown total."""
        state, within = _State(name, total, unit), self._bars is not None
        with self._drawn() as bars:
            task = bars.add_task("", total=total or None, state=state)

            def update(done: int, note: str = "", total: int | None = None) -> None:
                state.update(done, note, total)
                bars.update(task, completed=done, total=total)

            try:
                yield update
            finally:
                state.over = True
                if within:
                    bars.remove_task(task)

    @contextlib.contextmanager
    def _drawn(self) -> Iterator[Bars]:
        """What is drawn, where a stage is open already."""
        if self._bars is not None:
            yield self._bars
            return
        # Without the room for a bar, the words say as much.
        bar = [BarColumn(bar_width=24)] if self._console.width >= _WIDTH_OF_A_BAR else []
        with Bars(SpinnerColumn(), *bar, _Words(), console=self._console) as self._bars:
            try:
                yield self._bars
            finally:
                self._bars = None

    def tell(self, sentence: str) -> None:
        """A line on standard error, above what comes."""
        _warn(self._console, sentence)


class LineProgress:
    """Says every ten seconds how far a stage is, with those within it, and once that it is done; never a sign that
    moves a cursor.

    every_s: seconds between two lines.
    """

    def __init__(self, every_s: float = LINE_EVERY_S) -> None:
        self._every_s = every_s
        self._within: list[_State] = []

    @contextlib.contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator[Update]:
        """`total` units; 0 for an unknown total."""
        state = _State(name, total, unit)
        self._within.append(state)
        try:
            with self._told(state) if len(self._within) == 1 else contextlib.nullcontext():
                yield state.update
        finally:
            if state in self._within:  # whoever stopped within it may never say so
                del self._within[self._within.index(state) :]

    @contextlib.contextmanager
    def _told(self, state: _State) -> Iterator[None]:
        # Of a stage that reports nothing for long, the time that passes is told.
        over = threading.Event()
        clock = threading.Thread(target=self._tick, args=(over,), daemon=True)
        clock.start()
        try:
            yield
        except BaseException:
            self._end(clock, over)
            _line(f"{state.counted()}, not finished after {duration(state.passed_s)}")
            raise
        self._end(clock, over)
        _line(f"{state.name}: done, {counted(state.done, state.unit)} in {duration(state.passed_s)}")

    def tell(self, sentence: str) -> None:
        """A line on standard error."""
        _line(sentence)

    def _tick(self, over: threading.Event) -> None:
        while not over.wait(self._every_s):
            _line(". ".join(state.line() for state in tuple(self._within)))

    def _end(self, clock: threading.Thread, over: threading.Event) -> None:
        over.set()
        clock.join()


class Warnings(Silent):
    """Shows no progress; tells what nobody should read a figure without."""

    def tell(self, sentence: str) -> None:
        """A line on standard error."""
        _warn(Terminal(stderr=True), sentence)


class _State:
    """How far a stage is, and how fast it goes. What comes is guessed from the later half of what is done: a slow
    start, or what was there already, tells little of it.
    """

    def __init__(self, name: str, total: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self.name, self._total, self.unit, self._clock = name, total, unit, clock
        self.done, self._note, self.over = 0, "", False
        self._begun = clock()
        # Units done and when: the last that is at most half of what is done now, and all after it.
        self._past: deque[tuple[int, float]] = deque([(0, self._begun)])

    def update(self, done: int, note: str = "", total: int | None = None) -> None:
        self._total = self._total if total is None else total
        if done > self.done:
            self._past.append((done, self._clock()))
            while len(self._past) > 1 and self._past[1][0] <= done / 2:
                self._past.popleft()
        self.done, self._note = done, note

    @property
    def passed_s(self) -> float:
        return self._clock() - self._begun

    def each_s(self) -> float | None:
        """Seconds of a unit, so far; None before the first."""
        (first, since), *more = tuple(self._past)
        return (self._clock() - since) / (self.done - first) if more and self.done > first else None

    def left_s(self) -> float | None:
        """Seconds until the stage is done; None where nothing tells."""
        each_s = self.each_s()
        if self.unit not in ALIKE or each_s is None or self.done >= self._total:
            return None
        return each_s * (self._total - self.done)

    def counted(self) -> str:
        if not self._total:
            return f"{self.name}: {counted(self.done, self.unit)}"
        return f"{self.name}: {self.done} of {counted(self._total, self.unit)}"

    def line(self) -> str:
        """As in a log: `Running trials: 300 of 400 images, 12 a second, 8.3 s left (clean)`."""
        left_s = self.left_s()
        # What takes long although all is done is no more of the same.
        alike = self.unit in ALIKE and (self.over or left_s is not None or not self._total)
        rate = _rate(self.each_s()) if alike else ""
        if left_s is not None:
            when = f"{duration(left_s)} left"
        else:
            when = f"{duration(self.passed_s)} {'in all' if self.over else 'so far'}"
        return f"{self.counted()}{rate}, {when}{f' ({self._note})' if self._note else ''}"


def _rate(each_s: float | None) -> str:
    if not each_s:
        return ""
    return f", {1 / each_s:.0f} a second" if each_s <= 0.5 else f", {duration(each_s)} each"


def counted(count: int, unit: str) -> str:
    """unit: as a plural."""
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def duration(seconds: float) -> str:
    """Rounded to what is of use: "0.4 s", "12 s", "3 min", "2 h 5 min"."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _line(text: str) -> None:
    # Neither wrapped nor coloured, whatever the variables of the environment say.
    sys.stderr.write(f"{shown(text)}\n")
    sys.stderr.flush()


def _warn(console: Console, sentence: str) -> None:
    say_whole(console, sentence, style="bold yellow")


class _Words(ProgressColumn):
    """Folded onto as many lines as it takes."""

    max_refresh = 0.5  # figures that jump cannot be read

    def __init__(self) -> None:
        super().__init__(table_column=Column(overflow="fold"))

    def render(self, task: Task) -> Text:
        """As in a log."""
        return Text(shown(task.fields["state"].line()))

"""python tests/fuzz/fuzzing.py COUNT [SEED] [--only NAME]...: so many mutated inputs over all readers.

Each must be taken or refused, in bounded time and memory, as the command tells with any status but 4. Inputs are read
in a process of its own, since what is brought down in C takes its process along: that is told and counted, and the next
process goes on behind it. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Of one input: seconds of the processor, and of the clock, where nothing comes back; the machine may do much else.
MOST_S, HANGS_S = 20.0, 1800.0
# What one process may add to its address space over all of its inputs.
MOST_BYTES = 3 << 30
TAKEN, REFUSED = "taken", "refused"


class LateError(BaseException):
    """An input took longer than MOST_S."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """An input that ended as none may: a fault of ours, or a process that was brought down."""

    reader: str
    index: int
    seed: int
    says: str


def order(count: int, weights: dict[str, int]) -> list[str]:
    """The readers' names, `count` of them in all, by their weights and each at least once."""
    total = sum(weights.values())
    found = []
    for name, weight in weights.items():
        found += [name] * max(1, round(count * weight / total))
    return found


def outcome(error: BaseException, allowed: tuple[type[BaseException], ...]) -> str | None:
    """TAKEN or REFUSED; None for what the command would call a fault of its own."""
    from seatrial.__main__ import refusal
    from seatrial.errors import SeatrialError

    if isinstance(error, (SeatrialError, *allowed)):
        return REFUSED
    if isinstance(error, OSError) and refusal(error) is not None:
        return REFUSED
    return None


def read_all(
    root: Path, count: int, seed: int, first: int = 0, last: int | None = None, only: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Reads the inputs `first` to `last`, with files in `root`; a JSON object before each, and one after it."""
    from fuzz.readers import READERS

    names = order(count, {name: one.weight for name, one in READERS.items() if not only or name in only})
    samples: dict[str, list[bytes]] = {}
    for index in range(first, len(names) if last is None else last):
        one = READERS[names[index]]
        if one.name not in samples:
            samples[one.name] = one.samples(root)
            one.path(root).parent.mkdir(parents=True, exist_ok=True)
        path = one.path(root)
        path.write_bytes(one.input(random.Random(f"{seed} {index}"), path, samples[one.name]))
        yield {"at": index, "reader": one.name}
        begin = time.process_time()
        found, says = _read(one, path)
        yield {"at": index, "reader": one.name, "outcome": found, "says": says, "s": time.process_time() - begin}


def _read(one: Any, path: Path) -> tuple[str | None, str]:
    def late(*_: object) -> None:
        raise LateError(f"more than {MOST_S:g} s")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, MOST_S)
    try:
        with _bounded():
            one.read(path)
    except BaseException as error:
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = outcome(error, one.allowed)
        return found, "" if found else "".join(traceback.format_exception(error))[-3000:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return TAKEN, ""


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """More memory than that is refused, which is a fault of whoever asks for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MOST_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@dataclasses.dataclass
class Counts:
    """counts: reader -> outcome -> how often. faults: what may not be. slowest: reader -> seconds of the slowest."""

    counts: dict[str, collections.Counter[str]]
    faults: list[Fault]
    slowest: dict[str, float]

    @property
    def inputs(self) -> int:
        """How many were read."""
        return sum(one.total() for one in self.counts.values())


def fuzz(count: int, seed: int = 0, only: list[str] | None = None, say: Any = None, part: int = 20_000) -> Counts:
    """Reads `count` inputs or a few more, in processes of `part` each, one after the other."""
    found = Counts(collections.defaultdict(collections.Counter), [], collections.defaultdict(float))
    from fuzz.readers import READERS

    names = order(count, {name: one.weight for name, one in READERS.items() if not only or name in only})
    first = 0
    while first < len(names):
        first = _one_process(count, seed, first, min(len(names), first + part), only or [], found, say)
    return found


def _one_process(count: int, seed: int, first: int, last: int, only: list[str], found: Counts, say: Any) -> int:
    """Where to go on."""
    words = [sys.executable, __file__, str(count), str(seed), "--first", str(first), "--last", str(last)]
    for name in only:
        words += ["--only", name]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=ROOT)
        assert process.stdout is not None
        at, reader, before = first - 1, "", 0
        try:
            for line in process.stdout:
                told = json.loads(line)
                at, reader = told["at"], told["reader"]
                if "outcome" not in told:
                    continue
                before = at + 1
                found.counts[reader][told["outcome"] or "fault"] += 1
                found.slowest[reader] = max(found.slowest[reader], told["s"])
                if told["outcome"] is None:
                    found.faults.append(Fault(reader, at, seed, told["says"]))
                    if say:
                        say(found.faults[-1])
        finally:
            if before < last:
                process.kill()
            process.stdout.close()
            status = process.wait()
        if before >= last:
            return last
        errors.seek(0)
        found.counts[reader]["brought down"] += 1
        found.faults.append(
            Fault(reader, at, seed, f"status {status}: {errors.read()[-3000:].decode(errors='replace')}")
        )
        if say:
            say(found.faults[-1])
        return max(at, first) + 1


def main() -> int:
    """The command; 1 where an input ended in a fault."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--first", type=int)
    parser.add_argument("--last", type=int)
    asked = parser.parse_args()
    if asked.first is not None:
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what is printed meanwhile is no answer
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # nothing at all comes back: the process ends
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            os.environ["SEATRIAL_CACHE"] = f"{folder}/cache"
            for told in read_all(Path(folder), asked.count, asked.seed, asked.first, asked.last, asked.only):
                signal.alarm(int(HANGS_S) if "outcome" not in told else 0)
                answers.write(json.dumps(told) + "\n")
                answers.flush()
        return 0
    found = fuzz(
        asked.count,
        asked.seed,
        asked.only,
        say=lambda fault: print(f"FAULT {fault.reader} #{fault.index}\n{fault.says}", flush=True),
    )
    print("| reader | inputs | taken | refused | faults | slowest s |\n|---|---|---|---|---|---|")
    for name, counts in found.counts.items():
        bad = counts["fault"] + counts["brought down"]
        print(
            f"| {name} | {counts.total()} | {counts[TAKEN]} | {counts[REFUSED]} | {bad} | {found.slowest[name]:.2f} |"
        )
    print(f"{found.inputs} inputs, {len(found.faults)} faults")
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())

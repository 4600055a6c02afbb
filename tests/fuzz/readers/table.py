"""A way in: how a valid sample of what it reads is made, and how that is read."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fuzz import mutators
from fuzz.mutators import Mutator

# What a mutated file is called, so that errors can name it.
NAME = "fuzzed"


@dataclasses.dataclass(frozen=True)
class Reader:
    """One way in. samples: of a folder to make them in, the bytes of some that are valid. read: of the mutated file.
    mutators: what becomes of a sample, by turns. seal: path, bytes -> bytes with a checksum that holds; only a part of
    what is read is sealed. weight: of so many inputs, how many are this reader's. allowed: what else than our own
    errors it says that it raises. place: where the file lies, if that matters. needs: packages that take long to
    import. may_be_refused: whether one of the samples is, as it stands.
    """

    name: str
    samples: Callable[[Path], list[bytes]]
    read: Callable[[Path], Any]
    mutators: Sequence[Mutator] = mutators.BYTES
    seal: Callable[[Path, bytes], bytes] | None = None
    weight: int = 10
    allowed: tuple[type[BaseException], ...] = ()
    suffix: str = ""
    place: Callable[[Path], Path] | None = None
    needs: tuple[str, ...] = ()
    may_be_refused: bool = False

    def path(self, root: Path) -> Path:
        """Where its mutated file lies."""
        if self.place is not None:
            return self.place(root)
        folder = root / self.name.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        return folder / f"{NAME}{self.suffix}"

    def input(self, rng: random.Random, path: Path, samples: Sequence[bytes]) -> bytes:
        """A mutated sample, a pure function of the generator."""
        content = mutators.mutated(rng, rng.choice(samples), self.mutators)
        if self.seal is not None and rng.random() < 0.75:
            with contextlib.suppress(Exception):  # what cannot be sealed is read as it is
                content = self.seal(path, content)
        return content


READERS: dict[str, Reader] = {}


def reader(name: str, samples: Callable[[Path], list[bytes]], **more: Any) -> Callable[[Callable[[Path], Any]], Any]:
    """Adds what reads a path to the table."""

    def add(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        assert name not in READERS, name
        READERS[name] = Reader(name, samples, read, **more)
        return read

    return add


def text(*lines: str) -> Callable[[Path], list[bytes]]:
    """A sample of these lines."""
    return lambda root: ["".join(f"{line}\n" for line in lines).encode()]


def values(*found: Any) -> Callable[[Path], list[bytes]]:
    """Samples of JSON."""
    return lambda root: [json.dumps(value).encode() for value in found]

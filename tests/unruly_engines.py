"""Engines that do to their process what bad runtimes do. Importing this registers them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from seatrial.engines.audit import Audit, Layer
from seatrial.engines.base import Engine
from seatrial.engines.registry import ENGINES

NAMES = (
    *("segfaults", "sleeps", "eats", "exits", "gives-nan", "lies", "babbles"),
    *("segfaults-building", "sleeps-building", "segfaults-starting", "varies"),
    *("spawns", "slow", "escapes", "dribbles", "raises-building", "leaves-a-talker"),
)


class Unruly(Engine):
    """Answers zeros, after `misbehave`, from the call of `infer` on that `calm` names."""

    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {"cpu": ("fp32", "int8")}
    executes_graph: ClassVar[bool] = False
    calm: ClassVar[int] = 0

    def _build(self):
        self.engine_bytes = 1
        self._calls = 0

    def _infer(self, batch):
        self._calls += 1
        if len(batch) > 1 and self._calls > self.calm:  # single queries are timed before
            return self.misbehave(batch)
        return np.zeros((len(batch), self.request.classes), np.float32)

    def misbehave(self, batch):
        raise NotImplementedError

    def _read_audit(self):
        return Audit((Layer("all", "Nothing", 1, self.request.precision, self.request.precision),), {})


def segfault():
    ctypes.string_at(0)


@ENGINES.register("segfaults")
class Segfaults(Unruly):
    name = "segfaults"

    def misbehave(self, batch):
        print("about to read address 0", flush=True)
        segfault()


@ENGINES.register("sleeps")
class Sleeps(Unruly):
    name = "sleeps"

    def misbehave(self, batch):
        libc = ctypes.PyDLL(None)  # keeps Python's lock, as a hanging runtime may
        while True:
            libc.sleep(1000)


@ENGINES.register("eats")
class Eats(Unruly):
    name = "eats"
    eaten: ClassVar[list] = []

    def misbehave(self, batch):
        while True:
            self.eaten.append(bytearray(os.urandom(1 << 10)) * (16 << 10))


@ENGINES.register("exits")
class Exits(Unruly):
    name = "exits"

    def misbehave(self, batch):
        os._exit(7)


@ENGINES.register("gives-nan")
class GivesNan(Unruly):
    name = "gives-nan"

    def misbehave(self, batch):
        return np.full((len(batch), self.request.classes), np.nan, np.float32)


@ENGINES.register("lies")
class Lies(Unruly):
    """Writes over the channel what is no message."""

    name = "lies"

    def misbehave(self, batch):
        for handle in range(3, 40):
            try:
                os.write(handle, b"\xff" * 64)
            except OSError:
                continue
        time.sleep(1000)


@ENGINES.register("babbles")
class Babbles(Unruly):
    """Fills its standard output and error with more than any pipe holds."""

    name = "babbles"

    def misbehave(self, batch):
        for _ in range(200):
            sys.stdout.write("x" * 4096 + "\n")
            sys.stderr.write("y" * 4096 + "\n")
        return np.zeros((len(batch), self.request.classes), np.float32)


@ENGINES.register("segfaults-building")
class SegfaultsBuilding(Unruly):
    name = "segfaults-building"

    def _build(self):
        segfault()


@ENGINES.register("sleeps-building")
class SleepsBuilding(Unruly):
    name = "sleeps-building"

    def _build(self):
        time.sleep(1000)


@ENGINES.register("segfaults-starting")
class SegfaultsStarting(Unruly):
    name = "segfaults-starting"

    @classmethod
    def check_device(cls, device):
        segfault()


@ENGINES.register("varies")
class Varies(Unruly):
    """Every build answers otherwise."""

    name = "varies"

    def _build(self):
        super()._build()
        self._answer = int.from_bytes(os.urandom(8), "little")

    def misbehave(self, batch):
        rng = np.random.default_rng(self._answer)
        return np.tile(rng.standard_normal(self.request.classes, np.float32), (len(batch), 1))


@ENGINES.register("spawns")
class Spawns(Unruly):
    """Starts a process that holds its standard output, in a group of its own."""

    name = "spawns"

    def misbehave(self, batch):
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        return np.zeros((len(batch), self.request.classes), np.float32)


@ENGINES.register("leaves-a-talker")
class LeavesATalker(Unruly):
    """Ends, and leaves a process that goes on to write, in a group of its own."""

    name = "leaves-a-talker"

    def misbehave(self, batch):
        subprocess.Popen(["sh", "-c", "while sleep 0.05; do echo it talks; done"], start_new_session=True)
        os._exit(7)


@ENGINES.register("slow")
class Slow(Unruly):
    """Takes a tenth of a second for every call."""

    name = "slow"

    def _infer(self, batch):
        time.sleep(0.1)
        return np.zeros((len(batch), self.request.classes), np.float32)


@ENGINES.register("escapes")
class Escapes(Unruly):
    """Its error holds what a terminal takes for commands."""

    name = "escapes"

    def misbehave(self, batch):
        raise RuntimeError("\x1b]0;title\x07 and \x1b[2J")


@ENGINES.register("dribbles")
class Dribbles(Unruly):
    """Writes a long answer byte by byte."""

    name = "dribbles"

    def misbehave(self, batch):
        for handle in range(3, 40):
            try:
                os.write(handle, (1000).to_bytes(8, "little"))
            except OSError:
                continue
        while True:
            for handle in range(3, 40):
                try:
                    os.write(handle, b" ")
                except OSError:
                    continue
            time.sleep(0.2)


@ENGINES.register("raises-building")
class RaisesBuilding(Unruly):
    """Fails in a way that no adapter should."""

    name = "raises-building"

    def _build(self):
        raise MemoryError("too large")

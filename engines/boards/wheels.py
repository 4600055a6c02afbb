"""Which packages a board's engines take, and which wheels fit its Python; fetched here for one without a network."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import UnsupportedError, UsageError

NUMPY = "numpy>=1.26"
# Engine -> what pip is told. TensorRT itself is the system's on a Jetson; CUDA's Python is of the system's CUDA.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "null": (),
    "onnxruntime": ("onnxruntime>=1.20",),
    "openvino": ("openvino>=2026.4",),
    "tensorrt": (),
}
INSTALLS = tuple(_NEEDS)
_LEAST_PYTHON = (3, 10)
# glibc of the oldest wheels that there are (PEP 600; manylinux2014 is 2.17).
_OLDEST_GLIBC = 5
# A requirement that is one word of a command, and no option, path or address.
_SPECIFIER = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9_,.-]+\])?([=<>!~]=?=?[A-Za-z0-9.*+!_-]+(,[=<>!~]=?=?[A-Za-z0-9.*+!_-]+)*)?"
)
WHEEL = re.compile(
    r"[A-Za-z0-9_.!+]+-[A-Za-z0-9_.!+]+(-[0-9][A-Za-z0-9_.]*)?-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl"
)


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """As `agent.interpreter.describe` tells it. libc: of the GNU C library, None for another."""

    version: tuple[int, int, int]
    implementation: str
    machine: str
    libc: tuple[int, int] | None
    base: str
    in_environment: bool
    ensurepip: bool
    tensorrt: str | None
    cuda: str | None
    board: str | None

    @property
    def tag(self) -> str:
        """Its ABI, as in `cp311`."""
        return f"cp{self.version[0]}{self.version[1]}"


def interpreter_of(told: Mapping[str, Any]) -> Interpreter:
    """ValueError, TypeError or KeyError for what is none."""
    major, minor, patch = (int(part) for part in told["version"])
    name, version = (str(part) for part in told["libc"])
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version) if name == "glibc" else None
    machine = str(told["machine"])
    if int(told["bits"]) == 32:  # a 32-bit system on a 64-bit kernel
        machine = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return Interpreter(
        (major, minor, patch),
        f"{told['implementation']}{'t' if told['threads_free'] else ''}",
        machine,
        None if found is None else (int(found[1]), int(found[2])),
        str(told["base"]),
        bool(told["in_environment"]),
        bool(told["ensurepip"]),
        *(None if told[name] is None else str(told[name]) for name in ("tensorrt", "cuda", "board")),
    )


def requirements(engines: Sequence[str], board: Interpreter, more: Iterable[str] = ()) -> list[str]:
    """What pip installs there. more: further specifiers, which may pin versions.

    UnsupportedError for engines that setup cannot install there, UsageError for what is no specifier.
    """
    found = {NUMPY: None}
    for engine in engines:
        if engine == "pytorch":
            raise UnsupportedError(
                "PyTorch is not installed by setup: which of its builds fits a board, that of its processor or of its "
                "CUDA, only its owner knows. Install it there with onnx, and give that Python as `python` in "
                "boards.yaml."
            )
        if engine not in _NEEDS:
            raise UnsupportedError(f"Setup cannot install engine {engine!r} on a board. It can: {', '.join(_NEEDS)}.")
        found |= dict.fromkeys(_NEEDS[engine])
        if engine == "tensorrt":
            found |= dict.fromkeys(_tensorrt(board))
    for one in more:
        if not _SPECIFIER.fullmatch(one):
            raise UsageError(f"{one!r} is no package with versions, such as onnxruntime==1.23.2.")
        found[one] = None
    return list(found)


def _tensorrt(board: Interpreter) -> tuple[str, ...]:
    if board.tensorrt is None:
        raise UnsupportedError(
            "The board's system has no TensorRT for its Python. On a Jetson it comes with JetPack: "
            "sudo apt install nvidia-jetpack"
        )
    major = (board.cuda or "").partition(".")[0]
    # JetPack 6 is CUDA 12, whose bindings end before 13; they find nothing in another major version's libraries.
    return ("cuda-python>=12.6,<13",) if major in ("12", "") else (f"cuda-python>={major},<{int(major) + 1}",)


def check_python(board: Interpreter, where: str) -> None:
    """UnsupportedError where no environment for engines can be made of it. where: the board, to begin a sentence."""
    if board.version[:2] < _LEAST_PYTHON:
        raise UnsupportedError(
            f"{where}: {board.base} is Python {'.'.join(map(str, board.version))}; it takes 3.10 or newer. "
            "Install one there, and name it: board setup NAME --python /usr/bin/python3.10"
        )
    if board.implementation != "cpython":
        raise UnsupportedError(f"{where}: {board.base} is {board.implementation}; the runtimes' wheels are CPython's.")


def platforms(board: Interpreter, where: str) -> list[str]:
    """Tags of wheels that its system takes, best first (PEP 600). UnsupportedError for one without glibc."""
    if board.libc is None or board.libc[0] != 2:
        raise UnsupportedError(
            f"{where} has no GNU C library, so wheels cannot be chosen for it here: its own pip has to fetch them."
        )
    tags = [f"manylinux_2_{minor}_{board.machine}" for minor in range(board.libc[1], _OLDEST_GLIBC - 1, -1)]
    if board.libc[1] >= 17:
        tags.append(f"manylinux2014_{board.machine}")
    return [*tags, f"linux_{board.machine}"]


def download(wanted: Sequence[str], board: Interpreter, where: str, folder: Path, timeout_s: float) -> list[Path]:
    """The wheels of what is wanted and of what that needs, put into a folder by this machine's pip.

    UnsupportedError where there are none for the board, or where no index is reached from here either.
    """
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"),
        *("--progress-bar", "off", "--only-binary=:all:", "--dest", str(folder)),
        *("--implementation", "cp", "--python-version", f"{board.version[0]}.{board.version[1]}"),
        *("--abi", board.tag, "--abi", "abi3", "--abi", "none"),
        *(word for tag in platforms(board, where) for word in ("--platform", tag)),
        *wanted,
    ]
    try:
        done = subprocess.run(  # noqa: S603  (this Python's own pip, without a shell)
            command, capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError(f"{where}: its wheels were not fetched within {timeout_s:g} s.") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise UnsupportedError(
            f"{where}: no wheels of {', '.join(wanted)} for Python {board.version[0]}.{board.version[1]} on "
            f"{board.machine} were fetched here:" + "".join(f"\n    {line}" for line in said[-6:])
        )
    return sorted(folder.glob("*.whl"))

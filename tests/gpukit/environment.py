"""What the machine is, in the words of its own tools: one file each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_LIMIT_S = 60
_LARGEST = 4 << 20
_FILES = ("/etc/os-release", "/etc/nv_tegra_release", "/proc/device-tree/model", "/proc/driver/nvidia/version")
_ALWAYS = {
    "uname.txt": ("uname", "-srvm"),
    "lscpu.txt": ("lscpu",),
    "pip-freeze.txt": (sys.executable, "-m", "pip", "freeze"),
    "nvidia-smi.txt": ("nvidia-smi", "-q"),
    "nvcc.txt": ("nvcc", "--version"),
}
_THOROUGH = {
    "ldconfig.txt": ("ldconfig", "-p"),
    "nvpmodel.txt": ("nvpmodel", "-q"),
    "nvml.jsonl": (sys.executable, "-c", "from seatrial.engines.machine.state import main; main()"),
}
# What tells this GPU from others of its kind, and the names of other people's processes.
_PRIVATE = re.compile(
    r"^(\s*(?:Serial Number|GPU UUID|GPU Part Number|Name|Board ID|Chassis Serial Number)\s*:).*$", re.M
)


def collect(folder: Path, *, thorough: bool) -> list[str]:
    """Writes what there is; names of the files, and of what is missing with the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    told = []
    for name, command in {**_ALWAYS, **(_THOROUGH if thorough else {})}.items():
        said = said_by(command)
        (folder / name).write_text(without_private(said)[:_LARGEST], encoding="utf-8", errors="replace")
        told.append(name)
    for path in map(Path, _FILES):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")[:_LARGEST]
            (folder / f"{path.as_posix().strip('/').replace('/', '-')}.txt").write_text(text, encoding="utf-8")
            told.append(path.as_posix())
    return told


def without_private(text: str) -> str:
    """nvidia-smi's words without serial numbers, identifiers and names of processes."""
    return _PRIVATE.sub(r"\1 (left out)", text)


def said_by(command: tuple[str, ...], limit_s: float = _LIMIT_S) -> str:
    """What a tool says; why it says nothing, where it is missing or fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}\n"
    return done.stdout if done.returncode == 0 else f"{done.stdout}{done.stderr}\nexit status {done.returncode}\n"

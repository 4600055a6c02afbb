"""Machines that tests read: their files and what their tools print, from tests/unit/engines/machine/recorded/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seatrial.engines.machine.system import System

RECORDED = Path(__file__).parent / "unit/engines/machine/recorded"
NAMES = sorted(path.stem for path in RECORDED.glob("*.txt"))


def machine(name: str, root: Path, library: object = None) -> System:
    """Lays a recorded machine out below `root`. library: what stands for NVIDIA's, opened."""
    commands: dict[tuple[str, ...], str] = {}
    for part in f"\n{(RECORDED / f'{name}.txt').read_text(encoding='utf-8')}".split("\n=== ")[1:]:
        title, _, text = part.partition("\n")
        text = text.replace("\\0", "\0")
        if title.startswith("$ "):
            commands[tuple(title[2:].split())] = text
        else:
            write(root, title, text)

    def run(command: Sequence[str]) -> str | None:
        return commands.get(tuple(command))

    return System(root, run, lambda: library)  # type: ignore[arg-type,return-value]


def write(root: Path, path: str, text: str) -> None:
    """One file. An unreadable one is a folder, which root, too, cannot read."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if text.startswith("(unreadable)"):
        file.mkdir()
    else:
        file.write_text(text, encoding="utf-8")

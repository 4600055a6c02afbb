"""The demo data set on disk: rendered on first use, then only looked up."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from seatrial.artefacts import read_as, say_damaged, write_artefact
from seatrial.errors import BadInputError
from seatrial.files import temporary_beside
from seatrial.harness.demo.classes import DEMO_CLASSES
from seatrial.harness.demo.render import VERSION, render_jpeg

IMAGES_PER_CLASS: dict[str, int] = {"test": 50, "calib": 12}
_COUNT = sum(IMAGES_PER_CLASS.values()) * len(DEMO_CLASSES)
# Beside the images: path -> SHA-256 of the file.
_DIGESTS = "digests"

Report = Callable[[int, int], None]


def ensure_demo_data(root: Path, *, progress: Report | None = None) -> tuple[Path, Path]:
    """Return the folders (test, calib) below `root`, rendering them on first use.

    Each holds one folder per class, `NN_name/IIII.jpg`, whose sorted order is the class index. The first use
    takes a few seconds of one core and about 8 MB; `progress` then gets (images done, images in all).
    Images are written to a sibling folder that is renamed when complete: processes that start at once all
    succeed, and a killed one leaves nothing that looks like a data set. A damaged or missing image is rendered
    again. Raises BadInputError if there are others, OSError if `root` cannot be written.
    """
    target = root / f"demo-v{VERSION}"
    if not target.is_dir():
        _render_all(target, progress)
    _mend(target, progress)
    folders = target / "test", target / "calib"
    for folder in folders:
        _check(folder, IMAGES_PER_CLASS[folder.name])
    return folders


def _images() -> Iterator[tuple[str, tuple[str, int, int]]]:
    """Path below the data set, and split, class and number, of every image."""
    for split, count in IMAGES_PER_CLASS.items():
        for class_index, name in enumerate(DEMO_CLASSES):
            for index in range(count):
                yield f"{split}/{name}/{index:04d}.jpg", (split, class_index, index)


def _render_all(target: Path, progress: Report | None) -> None:
    """Renders a new data set."""
    partial = temporary_beside(target)
    try:
        _render(partial, progress)
        _publish(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _render(target: Path, progress: Report | None) -> None:
    """Writes every image, and what they are."""
    digests = {}
    for done, (name, which) in enumerate(_images(), start=1):
        digests[name] = _put(target / name, render_jpeg(*which))
        if progress is not None:
            progress(done, _COUNT)
    write_artefact(target / _DIGESTS, json.dumps(digests).encode())


def _put(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    temporary.write_bytes(content)
    temporary.replace(path)
    return hashlib.sha256(content).hexdigest()


def _mend(target: Path, progress: Report | None) -> None:
    """Renders again what is not any more what was written; all of it, where another library would render otherwise."""
    digests = read_as(target / _DIGESTS, lambda kept: _digests(json.loads(kept.content)))
    if digests is None:
        _render(target, progress)
        return
    for name, which in _images():
        path = target / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if found == digests[name]:
            continue
        say_damaged(path, "it is missing" if found is None else "its checksum does not hold")
        if _put(path, render_jpeg(*which)) != digests[name]:
            _render(target, progress)
            return


def _digests(found: dict[str, str]) -> dict[str, str]:
    """Those of every image; KeyError, TypeError where one is missing."""
    return {name: found[name] for name, _ in _images()}


def _publish(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # Another process was faster: its images are the same bytes. Any other failure is a real one.
        if not target.is_dir():
            raise


def _check(folder: Path, count: int) -> None:
    expected = len(DEMO_CLASSES) * count
    found = sum(1 for _ in folder.glob("*/[!.]*.jpg"))
    if found != expected:
        raise BadInputError(
            f"{folder} holds {found} images instead of {expected}: delete {folder.parent} and run again."
        )

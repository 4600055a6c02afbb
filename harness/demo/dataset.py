"""The demo data set on disk: rendered on first use, then only looked up."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from seatrial.errors import BadInputError
from seatrial.harness.demo.classes import DEMO_CLASSES
from seatrial.harness.demo.render import VERSION, render_jpeg

IMAGES_PER_CLASS: dict[str, int] = {"test": 50, "calib": 12}


def ensure_demo_data(root: Path, *, progress: Callable[[int, int], None] | None = None) -> tuple[Path, Path]:
    """Return the folders (test, calib) below `root`, rendering them on first use.

    Each holds one folder per class, `NN_name/IIII.jpg`, whose sorted order is the class index. The first use
    takes a few seconds of one core and about 8 MB; `progress` then gets (images done, images in all).
    Images are written to a sibling folder that is renamed when complete: processes that start at once all
    succeed, and a killed one leaves nothing that looks like a data set. Raises BadInputError if images of a
    finished data set are missing, OSError if `root` cannot be written.
    """
    target = root / f"demo-v{VERSION}"
    if not target.is_dir():
        _render_all(root, target, progress)
    folders = target / "test", target / "calib"
    for folder in folders:
        _check(folder, IMAGES_PER_CLASS[folder.name])
    return folders


def _render_all(root: Path, target: Path, progress: Callable[[int, int], None] | None) -> None:
    root.mkdir(parents=True, exist_ok=True)
    partial = root / f".{target.name}.{uuid.uuid4().hex}.partial"
    try:
        done, total = 0, sum(IMAGES_PER_CLASS.values()) * len(DEMO_CLASSES)
        for split, count in IMAGES_PER_CLASS.items():
            for class_index, name in enumerate(DEMO_CLASSES):
                folder = partial / split / name
                folder.mkdir(parents=True)
                for index in range(count):
                    (folder / f"{index:04d}.jpg").write_bytes(render_jpeg(split, class_index, index))
                    done += 1
                    if progress is not None:
                        progress(done, total)
        _publish(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # Another process was faster: its images are the same bytes. Any other failure is a real one.
        if not target.is_dir():
            raise


def _check(folder: Path, count: int) -> None:
    expected = len(DEMO_CLASSES) * count
    found = sum(1 for _ in folder.glob("*/*.jpg"))
    if found != expected:
        raise BadInputError(
            f"{folder} holds {found} images instead of {expected}: delete {folder.parent} and run again."
        )
